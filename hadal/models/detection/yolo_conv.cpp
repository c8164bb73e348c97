// A convolution, alone and with its batch norm and activation folded into it.
#include <array>

#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include "hadal/core/error.h"
#include "hadal/models/detection/yolo_blocks.h"
#include "hadal/nn/init.h"

namespace hadal::yolo {
namespace {

constexpr double kNormEps = 1e-3, kMomentum = 0.03;

thread_local bool without_folding = false;

using Scalars = c10::List<std::optional<at::Scalar>>;
using Pointwise = Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&, at::IntArrayRef, at::IntArrayRef,
                         at::IntArrayRef, int64_t, std::string_view, Scalars, std::optional<std::string_view>);

/// oneDNN's convolution with what follows it, where this LibTorch has it with these arguments.
const std::optional<c10::TypedOperatorHandle<Pointwise>>& pointwise() {
  static const auto found = []() -> std::optional<c10::TypedOperatorHandle<Pointwise>> {
    const auto schema = c10::Dispatcher::singleton().findSchema({"mkldnn::_convolution_pointwise", ""});
    if (!schema || !at::globalContext().hasMKLDNN()) return std::nullopt;
    try {
      return schema->typed<Pointwise>();
    } catch (const c10::Error&) {
      return std::nullopt;
    }
  }();
  return found;
}

/// What x is computed in: its own type, or what autocasting makes of it.
at::ScalarType computed_in(const Tensor& x) {
  const bool cast = x.is_cpu() && at::autocast::is_autocast_enabled(at::kCPU) && x.is_floating_point();
  return cast ? at::autocast::get_autocast_dtype(at::kCPU) : x.scalar_type();
}

bool fits_pointwise(const Tensor& x, at::ScalarType type) {
  return x.is_cpu() && (type == torch::kFloat32 || type == torch::kBFloat16) && pointwise();
}

/// The weight in the order of elements that oneDNN computes with for inputs of such a size.
Tensor packed(const Tensor& weight, const ConvShape& shape, at::IntArrayRef input) {
  static const auto reorder = c10::Dispatcher::singleton().findSchema({"mkldnn::_reorder_convolution_weight", ""});
  if (!reorder) return weight.contiguous(at::MemoryFormat::ChannelsLast);
  const auto two = [](int64_t value) { return std::vector<int64_t>{value, value}; };
  torch::jit::Stack stack;
  torch::jit::push(stack, weight, two(shape.padding), two(shape.stride), two(1), shape.groups, input.vec());
  reorder->callBoxed(stack);
  return stack.at(0).toTensor();
}

}  // namespace

/// Which values of a tensor these are: they move with `to`, and their version rises with every write.
struct Conv::Folded {
  using Stamp = std::array<std::pair<const void*, int64_t>, 5>;
  Stamp stamp;
  bool packed;
  at::ScalarType type;
  Tensor weight, bias;
};

WithoutFolding::WithoutFolding() : before_(without_folding) { without_folding = true; }
WithoutFolding::~WithoutFolding() { without_folding = before_; }

Plain::Plain(const ConvShape& given, bool with_bias) : shape(given) {
  if (shape.padding < 0) shape.padding = shape.kernel / 2;
  weight = register_parameter("weight", torch::empty({shape.out, shape.in / shape.groups, shape.kernel, shape.kernel}));
  bias = register_parameter("bias", with_bias ? torch::empty({shape.out}) : Tensor(), with_bias);
  init::linear(weight.view({shape.out, -1}), bias);
}

Tensor Plain::forward(const Tensor& x) {
  return torch::conv2d(x, weight, bias, shape.stride, shape.padding, 1, shape.groups);
}

Conv::Conv(const ConvShape& shape, bool activated) : activated_(activated) {
  conv_ = register_module("conv", std::make_shared<Plain>(shape, false));
  bn_ = register_module("bn", nn::BatchNorm2d(nn::BatchNorm2dOptions(shape.out).eps(kNormEps).momentum(kMomentum)));
}

void Conv::train(bool on) {
  Block::train(on);
  if (on) folded_.store(nullptr);
}

Tensor Conv::unfolded(const Tensor& x) {
  const auto y = bn_(conv_->forward(x));
  return activated_ ? torch::silu(y) : y;
}

Tensor Conv::forward(const Tensor& x) {
  const std::array<const Tensor*, 5> parts = {&conv_->weight, &bn_->weight, &bn_->bias, &bn_->running_mean,
                                              &bn_->running_var};
  if (is_training() || at::GradMode::is_enabled() || without_folding || conv_->weight.is_inference())
    return unfolded(x);
  Folded::Stamp stamp;
  for (size_t i = 0; i < parts.size(); ++i) stamp[i] = {parts[i]->const_data_ptr(), parts[i]->_version()};
  const auto& shape = conv_->shape;
  const auto type = computed_in(x);
  const bool fused = fits_pointwise(x, type);
  auto folded = folded_.load();
  if (!folded || folded->stamp != stamp || folded->packed != fused || folded->type != type) {
    const auto factor = bn_->weight * (bn_->running_var + kNormEps).rsqrt();
    const auto weight = (conv_->weight * factor.view({-1, 1, 1, 1})).to(type);
    const auto bias = (bn_->bias - bn_->running_mean * factor).to(type);
    folded = std::make_shared<const Folded>(
        Folded{stamp, fused, type, fused ? packed(weight, shape, x.sizes()) : weight, bias});
    folded_.store(folded);
  }
  if (fused) {
    const std::array<int64_t, 2> padding = {shape.padding, shape.padding}, stride = {shape.stride, shape.stride},
                                 dilation = {1, 1};
    return pointwise()->call(x.to(type).contiguous(at::MemoryFormat::ChannelsLast), folded->weight, folded->bias,
                             padding, stride, dilation, shape.groups, activated_ ? "swish" : "none", Scalars(),
                             std::nullopt);
  }
  auto y = torch::conv2d(x, folded->weight, folded->bias, shape.stride, shape.padding, 1, shape.groups);
  return activated_ ? torch::silu_(y) : y;
}

}  // namespace hadal::yolo
