#include "hadal/core/error.h"
#include "hadal/io/image.h"
#include "hadal/io/label_image.h"

namespace hadal {
namespace {

[[noreturn]] void absent() {
  fail("this build of Hadal has no image formats (HADAL_CORE_ONLY); build it with libjpeg-turbo, libpng and libwebp");
}

}  // namespace

bool has_image_formats() { return false; }

ImageInfo probe_image(std::string_view, std::string_view, const DecodeOptions&) { absent(); }
Tensor decode_image(std::string_view, std::string_view, const DecodeOptions&) { absent(); }
Tensor decode_label_image(std::string_view, std::string_view, const DecodeOptions&) { absent(); }
ImageRegion decode_region(std::string_view, std::string_view, const PixelBox&, int64_t, int64_t, const DecodeOptions&) {
  absent();
}
std::string encode_png(const Tensor&) { absent(); }
std::string encode_jpeg(const Tensor&, int) { absent(); }
Tensor read_image(const std::filesystem::path&, const DecodeOptions&) { absent(); }
void write_image(const std::filesystem::path&, const Tensor&, int) { absent(); }

}  // namespace hadal
