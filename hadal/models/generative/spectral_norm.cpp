#include "hadal/models/generative/spectral_norm.h"

#include "hadal/nn/linear.h"

namespace hadal {
namespace {

constexpr double kEps = 1e-12;

Tensor unit(const Tensor& vector) { return vector / vector.norm().clamp_min(kEps); }

/// PyTorch's layer of names around the weight.
SpectralWeight parametrized(nn::Module& layer, const Tensor& weight) {
  SpectralWeight made(weight);
  const auto parametrizations = layer.register_module("parametrizations", std::make_shared<nn::Module>());
  parametrizations->register_module("weight", made);
  return made;
}

}  // namespace

SpectralWeightImpl::SpectralWeightImpl(const Tensor& weight) {
  original_ = register_parameter("original", weight.detach().clone());
  const auto inner = register_module("0", std::make_shared<nn::Module>());
  const auto rows = weight.size(0), columns = weight.numel() / rows;
  u_ = inner->register_buffer("_u", unit(torch::randn({rows})));
  v_ = inner->register_buffer("_v", unit(torch::randn({columns})));
  if (!WithoutInit::active()) iterate(15);
}

void SpectralWeightImpl::iterate(int64_t times) {
  const torch::NoGradGuard no_grad;
  const auto matrix = original_.flatten(1);
  for (int64_t i = 0; i < times; ++i) {
    u_.copy_(unit(matrix.mv(v_)));
    v_.copy_(unit(matrix.t().mv(u_)));
  }
}

Tensor SpectralWeightImpl::forward() {
  if (is_training()) iterate(1);
  const auto u = u_.clone(), v = v_.clone();  // the next call may change them before this one's gradient is taken
  return original_ / u.dot(original_.flatten(1).mv(v));
}

SpectralConv2dImpl::SpectralConv2dImpl(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding,
                                       bool with_bias)
    : stride_(stride), padding_(padding) {
  const nn::Conv2d plain(nn::Conv2dOptions(in, out, kernel).bias(with_bias));
  if (with_bias) bias_ = register_parameter("bias", plain->bias.detach().clone());
  weight_ = parametrized(*this, plain->weight);
}

Tensor SpectralConv2dImpl::forward(const Tensor& x) {
  return torch::conv2d(x, weight_->forward(), bias_, stride_, padding_);
}

SpectralLinearImpl::SpectralLinearImpl(int64_t in, int64_t out) {
  const Linear plain(in, out);
  bias_ = register_parameter("bias", plain->bias.detach().clone());
  weight_ = parametrized(*this, plain->weight);
}

Tensor SpectralLinearImpl::forward(const Tensor& x) { return linear(x, weight_->forward(), bias_); }

}  // namespace hadal
