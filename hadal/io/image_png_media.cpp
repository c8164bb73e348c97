// PNG through libpng. Its errors jump back into guarded(), whose bodies hold nothing that would need a destructor.
#include <csetjmp>
#include <cstring>
#include <vector>

#include <fmt/ranges.h>
#include <png.h>

#include "hadal/core/error.h"
#include "hadal/io/image_codecs.h"
#include "hadal/io/label_image.h"

namespace hadal::codec {
namespace {

struct ErrorTrap {
  std::jmp_buf jump;
  char text[160] = "";
};

[[noreturn]] void on_error(png_structp png, png_const_charp text) {
  auto* trap = static_cast<ErrorTrap*>(png_get_error_ptr(png));
  std::strncpy(trap->text, text, sizeof trap->text - 1);
  std::longjmp(trap->jump, 1);
}
void on_warning(png_structp, png_const_charp) {}

/// libpng takes memory for what a chunk says it holds before it reads it; here no chunk may say more than there is.
void check_chunks(std::string_view bytes, std::string_view name) {
  for (size_t at = 8; at + 8 <= bytes.size();) {
    const size_t size =
        byte_at(bytes, at) << 24 | byte_at(bytes, at + 1) << 16 | byte_at(bytes, at + 2) << 8 | byte_at(bytes, at + 3);
    if (size > bytes.size() - at - 8) throw FileError(name, "cannot decode this PNG: the file ends early");
    if (bytes.substr(at + 4, 4) == "IEND") return;
    at += 12 + size;
  }
}

class PngReader {
 public:
  PngReader(std::string_view bytes, std::string_view name, const DecodeOptions& options) : rest_(bytes), name_(name) {
    check_chunks(bytes, name);
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &trap_, on_error, on_warning);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw FileError(name, "out of memory");
    }
    try {
      guarded([this] {
        png_set_read_fn(png_, this, [](png_structp png, png_bytep to, size_t count) {
          auto& rest = static_cast<PngReader*>(png_get_io_ptr(png))->rest_;
          if (count > rest.size()) png_error(png, "the file ends early");
          std::memcpy(to, rest.data(), count);
          rest.remove_prefix(count);
        });
        png_set_user_limits(png_, 0x7fffffff, 0x7fffffff);
        png_set_chunk_malloc_max(png_, 1 << 24);
        png_read_info(png_, info_);
      });
      check_size(name_, png_get_image_width(png_, info_), png_get_image_height(png_, info_), options);
    } catch (...) {
      png_destroy_read_struct(&png_, &info_, nullptr);
      throw;
    }
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  ImageInfo header() {
    ImageInfo out{"PNG", png_get_image_width(png_, info_), png_get_image_height(png_, info_), 1};
    png_uint_32 size = 0;
    png_bytep exif = nullptr;
    if (png_get_eXIf_1(png_, info_, &size, &exif))
      out.orientation = exif_orientation({reinterpret_cast<const char*>(exif), size});
    return out;
  }

  Tensor decode() {
    size_t stride = 0;
    guarded([&] {
      png_set_scale_16(png_);
      png_set_palette_to_rgb(png_);
      png_set_expand_gray_1_2_4_to_8(png_);
      png_set_strip_alpha(png_);
      png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
      stride = png_get_rowbytes(png_, info_);
    });
    const auto height = static_cast<int64_t>(png_get_image_height(png_, info_));
    const auto width = static_cast<int64_t>(png_get_image_width(png_, info_));
    const auto channels = static_cast<int64_t>(stride) / width;
    if ((channels != 1 && channels != 3) || channels * width != static_cast<int64_t>(stride))
      throw FileError(name_, fmt::format("cannot decode this PNG: {} bytes a row of {} pixels", stride, width));
    auto image = torch::empty({height, width, channels}, torch::kUInt8);
    std::vector<png_bytep> rows(static_cast<size_t>(height));
    for (int64_t y = 0; y < height; ++y) rows[static_cast<size_t>(y)] = image.data_ptr<uint8_t>() + y * stride;
    guarded([&] {
      png_read_image(png_, rows.data());
      png_read_end(png_, nullptr);
    });
    return image;
  }

