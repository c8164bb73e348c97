// Words, boxes and grids on pictures that people look at. Pictures are uint8 (H, W, 3) RGB, contiguous; grey (H, W, 1)
// is taken where a new picture comes back. Text is legible whatever the picture's size.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "hadal/core/torch.h"

namespace hadal {

struct Colour {
  uint8_t red = 0, green = 0, blue = 0;
  bool operator==(const Colour&) const = default;
};

/// A strong colour for each class; neighbours differ clearly.
Colour class_colour(int64_t index);

/// A text as the font, which knows ASCII alone, can show it: accents fall away, every other character is a '?'.
std::string drawable(const std::string& text);

struct BoxDrawing {
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;  // pixels; parts beyond the picture are cut
  Colour colour;
  std::string label;  // on a corner, none where empty
};

/// Outlines, then labels on filled bars in the order given: above the box, within or below it, on its left or its
/// right, wherever first the label hides no other one and little of any other box. Where there is no such place it is
/// left out.
void draw_boxes(Tensor& image, std::span<const BoxDrawing> boxes);

/// The picture with a bar of text below it; long text takes several lines. A picture less than `least` wide is enlarged
/// by a whole factor without smoothing, so that its pixels can be seen.
Tensor with_caption(const Tensor& image, const std::string& text, Colour bar, int64_t least = 192);

struct GridCell {
  Tensor image;
  std::string caption;
  Colour bar{60, 60, 60};
};

/// Cells of one size beside each other, captions below; every picture is fitted into side x side pixels, its shape
/// kept. `columns` 0 chooses a nearly square grid. Throws UsageError for no cell at all.
Tensor picture_grid(const std::vector<GridCell>& cells, int64_t side = 160, int64_t columns = 0);

}  // namespace hadal
