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

/// Ends autocast for the life of the guard: spectra and nearest codes are taken in full precision, whatever the nets'
/// products are. What a net gave stays in its format; see precise().
class FullPrecision {
 public:
  explicit FullPrecision(const torch::Device& device);
  ~FullPrecision();
  FullPrecision(const FullPrecision&) = delete;
  FullPrecision& operator=(const FullPrecision&) = delete;

 private:
  c10::DeviceType type_;
  bool before_;
};

/// bf16 and fp16 as fp32, other tensors as they are: for losses, and what full precision is wanted for.
inline Tensor precise(const Tensor& x) {
  return x.scalar_type() == torch::kBFloat16 || x.scalar_type() == torch::kHalf ? x.to(torch::kFloat32) : x;
}

}  // namespace hadal
