// Weights and inputs that need no file: a hash of the tensor's name gives its values, as in
// tests/golden/areas/vision.py.
#pragma once
#include <cmath>
#include <string_view>

#include "hadal/core/parallel.h"
#include "hadal/core/torch.h"

namespace hadal::test {

inline uint64_t fnv1a(std::string_view text) {
  uint64_t value = 0xCBF29CE484222325;
  for (const unsigned char byte : text) value = (value ^ byte) * 0x100000001B3;
  return value;
}

/// SplitMix64 of the name's hash and the index in [-1, 1), mapped to offset + scale x.
inline Tensor uniform(std::string_view name, at::IntArrayRef shape, double scale = 1, double offset = 0) {
  const auto out = torch::empty(shape);
  auto* values = out.mutable_data_ptr<float>();
  const auto key = fnv1a(name);
  parallel_for(0, out.numel(), 1 << 16, [&](int64_t first, int64_t last) {
    for (auto i = first; i < last; ++i) {
      auto x = key + static_cast<uint64_t>(i + 1) * 0x9E3779B97F4A7C15;
      x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
      x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
      x ^= x >> 31;
      values[i] = static_cast<float>(offset + scale * (static_cast<double>(x >> 40) / (1 << 23) - 1));
    }
  });
  return out;
}

/// Values that keep activations near 1: matrices by their fan-in, norms around 1, biases around 0.
inline Tensor weight(std::string_view name, at::IntArrayRef shape) {
  if (name.ends_with("running_var")) return uniform(name, shape, 0.5, 1);
  if (shape.size() >= 2) {
    const auto fan_in = static_cast<double>(c10::multiply_integers(shape)) / static_cast<double>(shape[0]);
    return uniform(name, shape, shape[0] == 1 ? 0.5 : std::sqrt(3 / fan_in));
  }
  return name.ends_with("weight") ? uniform(name, shape, 0.2, 1) : uniform(name, shape, 0.1);
}

/// Parameters and buffers by name; they share the module's memory.
inline TensorsByName tensors_of(const nn::Module& module) {
  TensorsByName out;
  for (const auto& item : module.named_parameters()) out.emplace_back(item.key(), item.value());
  for (const auto& item : module.named_buffers()) out.emplace_back(item.key(), item.value());
  return out;
}

}  // namespace hadal::test
