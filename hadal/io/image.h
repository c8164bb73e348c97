// Pictures as files: JPEG, PNG, WebP and BMP, told apart by their content, never by their name. A picture in memory is
// a uint8 tensor (H, W, C), contiguous, C = 3 (RGB) or 1 (grey), and stands upright: EXIF orientation is applied. Alpha
// is dropped, as torchvision's and Pillow's convert("RGB") do; 16 bits are rounded to 8; CMYK is taken as Adobe writes
// it (inverted). All functions throw FileError with the picture's name and the reason; none trusts its input.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "hadal/core/torch.h"

namespace hadal {

struct DecodeOptions {
  int64_t channels = 3;                   // 3: RGB, 1: grey (ITU-R 601 luma)
  int64_t max_pixels = int64_t{1} << 28;  // a larger picture is refused before memory is taken for it
};

/// What a picture's header says; width and height after orientation.
struct ImageInfo {
  std::string format;  // "JPEG", "PNG", "WebP", "BMP"
  int64_t width = 0, height = 0;
  int orientation = 1;  // EXIF, 1 to 8
};

/// False in a core-only build, where every function here that reads or writes a file format throws.
bool has_image_formats();

/// Whether a file that begins so (32 bytes do) is one of these pictures.
bool begins_like_picture(std::string_view bytes);

/// Reads the header only.
ImageInfo probe_image(std::string_view bytes, std::string_view name, const DecodeOptions& options = {});

/// The whole picture, (H, W, C) uint8. `name` is for messages. A JPEG that ends early or holds corrupt data is an
/// error.
Tensor decode_image(std::string_view bytes, std::string_view name, const DecodeOptions& options = {});

/// A rectangle in pixels.
struct PixelBox {
  int64_t left = 0, top = 0, width = 0, height = 0;
};

/// A decoded part of a picture, perhaps at a reduced scale.
struct ImageRegion {
  Tensor image;  // (h, w, C) uint8; may reach beyond what was asked for
  // Where the asked box lies in `image`, in pixels of `image`; not whole numbers at a reduced scale.
  double left = 0, top = 0, width = 0, height = 0;
};

/// Decodes the part of a picture inside `box` (in upright pixels, within the picture). A JPEG is decoded no further
/// than needed: only the box's columns and rows, at 1/2, 1/4 or 1/8 where the box still has at least min_width x
/// min_height pixels (0: always in full). At scale 1 the pixels equal decode_image's. Other formats are decoded whole.
ImageRegion decode_region(std::string_view bytes, std::string_view name, const PixelBox& box, int64_t min_width = 0,
                          int64_t min_height = 0, const DecodeOptions& options = {});

/// (H, W, 1 or 3) uint8 -> a file's bytes. `quality` is libjpeg's, 1 to 100.
std::string encode_png(const Tensor& image);
std::string encode_jpeg(const Tensor& image, int quality = 90);

Tensor read_image(const std::filesystem::path& path, const DecodeOptions& options = {});
/// The name's ending chooses the format: .png, .jpg or .jpeg.
void write_image(const std::filesystem::path& path, const Tensor& image, int quality = 90);

}  // namespace hadal
