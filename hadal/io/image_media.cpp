#include <algorithm>
#include <cctype>

#include "hadal/core/error.h"
#include "hadal/io/file.h"
#include "hadal/io/image_codecs.h"

namespace hadal {
namespace {

using namespace std::string_view_literals;

enum class Format { jpeg, png, webp, bmp };

Format format_of(std::string_view bytes, std::string_view name) {
  if (bytes.starts_with("\xFF\xD8\xFF"sv)) return Format::jpeg;
  if (bytes.starts_with("\x89PNG\r\n\x1A\n"sv)) return Format::png;
  if (bytes.starts_with("RIFF"sv) && bytes.substr(0, 12).ends_with("WEBP"sv)) return Format::webp;
  if (bytes.starts_with("BM"sv)) return Format::bmp;
  if (bytes.empty()) throw FileError(name, "the file is empty; a picture was expected");
  const auto resembles = [&]() -> std::string_view {
    if (bytes.starts_with("GIF8"sv)) return "GIF";
    if (bytes.starts_with("II*\0"sv) || bytes.starts_with("MM\0*"sv)) return "TIFF";
    if (bytes.size() > 12 && bytes.substr(4, 4) == "ftyp"sv) return "HEIC, AVIF or a film";
    if (bytes.starts_with("<"sv)) return "HTML, XML or SVG";
    return "none of these";
  };
  throw FileError(name, fmt::format("pictures are JPEG, PNG, WebP or BMP; this looks like {}", resembles()));
}

/// An upright picture is the stored one mirrored in x, in y, then with x and y swapped.
struct Turn {
  bool mirror_x, mirror_y, swap;
};
Turn turn_of(int orientation) {
  static constexpr Turn turns[] = {{false, false, false}, {true, false, false}, {true, true, false},
                                   {false, true, false},  {false, false, true}, {false, true, true},
                                   {true, true, true},    {true, false, true}};
  return turns[orientation - 1];
}

Tensor upright(Tensor image, int orientation) {
  const auto turn = turn_of(orientation);
  if (turn.mirror_x) image = image.flip(1);
  if (turn.mirror_y) image = image.flip(0);
  return turn.swap ? image.transpose(0, 1).contiguous() : image;
}

ImageInfo stored_header(Format format, std::string_view bytes, std::string_view name, const DecodeOptions& options) {
  switch (format) {
    case Format::jpeg:
      return codec::probe_jpeg(bytes, name, options);
    case Format::png:
      return codec::probe_png(bytes, name, options);
    case Format::webp:
      return codec::probe_webp(bytes, name, options);
    default:
      return codec::probe_bmp(bytes, name, options);
  }
}

void check_options(const DecodeOptions& options) {
  require(options.channels == 1 || options.channels == 3, "[decode_image] channels are 1 (grey) or 3 (RGB), got {}",
          options.channels);
}

}  // namespace

bool has_image_formats() { return true; }

ImageInfo probe_image(std::string_view bytes, std::string_view name, const DecodeOptions& options) {
  auto header = stored_header(format_of(bytes, name), bytes, name, options);
  if (turn_of(header.orientation).swap) std::swap(header.width, header.height);
  return header;
}

Tensor decode_image(std::string_view bytes, std::string_view name, const DecodeOptions& options) {
  check_options(options);
  const auto format = format_of(bytes, name);
  if (format == Format::bmp) return codec::decode_bmp(bytes, name, options);
  const auto orientation = stored_header(format, bytes, name, options).orientation;
  if (format == Format::png) return upright(codec::decode_png(bytes, name, options), orientation);
  if (format == Format::webp) return upright(codec::decode_webp(bytes, name, options), orientation);
  return upright(codec::decode_jpeg(bytes, name, nullptr, 0, 0, options).image, orientation);
}

ImageRegion decode_region(std::string_view bytes, std::string_view name, const PixelBox& box, int64_t min_width,
                          int64_t min_height, const DecodeOptions& options) {
  check_options(options);
  const auto header = probe_image(bytes, name, options);
  require(box.left >= 0 && box.top >= 0 && box.width > 0 && box.height > 0 && box.left <= header.width - box.width &&
              box.top <= header.height - box.height,
          "[decode_region] the box {} x {} at ({}, {}) is not within the picture's {} x {}", box.width, box.height,
          box.left, box.top, header.width, header.height);
  const ImageRegion wanted{{},
                           static_cast<double>(box.left),
                           static_cast<double>(box.top),
                           static_cast<double>(box.width),
                           static_cast<double>(box.height)};
  if (header.format != "JPEG") {
    auto region = wanted;
    region.image = decode_image(bytes, name, options);
    return region;
  }
  const auto turn = turn_of(header.orientation);
  auto stored = box;
  if (turn.swap) stored = {box.top, box.left, box.height, box.width}, std::swap(min_width, min_height);
  const auto width = turn.swap ? header.height : header.width, height = turn.swap ? header.width : header.height;
  if (turn.mirror_x) stored.left = width - stored.left - stored.width;
  if (turn.mirror_y) stored.top = height - stored.top - stored.height;
  auto region = codec::decode_jpeg(bytes, name, &stored, min_width, min_height, options);
  const auto w = static_cast<double>(region.image.size(1)), h = static_cast<double>(region.image.size(0));
  if (turn.mirror_x) region.left = w - region.left - region.width;
  if (turn.mirror_y) region.top = h - region.top - region.height;
  if (turn.swap) std::swap(region.left, region.top), std::swap(region.width, region.height);
  region.image = upright(region.image, header.orientation);
  return region;
}

Tensor read_image(const std::filesystem::path& path, const DecodeOptions& options) {
  return decode_image(read_file(path), path.string(), options);
}

void write_image(const std::filesystem::path& path, const Tensor& image, int quality) {
  auto ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  require(ending == ".png" || ending == ".jpg" || ending == ".jpeg", "{}: pictures are written as .png, .jpg or .jpeg",
          path.string());
  write_file(path, ending == ".png" ? encode_png(image) : encode_jpeg(image, quality));
}

}  // namespace hadal
