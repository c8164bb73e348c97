#include "hadal/io/tensors.h"

namespace hadal {

const Tensor* NamedTensors::find(std::string_view name) const {
  for (const auto& [key, tensor] : entries)
    if (key == name) return &tensor;
  return nullptr;
}

c10::Storage storage_of(std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner) {
  const auto size = static_cast<int64_t>(bytes.size());
  const bool aligned = reinterpret_cast<uintptr_t>(bytes.data()) % 8 == 0;
  if (owner && aligned && size > 0) {
    auto* data = const_cast<std::byte*>(bytes.data());
    return torch::from_blob(data, {size}, [owner](void*) {}, torch::kUInt8).storage();
  }
  auto copy = torch::empty({size}, torch::kUInt8);
  if (size > 0) std::memcpy(copy.data_ptr(), bytes.data(), bytes.size());
  return copy.storage();
}

Tensor plain_copy(const Tensor& tensor, std::string_view name, std::string_view where) {
  const auto refuse = [&](std::string_view kind) {
    throw FileError(where, fmt::format("cannot write {}: it is {}", quoted(name), kind));
  };
  if (!tensor.defined()) refuse("undefined");
  if (tensor.is_quantized()) refuse("quantised; dequantize() it first");
  if (tensor.layout() != torch::kStrided) refuse("sparse; to_dense() it first");
  return tensor.detach().cpu().resolve_conj().resolve_neg().contiguous();
}

std::string_view memory_of(const Tensor& plain) {
  if (plain.numel() == 0) return {};
  return {static_cast<const char*>(plain.const_data_ptr()), plain.nbytes()};
}

}  // namespace hadal
