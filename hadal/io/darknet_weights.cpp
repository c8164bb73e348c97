#include "hadal/io/darknet_weights.h"

#include <cstdio>
#include <limits>

#include "hadal/io/bytes.h"
#include "hadal/io/file.h"

namespace hadal {
namespace {

/// Since 0.2 the pictures seen take 64 bits.
bool is_long(const DarknetHeader& header) { return int64_t{header.major} * 10 + header.minor >= 2; }

template <class Number>
void append(std::string& out, Number number) {
  out.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

}  // namespace

NamedTensors read_darknet_weights(const std::filesystem::path& path) {
  const MappedFile file(path);
  Cursor cursor(file.bytes(), file.name());
  DarknetHeader header;
  header.major = cursor.read<int32_t>();
  header.minor = cursor.read<int32_t>();
  header.revision = cursor.read<int32_t>();
  // Above 1000 Darknet takes matrices for transposed ones; none of its detectors' files is such.
  for (const auto number : {header.major, header.minor, header.revision})
    if (number < 0 || number > 1000)
      cursor.fail_here(fmt::format("no .weights of Darknet's: its version is {}.{}.{}", header.major, header.minor,
                                   header.revision));
  header.seen = is_long(header) ? cursor.read<int64_t>() : cursor.read<int32_t>();
  if (header.seen < 0) cursor.fail_here(fmt::format("no .weights of Darknet's: {} pictures seen", header.seen));
  if (cursor.left() % sizeof(float) != 0)
    cursor.fail_here(fmt::format("cut short: {} bytes follow the header, no whole number of floats", cursor.left()));
  const auto count = static_cast<int64_t>(cursor.left() / sizeof(float));
  const auto bytes = cursor.take(cursor.left());
  NamedTensors out;
  out.source = file.name();
  // The header is 16 or 20 bytes long and the mapping starts at a page: floats lie aligned.
  auto* data = const_cast<std::byte*>(bytes.data());
  out.add(kDarknetFloats,
          count == 0 ? torch::empty({0}) : torch::from_blob(data, {count}, [keep = file.keep_alive()](void*) {}));
  out.metadata["darknet.version"] = fmt::format("{}.{}.{}", header.major, header.minor, header.revision);
  out.metadata["darknet.seen"] = std::to_string(header.seen);
  return out;
}

DarknetHeader darknet_header(const NamedTensors& weights) {
  DarknetHeader header;
  const auto version = weights.metadata.find("darknet.version"), seen = weights.metadata.find("darknet.seen");
  if (version != weights.metadata.end())
    std::sscanf(version->second.c_str(), "%d.%d.%d", &header.major, &header.minor, &header.revision);
  if (seen != weights.metadata.end()) header.seen = std::strtoll(seen->second.c_str(), nullptr, 10);
  return header;
}

void write_darknet_weights(const std::filesystem::path& path, const DarknetHeader& header,
                           const std::vector<Tensor>& tensors) {
  if (!is_long(header) && header.seen > std::numeric_limits<int32_t>::max())
    fail("{}: version {}.{} counts at most 2^31 - 1 pictures, not {}", path.string(), header.major, header.minor,
         header.seen);
  AtomicFile file(path);
  std::string start;
  append(start, header.major);
  append(start, header.minor);
  append(start, header.revision);
  if (is_long(header))
    append(start, header.seen);
  else
    append(start, static_cast<int32_t>(header.seen));
  file.write(start);
  for (const auto& tensor : tensors) {
    const auto floats = tensor.detach().to(torch::kCPU, torch::kFloat32).contiguous();
    file.write({reinterpret_cast<const char*>(floats.const_data_ptr<float>()), floats.nbytes()});
  }
  file.commit();
}

}  // namespace hadal
