#include "hadal/nn/norm.h"

#include "hadal/core/error.h"
#include "hadal/core/shape.h"

namespace hadal {

NormImpl::NormImpl(int64_t dim, double eps, const std::string& kind, bool with_bias) : eps_(eps), rms_(kind == "rms") {
  require(kind == "layer" || kind == "rms", "[norm] there is no norm \"{}\"; known: layer, rms", kind);
  weight = register_parameter("weight", torch::ones({dim}));
  const bool has_bias = !rms_ && with_bias;
  bias = register_parameter("bias", has_bias ? torch::zeros({dim}) : Tensor(), has_bias);
}

void NormImpl::expect_width(const Tensor& x) const {
  if (x.dim() == 0 || x.size(-1) != weight.size(0))
    fail("[norm] is of {} numbers and got {}", weight.size(0), shape_text(x));
}

Tensor NormImpl::forward(const Tensor& x) {
  if (!rms_) return torch::layer_norm(x, weight.sizes(), weight, bias, eps_);
  expect_width(x);
  // The mean of squares loses too much in half precision.
  const auto wide = x.scalar_type() == torch::kFloat64 ? x : x.to(torch::kFloat32);
  return weight * (wide * torch::rsqrt(wide.square().mean(-1, true) + eps_)).to(x.scalar_type());
}

}  // namespace hadal
