// Pictures whose pixels are numbers, not colours: of an instance, of a class; 0 is usually the background.
#pragma once
#include <string_view>

#include "hadal/io/image.h"

namespace hadal {

/// (H, W) int32. PNG: grey levels and palette indices as they stand in the file, up to 16 bits; RGB as
/// r << 16 | g << 8 | b. BMP: grey levels. Throws FileError for formats with losses and files that do not decode.
Tensor decode_label_image(std::string_view bytes, std::string_view name, const DecodeOptions& options = {});

}  // namespace hadal
