// JPEG through libjpeg-turbo. libjpeg reports errors by a callback that must not return: here it jumps back into
// guarded(), whose bodies hold nothing that would need a destructor.
#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include <fmt/ranges.h>
#include <jerror.h>
#include <jpeglib.h>

#include "hadal/core/error.h"
#include "hadal/io/image_codecs.h"

namespace hadal::codec {
namespace {

struct ErrorTrap : jpeg_error_mgr {
  std::jmp_buf jump;
  char text[JMSG_LENGTH_MAX];
};

[[noreturn]] void on_error(j_common_ptr info) {
  auto* trap = static_cast<ErrorTrap*>(info->err);
  trap->format_message(info, trap->text);
  std::longjmp(trap->jump, 1);
}

/// Warnings mean damaged pixels, except for these, which common writers cause and which cost no pixel.
void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  switch (info->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_ADOBE_XFORM:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_NOT_SEQUENTIAL:  // a baseline file's scan need not say that it is a whole one
      return;
    default:
      on_error(info);
  }
}

void on_progress(j_common_ptr info) {
  // A few bytes per scan can ask for a pass over all pixels; real progressive files have about ten scans.
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > 500) {
    auto* trap = static_cast<ErrorTrap*>(info->err);
    std::snprintf(trap->text, sizeof trap->text, "more than 500 progressive scans");
    std::longjmp(trap->jump, 1);
  }
}

void trap_errors(ErrorTrap& trap) {
  jpeg_std_error(&trap);
  trap.error_exit = on_error;
  trap.emit_message = on_message;
  trap.output_message = [](j_common_ptr) {};
}

/// Inverted CMYK, as Adobe writes it, to RGB with Pillow's rounding.
void cmyk_to_rgb(const uint8_t* from, uint8_t* to, int64_t width) {
  for (int64_t x = 0; x < width; ++x, from += 4, to += 3)
    for (int c = 0; c < 3; ++c) {
      const uint32_t product = static_cast<uint32_t>(255 - from[c]) * from[3] + 128;
      to[c] = static_cast<uint8_t>(from[3] - ((product + (product >> 8)) >> 8));
    }
}

/// Gives its memory back also when a reader's constructor throws.
struct Decompressor : jpeg_decompress_struct {
  Decompressor() : jpeg_decompress_struct{} {}
  ~Decompressor() { jpeg_destroy_decompress(this); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
};

class JpegReader {
 public:
  JpegReader(std::string_view bytes, std::string_view name) : bytes_(bytes), name_(name) {
    trap_errors(trap_);
    info_.err = &trap_;
    progress_.progress_monitor = on_progress;
    guarded([this] {
      jpeg_create_decompress(&info_);
      info_.progress = &progress_;
      jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size());
      jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xFFFF);
      jpeg_read_header(&info_, TRUE);
    });
  }

  ImageInfo header() const {
    return {"JPEG", static_cast<int64_t>(info_.image_width), static_cast<int64_t>(info_.image_height), orientation()};
  }

  ImageRegion decode(const PixelBox* box, int scale, int64_t channels) {
    const bool cmyk = info_.num_components == 4;
    guarded([&] {
      info_.scale_num = static_cast<unsigned>(scale);
      info_.scale_denom = 8;
      info_.out_color_space = cmyk ? JCS_CMYK : channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
      // libjpeg turns RGB-coded files into grey only by way of RGB.
      if (info_.jpeg_color_space == JCS_RGB) info_.out_color_space = JCS_RGB;
      jpeg_start_decompress(&info_);
    });
    const auto cover = covering(box, scale);
    JDIMENSION left = static_cast<JDIMENSION>(cover.left), columns = static_cast<JDIMENSION>(cover.width);
    guarded([&] {
      if (columns < info_.output_width) jpeg_crop_scanline(&info_, &left, &columns);
      if (cover.top > 0) jpeg_skip_scanlines(&info_, static_cast<JDIMENSION>(cover.top));
    });
    auto image = torch::empty({cover.height, columns, cmyk ? 3 : info_.output_components}, torch::kUInt8);
    read_rows(image, cmyk);
    const double factor = scale / 8.0;
    ImageRegion region{to_channels(image, channels), 0, 0, static_cast<double>(columns),
                       static_cast<double>(cover.height)};
    if (box)
      region.left = static_cast<double>(box->left) * factor - left,
      region.top = static_cast<double>(box->top) * factor - static_cast<double>(cover.top),
      region.width = static_cast<double>(box->width) * factor,
      region.height = static_cast<double>(box->height) * factor;
    return region;
  }

 private:
  template <class Body>
  void guarded(const Body& body) {
    if (setjmp(trap_.jump)) throw FileError(name_, fmt::format("cannot decode this JPEG: {}", trap_.text));
    body();
  }

  int orientation() const {
    for (const auto* marker = info_.marker_list; marker; marker = marker->next) {
      const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
      if (data.starts_with(std::string_view("Exif\0\0", 6))) return exif_orientation(data);
    }
    return 1;
  }

  /// The box in pixels of the scaled picture, two columns wider on each side: libjpeg smooths chroma between neighbours
  /// and takes the edges of what it is asked for as the picture's.
  PixelBox covering(const PixelBox* box, int scale) const {
    const int64_t width = info_.output_width, height = info_.output_height;
    if (!box) return {0, 0, width, height};
    const auto left = std::max<int64_t>(box->left * scale / 8 - 2, 0), top = box->top * scale / 8;
    const auto right = std::min(((box->left + box->width) * scale + 7) / 8 + 2, width);
    const auto bottom = std::min(((box->top + box->height) * scale + 7) / 8, height);
    return {left, top, right - left, bottom - top};
  }

  void read_rows(const Tensor& image, bool cmyk) {
    auto* pixels = image.data_ptr<uint8_t>();
    const auto height = image.size(0), width = image.size(1), stride = width * image.size(2);
    std::vector<uint8_t> buffer(cmyk ? static_cast<size_t>(width) * 4 : 0), rest(static_cast<size_t>(width) * 4);
    guarded([&] {
      for (int64_t y = 0; y < height; ++y) {
        JSAMPROW row = cmyk ? buffer.data() : pixels + y * stride;
        jpeg_read_scanlines(&info_, &row, 1);
        if (cmyk) cmyk_to_rgb(buffer.data(), pixels + y * stride, width);
      }
      // A file without its end marker was cut off, perhaps below these rows: only going on tells.
      if (has_end()) return;
      for (JSAMPROW row = rest.data(); info_.output_scanline < info_.output_height;)
        jpeg_read_scanlines(&info_, &row, 1);
    });
  }

  bool has_end() const {
    const auto read = bytes_.size() - std::min(info_.src->bytes_in_buffer, bytes_.size());
    return bytes_.substr(read).rfind("\xFF\xD9") != std::string_view::npos;
  }

  std::string_view bytes_, name_;
  Decompressor info_;
  jpeg_progress_mgr progress_{};
  ErrorTrap trap_{};
};

}  // namespace

