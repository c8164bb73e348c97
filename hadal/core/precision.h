// The number format of a forward pass.
#pragma once
#include <string>

#include <ATen/autocast_mode.h>

#include "hadal/core/torch.h"

namespace hadal {

/// Whether products in bf16 are faster than in fp32 there. CPUs and GPUs without the arithmetic, or a LibTorch without
/// oneDNN, give the same numbers, CPUs tens of times slower.
bool computes_bf16(const torch::Device& device);

/// "auto" becomes bf16 where it is computed, else fp32; fp16 wants a GPU. Throws UsageError otherwise.
std::string pick_precision(const std::string& name, const torch::Device& device);

/// LibTorch's autocast for the life of the guard: bf16 or fp16 products, fp32 where it matters. Nothing for "fp32".
class Autocast {
 public:
  Autocast(const torch::Device& device, const std::string& precision);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  c10::DeviceType type_;
  bool active_, before_;
  at::ScalarType dtype_before_;
};

}  // namespace hadal
