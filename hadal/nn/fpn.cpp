#include "hadal/nn/fpn.h"

#include "hadal/core/error.h"
#include "hadal/nn/init.h"
#include "hadal/nn/names_only.h"

namespace hadal {
namespace {

/// Uniform with the variance that keeps a linear layer's: nn.init.kaiming_uniform_(a=1).
void first_values(nn::Conv2dImpl& layer) {
  if (WithoutInit::active()) return;
  nn::init::kaiming_uniform_(layer.weight, 1);
  if (layer.bias.defined()) nn::init::zeros_(layer.bias);
}

/// `conv` halves both sides. A side of one is padded to two, which changes no sum: oneDNN's bf16 gradient of the
/// weights is not finite without (LibTorch 2.13).
Tensor halved(nn::Conv2d& conv, const Tensor& level) {
  const int64_t below = level.size(2) == 1, right = level.size(3) == 1;
  return conv(below + right > 0 ? torch::constant_pad_nd(level, {0, right, 0, below}) : level);
}

}  // namespace

FpnImpl::FpnImpl(const FpnShape& shape) : shape_(shape) {
  require(!shape.in.empty(), "[fpn] wants at least one level");
  nn::ModuleList inner, layer;
  const auto add = [&](int64_t in, int64_t kernel, nn::ModuleList& list, std::vector<ConvNorm>& kept) {
    kept.push_back(ConvNorm(ConvNormShape{
        .in = in, .out = shape.out, .kernel = kernel, .norm = shape.norm, .activation = Activation::none}));
    first_values(*kept.back()->conv);
    list->push_back(kept.back());
  };
  for (const auto in : shape.in) {
    add(in, 1, inner, inner_);
    add(shape.out, 3, layer, layer_);
  }
  register_module("inner_blocks", inner);
  register_module("layer_blocks", layer);
  if (shape.top != FpnShape::Top::from_pyramid && shape.top != FpnShape::Top::from_network) return;
  const auto top = register_module("extra_blocks", std::make_shared<NamesOnly>());
  const auto strided = [&](const char* name, int64_t in) {
    auto made = top->register_module(name, nn::Conv2d(nn::Conv2dOptions(in, shape.out, 3).stride(2).padding(1)));
    first_values(*made);
    return made;
  };
  p6_ = strided("p6", shape.top == FpnShape::Top::from_network ? shape.in.back() : shape.out);
  p7_ = strided("p7", shape.out);
}

std::vector<Tensor> FpnImpl::forward(const std::vector<Tensor>& levels) {
  if (levels.size() != inner_.size()) fail("[fpn] wants {} levels, got {}", inner_.size(), levels.size());
  std::vector<Tensor> out(levels.size());
  Tensor above;
  for (auto i = levels.size(); i-- > 0;) {
    auto here = inner_[i](levels[i]);
    if (above.defined()) here = here + torch::upsample_nearest2d(above, {here.size(2), here.size(3)});
    above = here;
    out[i] = layer_[i](here);
  }
  switch (shape_.top) {
    case FpnShape::Top::subsampled:
      out.push_back(out.back().slice(2, 0, std::nullopt, 2).slice(3, 0, std::nullopt, 2).contiguous());
      break;
    case FpnShape::Top::from_pyramid:
    case FpnShape::Top::from_network:
      out.push_back(halved(p6_, shape_.top == FpnShape::Top::from_network ? levels.back() : out.back()));
      out.push_back(halved(p7_, out.back().relu()));
      break;
    case FpnShape::Top::none:
      break;
  }
  return out;
}

size_t FpnImpl::levels() const {
  using Top = FpnShape::Top;
  return inner_.size() + (shape_.top == Top::none ? 0 : shape_.top == Top::subsampled ? 1 : 2);
}

}  // namespace hadal
