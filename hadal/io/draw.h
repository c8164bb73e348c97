// Words, boxes and grids on pictures that people look at. Pictures are uint8 (H, W, 3) RGB, contiguous; grey (H, W, 1)
// is taken where a new picture comes back. Text is legible whatever the picture's size.
#pragma once
#include <cstdint>
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

/// A tag that hangs above (x, y), or below where there is no room, kept within the picture: text on a filled bar.
void draw_label(Tensor& image, const std::string& text, double x, double y, Colour colour);

/// The outline of x1 y1 x2 y2 in pixels, with a label on its corner unless `text` is empty. Parts beyond the picture
/// are cut.
void draw_box(Tensor& image, double x1, double y1, double x2, double y2, Colour colour, const std::string& text = "");

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
