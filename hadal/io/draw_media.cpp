#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <optional>

#include <fmt/ranges.h>
#include <opencv2/imgproc.hpp>
#include <utf8proc.h>

#include "hadal/core/error.h"
#include "hadal/io/draw.h"

namespace hadal {
namespace {

constexpr Colour kBackground{245, 245, 245};

cv::Scalar scalar(Colour colour) { return {double(colour.red), double(colour.green), double(colour.blue)}; }

/// Black or white, whichever reads better on the colour.
cv::Scalar ink_on(Colour colour) {
  const auto luma = 0.299 * colour.red + 0.587 * colour.green + 0.114 * colour.blue;
  return luma > 140 ? cv::Scalar(0, 0, 0) : cv::Scalar(255, 255, 255);
}

void check(const Tensor& image, const char* where, bool grey) {
  require(image.dim() == 3 && image.scalar_type() == torch::kUInt8 && image.numel() > 0 &&
              (image.size(2) == 3 || (grey && image.size(2) == 1)),
          "[{}] a picture is uint8 (H, W, {}), got {} {}", where, grey ? "1 or 3" : "3",
          c10::toString(image.scalar_type()), fmt::join(image.sizes(), " x "));
}

/// The tensor's memory as OpenCV sees it; drawing on one changes the other.
cv::Mat view(const Tensor& image) {
  return {static_cast<int>(image.size(0)), static_cast<int>(image.size(1)), CV_8UC3, image.data_ptr<uint8_t>()};
}

Tensor to_rgb(const Tensor& image) { return image.expand({-1, -1, 3}).contiguous(); }

/// A size of text: capitals are `height` pixels tall.
struct Font {
  int height = 10;
  double scale() const { return height / 22.0; }  // Hershey's capitals are about 22 pixels at scale 1
  int thickness() const { return std::max(1, static_cast<int>(std::lround(height / 11.0))); }
  int line() const { return height + height * 3 / 4; }
  int width(const std::string& text) const {
    int below = 0;
    return cv::getTextSize(text, cv::FONT_HERSHEY_SIMPLEX, scale(), thickness(), &below).width;
  }
  void put(cv::Mat& image, const std::string& text, int x, int baseline, const cv::Scalar& ink) const {
    cv::putText(image, text, {x, baseline}, cv::FONT_HERSHEY_SIMPLEX, scale(), ink, thickness(), cv::LINE_AA);
  }
};

Font font_for(int64_t width, int64_t height) {
  return {static_cast<int>(std::clamp<int64_t>(std::min(width, height) / 36, 9, 60))};
}

/// Cuts the text so that it fits, with ".." at its end.
std::string fitted(std::string text, const Font& font, int width) {
  if (font.width(text) <= width) return text;
  while (!text.empty() && font.width(text + "..") > width) text.pop_back();
  return text + "..";
}

std::vector<std::string> lines_of(const std::string& text, const Font& font, int width) {
  std::vector<std::string> lines(1);
  for (size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find(' ', at), text.size());
    const auto word = text.substr(at, end - at);
    const auto longer = lines.back().empty() ? word : lines.back() + " " + word;
    if (font.width(longer) <= width || lines.back().empty())
      lines.back() = fitted(longer, font, width);
    else
      lines.push_back(fitted(word, font, width));
    at = end + 1;
  }
  return lines;
}

/// Far corners are brought near, where integers hold them and the lines still leave the picture.
cv::Rect place_of(const BoxDrawing& box, const cv::Mat& canvas) {
  const auto near = [](double value, int size) {
    return static_cast<int>(std::lround(std::clamp(std::isfinite(value) ? value : 0.0, -64.0, size + 64.0)));
  };
  return {cv::Point(near(box.x1, canvas.cols), near(box.y1, canvas.rows)),
          cv::Point(near(box.x2, canvas.cols), near(box.y2, canvas.rows))};
}

/// Where the label of boxes[of] hides neither another label nor more than a fifth of another box; none if nowhere.
std::optional<cv::Rect> label_place(cv::Size size, size_t of, const std::vector<cv::Rect>& boxes,
                                    const std::vector<cv::Rect>& labels, cv::Size picture) {
  const auto& own = boxes[of];
  const auto clamped = [&](int x, int y) {
    return cv::Rect({std::clamp(x, 0, std::max(0, picture.width - size.width)),
                     std::clamp(y, 0, std::max(0, picture.height - size.height))},
                    size);
  };
  const auto is_free = [&](const cv::Rect& at) {
    for (const auto& label : labels)
      if ((at & label).area() > 0) return false;
    for (size_t i = 0; i < boxes.size(); ++i)
      if (i != of && 5 * (at & boxes[i]).area() > boxes[i].area()) return false;
    return true;
  };
  const int above = own.y - size.height, below = own.y + own.height;
  const bool inside = 3 * size.height <= own.height, fits_below = below + size.height <= picture.height;
  for (const int x : {own.x, own.x + own.width - size.width}) {
    if (above >= 0 && is_free(clamped(x, above))) return clamped(x, above);
    if (inside && is_free(clamped(x, own.y))) return clamped(x, own.y);
    if (fits_below && is_free(clamped(x, below))) return clamped(x, below);
  }
  return std::nullopt;
}

}  // namespace

std::string drawable(const std::string& text) {
  utf8proc_uint8_t* made = nullptr;
  const auto options =
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_STRIPMARK);
  const auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                   static_cast<utf8proc_ssize_t>(text.size()), &made, options);
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(made, std::free);
  const auto plain = length < 0 ? text : std::string(reinterpret_cast<const char*>(made), static_cast<size_t>(length));
  std::string out;
  for (const unsigned char c : plain) {
    if (c >= 0x80 && c < 0xC0) continue;  // the rest of a UTF-8 character
    out += c >= 0x20 && c < 0x7F ? static_cast<char>(c) : c == '\n' ? ' ' : '?';
  }
  return out;
}