ImageInfo probe_jpeg(std::string_view bytes, std::string_view name, const DecodeOptions& options) {
  auto header = JpegReader(bytes, name).header();
  check_size(name, header.width, header.height, options);
  return header;
}

ImageRegion decode_jpeg(std::string_view bytes, std::string_view name, const PixelBox* box, int64_t min_width,
                        int64_t min_height, const DecodeOptions& options) {
  JpegReader reader(bytes, name);
  const auto header = reader.header();
  check_size(name, header.width, header.height, options);
  // Only these scales have vector code in libjpeg-turbo; the ones between are slower than a decode in full.
  int scale = 8;
  if (box && min_width > 0 && min_height > 0)
    while (scale > 1 && box->width * (scale / 2) >= min_width * 8 && box->height * (scale / 2) >= min_height * 8)
      scale /= 2;
  return reader.decode(box, scale, options.channels);
}

}  // namespace hadal::codec

namespace hadal {

std::string encode_jpeg(const Tensor& image, int quality) {
  require(image.dim() == 3 && image.scalar_type() == torch::kUInt8 && (image.size(2) == 1 || image.size(2) == 3) &&
              image.size(0) <= JPEG_MAX_DIMENSION && image.size(1) <= JPEG_MAX_DIMENSION && image.numel() > 0,
          "[encode_jpeg] a picture is uint8 (H, W, 1 or 3), got {} {}", c10::toString(image.scalar_type()),
          fmt::join(image.sizes(), " x "));
  const auto pixels = image.contiguous();
  codec::ErrorTrap trap{};
  codec::trap_errors(trap);
  jpeg_compress_struct info{};
  info.err = &trap;
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  const auto release = [&] {
    jpeg_destroy_compress(&info);
    std::free(buffer);
  };
  if (setjmp(trap.jump)) {
    release();
    fail("[encode_jpeg] {}", static_cast<const char*>(trap.text));
  }
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_width = static_cast<JDIMENSION>(pixels.size(1));
  info.image_height = static_cast<JDIMENSION>(pixels.size(0));
  info.input_components = static_cast<int>(pixels.size(2));
  info.in_color_space = pixels.size(2) == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, std::clamp(quality, 1, 100), TRUE);
  jpeg_start_compress(&info, TRUE);
  const auto* row = pixels.const_data_ptr<uint8_t>();
  for (int64_t y = 0; y < pixels.size(0); ++y, row += pixels.stride(0)) {
    auto* line = const_cast<uint8_t*>(row);
    jpeg_write_scanlines(&info, &line, 1);
  }
  jpeg_finish_compress(&info);
  std::string bytes(reinterpret_cast<const char*>(buffer), size);
  release();
  return bytes;
}

}  // namespace hadal
