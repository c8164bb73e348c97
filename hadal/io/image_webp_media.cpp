// WebP through libwebp; the container's EXIF chunk is found here, which spares libwebpdemux.
#include <webp/decode.h>

#include "hadal/core/error.h"
#include "hadal/io/image_codecs.h"

namespace hadal::codec {
namespace {

const uint8_t* data(std::string_view bytes) { return reinterpret_cast<const uint8_t*>(bytes.data()); }

/// A RIFF chunk is a four-letter name, a length, and its data padded to an even number of bytes.
int orientation_of(std::string_view bytes) {
  for (size_t at = 12; at + 8 <= bytes.size();) {
    const size_t size = little32(bytes, at + 4);
    if (size > bytes.size() - at - 8) return 1;
    if (bytes.substr(at, 4) == "EXIF") return exif_orientation(bytes.substr(at + 8, size));
    at += 8 + size + size % 2;
  }
  return 1;
}

const char* reason(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
      return "the file ends early";
    case VP8_STATUS_BITSTREAM_ERROR:
      return "corrupt data";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return "a feature that libwebp does not know";
    case VP8_STATUS_OUT_OF_MEMORY:
      return "out of memory";
    default:
      return "cannot be decoded";
  }
}

}  // namespace

ImageInfo probe_webp(std::string_view bytes, std::string_view name, const DecodeOptions& options) {
  WebPBitstreamFeatures features;
  if (const auto status = WebPGetFeatures(data(bytes), bytes.size(), &features); status != VP8_STATUS_OK)
    throw FileError(name, fmt::format("cannot decode this WebP: {}", reason(status)));
  if (features.has_animation) throw FileError(name, "this WebP is an animation; a single picture is needed");
  check_size(name, features.width, features.height, options);
  return {"WebP", features.width, features.height, orientation_of(bytes)};
}

Tensor decode_webp(std::string_view bytes, std::string_view name, const DecodeOptions& options) {
  const auto header = probe_webp(bytes, name, options);
  auto image = torch::empty({header.height, header.width, 3}, torch::kUInt8);
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) throw FileError(name, "libwebp is not the version that Hadal was built with");
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {image.data_ptr<uint8_t>(), static_cast<int>(image.stride(0)),
                          static_cast<size_t>(image.numel())};
  const auto status = WebPDecode(data(bytes), bytes.size(), &config);
  WebPFreeDecBuffer(&config.output);
  if (status != VP8_STATUS_OK) throw FileError(name, fmt::format("cannot decode this WebP: {}", reason(status)));
  return to_channels(image, options.channels);
}

}  // namespace hadal::codec
