// Darknet's .weights: a header (three int32 of the version, then how many pictures were seen, int64 since 0.2), then
// float32 to the end of the file, layer by layer; which float is whose only the .cfg says.
#pragma once
#include <filesystem>
#include <vector>

#include "hadal/io/tensors.h"

namespace hadal {

/// What read_darknet_weights() calls its one tensor.
inline constexpr const char* kDarknetFloats = "darknet.floats";

struct DarknetHeader {
  int32_t major = 0, minor = 2, revision = 5;
  int64_t seen = 0;  // pictures trained on
};

/// One row of all floats, kDarknetFloats, mapped; the header's numbers in metadata: "darknet.version" (0.2.5),
/// "darknet.seen". Throws FileError where the header makes no sense or bytes are left over.
NamedTensors read_darknet_weights(const std::filesystem::path& path);

/// The header that the metadata tells of.
DarknetHeader darknet_header(const NamedTensors& weights);

/// Tensors in Darknet's order, as float32.
void write_darknet_weights(const std::filesystem::path& path, const DarknetHeader& header,
                           const std::vector<Tensor>& tensors);

}  // namespace hadal