Colour class_colour(int64_t index) {
  // The golden ratio spreads any number of hues evenly; brightness alternates so that near hues still differ.
  const double place = static_cast<double>(index) * 0.6180339887498949 + 0.02;
  const double hue = 6 * (place - std::floor(place)), value = index % 2 ? 1.0 : 0.82,
               saturation = index % 3 ? 0.85 : 0.65;
  const auto channel = [&](double shift) {
    const double k = std::fmod(shift + hue, 6.0);
    return static_cast<uint8_t>(
        std::lround(255 * (value - value * saturation * std::clamp(std::min(k, 4 - k), 0.0, 1.0))));
  };
  return {channel(5), channel(3), channel(1)};
}

void draw_boxes(Tensor& image, std::span<const BoxDrawing> boxes) {
  check(image, "draw_boxes", false);
  require(image.is_contiguous(), "[draw_boxes] the picture must be contiguous");
  auto canvas = view(image);
  const auto font = font_for(canvas.cols, canvas.rows);
  std::vector<cv::Rect> places, labels;
  for (const auto& box : boxes) {
    places.push_back(place_of(box, canvas));
    cv::rectangle(canvas, places.back().tl(), places.back().br(), scalar(box.colour), std::max(1, font.height / 6));
  }
  for (size_t i = 0; i < boxes.size(); ++i) {
    if (boxes[i].label.empty()) continue;
    const int pad = font.height / 3 + 1;
    const auto text = fitted(drawable(boxes[i].label), font, canvas.cols - 2 * pad);
    const auto at = label_place({font.width(text) + 2 * pad, font.height + 2 * pad}, i, places, labels, canvas.size());
    if (!at) continue;
    labels.push_back(*at);
    cv::rectangle(canvas, *at, scalar(boxes[i].colour), cv::FILLED);
    font.put(canvas, text, at->x + pad, at->y + pad + font.height, ink_on(boxes[i].colour));
  }
}

Tensor with_caption(const Tensor& image, const std::string& text, Colour bar, int64_t least) {
  check(image, "with_caption", true);
  auto picture = to_rgb(image);
  const auto factor = (least + picture.size(1) - 1) / picture.size(1);
  if (factor > 1) picture = picture.repeat_interleave(factor, 0).repeat_interleave(factor, 1);
  const auto font = font_for(picture.size(1), std::max(picture.size(0), picture.size(1) / 2));
  const int pad = font.height / 2;
  const auto lines = lines_of(drawable(text), font, static_cast<int>(picture.size(1)) - 2 * pad);
  auto strip =
      torch::empty({static_cast<int64_t>(lines.size()) * font.line() + pad, picture.size(1), 3}, torch::kUInt8);
  auto canvas = view(strip);
  canvas.setTo(scalar(bar));
  for (size_t i = 0; i < lines.size(); ++i)
    font.put(canvas, lines[i], pad, pad / 2 + static_cast<int>(i + 1) * font.line() - font.height / 3, ink_on(bar));
  return torch::cat({picture, strip}, 0);
}

Tensor picture_grid(const std::vector<GridCell>& cells, int64_t side, int64_t columns) {
  require(!cells.empty(), "[picture_grid] there is no picture to show");
  require(side >= 16 && columns >= 0, "[picture_grid] side is at least 16 and columns at least 0, got {} and {}", side,
          columns);
  const auto count = static_cast<int64_t>(cells.size());
  if (columns == 0) columns = static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(count))));
  columns = std::min(columns, count);
  const auto rows = (count + columns - 1) / columns;
  const Font font{static_cast<int>(std::clamp<int64_t>(side / 16, 8, 24))};
  const bool captions =
      std::any_of(cells.begin(), cells.end(), [](const GridCell& cell) { return !cell.caption.empty(); });
  const int64_t gap = 4, bar = captions ? font.line() + 4 : 0, height = side + bar + gap, width = side + gap;
  auto grid = torch::empty({rows * height + gap, columns * width + gap, 3}, torch::kUInt8);
  auto canvas = view(grid);
  canvas.setTo(scalar(kBackground));
  for (int64_t i = 0; i < count; ++i) {
    const auto& cell = cells[static_cast<size_t>(i)];
    check(cell.image, "picture_grid", true);
    const auto picture = to_rgb(cell.image);
    const auto scale = static_cast<double>(side) / static_cast<double>(std::max(picture.size(0), picture.size(1)));
    const auto fit = [&](int64_t size) {
      return std::max(1, static_cast<int>(std::lround(static_cast<double>(size) * scale)));
    };
    cv::Mat fitted_picture;
    cv::resize(view(picture), fitted_picture, {fit(picture.size(1)), fit(picture.size(0))}, 0, 0,
               scale > 1 ? cv::INTER_NEAREST : cv::INTER_AREA);
    const int left = static_cast<int>(gap + i % columns * width), top = static_cast<int>(gap + i / columns * height);
    const int room = static_cast<int>(side);
    fitted_picture.copyTo(
        canvas(cv::Rect(left + (room - fitted_picture.cols) / 2, top + (room - fitted_picture.rows) / 2,
                        fitted_picture.cols, fitted_picture.rows)));
    if (cell.caption.empty()) continue;
    cv::rectangle(canvas, cv::Rect(left, top + room, room, static_cast<int>(bar)), scalar(cell.bar), cv::FILLED);
    font.put(canvas, fitted(drawable(cell.caption), font, room - 8), left + 4,
             top + room + static_cast<int>(bar) - font.height / 2, ink_on(cell.bar));
  }
  return grid;
}

}  // namespace hadal