  /// The numbers as they stand in the file: grey levels or palette indices of 1 to 16 bits; RGB as r << 16 | g << 8 |
  /// b.
  Tensor numbers() {
    size_t stride = 0;
    guarded([&] {
      png_set_packing(png_);
      png_set_strip_alpha(png_);
      png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
      stride = png_get_rowbytes(png_, info_);
    });
    const auto height = static_cast<int64_t>(png_get_image_height(png_, info_));
    const auto width = static_cast<int64_t>(png_get_image_width(png_, info_));
    const auto bytes = static_cast<int64_t>(stride) / width;  // a pixel
    const bool wide = png_get_bit_depth(png_, info_) == 16;
    if (bytes * width != static_cast<int64_t>(stride) || !(bytes == 1 || (bytes == 2 && wide) || (bytes == 3 && !wide)))
      throw FileError(name_, fmt::format("a label picture holds a number of 1 to 16 bits or a colour of 24 a pixel; "
                                         "this one has {} bytes a row of {}",
                                         stride, width));
    std::vector<uint8_t> pixels(stride * static_cast<size_t>(height));
    std::vector<png_bytep> rows(static_cast<size_t>(height));
    for (size_t y = 0; y < rows.size(); ++y) rows[y] = pixels.data() + y * stride;
    guarded([&] {
      png_read_image(png_, rows.data());
      png_read_end(png_, nullptr);
    });
    auto out = torch::empty({height, width}, torch::kInt32);
    auto* to = out.data_ptr<int32_t>();
    for (const auto* from = pixels.data(); from < pixels.data() + pixels.size(); from += bytes) {
      *to = from[0];
      for (int64_t b = 1; b < bytes; ++b) *to = *to << 8 | from[b];
      ++to;
    }
    return out;
  }

 private:
  template <class Body>
  void guarded(const Body& body) {
    if (setjmp(trap_.jump)) throw FileError(name_, fmt::format("cannot decode this PNG: {}", trap_.text));
    body();
  }

  ErrorTrap trap_;
  std::string_view rest_, name_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

}  // namespace

ImageInfo probe_png(std::string_view bytes, std::string_view name, const DecodeOptions& options) {
  return PngReader(bytes, name, options).header();
}

Tensor decode_png(std::string_view bytes, std::string_view name, const DecodeOptions& options) {
  return to_channels(PngReader(bytes, name, options).decode(), options.channels);
}

}  // namespace hadal::codec

namespace hadal {

Tensor decode_label_image(std::string_view bytes, std::string_view name, const DecodeOptions& options) {
  if (bytes.starts_with("\x89PNG\r\n\x1a\n")) return codec::PngReader(bytes, name, options).numbers();
  const auto info = probe_image(bytes, name, options);
  if (info.format != "BMP")
    throw FileError(name,
                    fmt::format("a label picture wants a format without losses, PNG or BMP; this is {}", info.format));
  return decode_image(bytes, name, {1, options.max_pixels}).squeeze(2).to(torch::kInt32);
}

std::string encode_png(const Tensor& image) {
  require(image.dim() == 3 && image.scalar_type() == torch::kUInt8 && (image.size(2) == 1 || image.size(2) == 3) &&
              image.numel() > 0,
          "[encode_png] a picture is uint8 (H, W, 1 or 3), got {} {}", c10::toString(image.scalar_type()),
          fmt::join(image.sizes(), " x "));
  const auto pixels = image.contiguous();
  codec::ErrorTrap trap;
  std::string bytes;
  auto* png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &trap, codec::on_error, codec::on_warning);
  auto* info = png ? png_create_info_struct(png) : nullptr;
  if (!info || setjmp(trap.jump)) {
    png_destroy_write_struct(&png, &info);
    fail("[encode_png] {}", static_cast<const char*>(trap.text));
  }
  png_set_write_fn(
      png, &bytes,
      [](png_structp p, png_bytep data, size_t count) {
        static_cast<std::string*>(png_get_io_ptr(p))->append(reinterpret_cast<const char*>(data), count);
      },
      [](png_structp) {});
  png_set_IHDR(png, info, static_cast<png_uint_32>(pixels.size(1)), static_cast<png_uint_32>(pixels.size(0)), 8,
               pixels.size(2) == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (int64_t y = 0; y < pixels.size(0); ++y)
    png_write_row(png, pixels.const_data_ptr<uint8_t>() + y * pixels.stride(0));
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

}  // namespace hadal
