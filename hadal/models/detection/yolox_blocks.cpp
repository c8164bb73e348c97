#include "hadal/models/detection/yolox_blocks.h"

#include <cmath>

namespace hadal {
namespace {

/// Convolution, norm, SiLU.
struct BaseConvImpl : nn::Module {
  BaseConvImpl(int64_t in, int64_t out, int64_t kernel, int64_t stride = 1, int64_t groups = 1) {
    conv_ = register_module(
        "conv",
        nn::Conv2d(
            nn::Conv2dOptions(in, out, kernel).stride(stride).padding((kernel - 1) / 2).groups(groups).bias(false)));
    bn_ = register_module("bn", nn::BatchNorm2d(nn::BatchNorm2dOptions(out).eps(1e-3).momentum(0.03)));
  }
  Tensor forward(const Tensor& x) { return torch::silu(bn_(conv_(x))); }

 private:
  nn::Conv2d conv_{nullptr};
  nn::BatchNorm2d bn_{nullptr};
};
TORCH_MODULE(BaseConv);

/// Channel by channel, then across channels.
struct DepthwiseImpl : nn::Module {
  DepthwiseImpl(int64_t in, int64_t out, int64_t kernel, int64_t stride) {
    dconv_ = register_module("dconv", BaseConv(in, in, kernel, stride, in));
    pconv_ = register_module("pconv", BaseConv(in, out, 1));
  }
  Tensor forward(const Tensor& x) { return pconv_(dconv_(x)); }

 private:
  BaseConv dconv_{nullptr}, pconv_{nullptr};
};
TORCH_MODULE(Depthwise);

nn::AnyModule any_conv(bool depthwise, int64_t in, int64_t out, int64_t stride = 1) {
  if (depthwise) return nn::AnyModule(Depthwise(in, out, 3, stride));
  return nn::AnyModule(BaseConv(in, out, 3, stride));
}

struct BottleneckImpl : nn::Module {
  BottleneckImpl(int64_t width, bool shortcut, bool depthwise) : shortcut_(shortcut) {
    conv1_ = register_module("conv1", BaseConv(width, width, 1));
    conv2_ = any_conv(depthwise, width, width);
    register_module("conv2", conv2_.ptr());
  }
  Tensor forward(const Tensor& x) {
    const auto y = conv2_.forward<Tensor>(conv1_(x));
    return shortcut_ ? y + x : y;
  }

 private:
  bool shortcut_;
  BaseConv conv1_{nullptr};
  nn::AnyModule conv2_;
};
TORCH_MODULE(Bottleneck);

/// Half of the channels through bottlenecks, half around them.
struct CspImpl : nn::Module {
  CspImpl(int64_t in, int64_t out, int64_t count, bool shortcut, bool depthwise) {
    const auto half = out / 2;
    conv1_ = register_module("conv1", BaseConv(in, half, 1));
    conv2_ = register_module("conv2", BaseConv(in, half, 1));
    conv3_ = register_module("conv3", BaseConv(2 * half, out, 1));
    for (int64_t i = 0; i < count; ++i) m_->push_back(Bottleneck(half, shortcut, depthwise));
    register_module("m", m_);
  }
  Tensor forward(const Tensor& x) {
    const auto inner = m_->is_empty() ? conv1_(x) : m_->forward(conv1_(x));
    return conv3_(torch::cat({inner, conv2_(x)}, 1));
  }

 private:
  BaseConv conv1_{nullptr}, conv2_{nullptr}, conv3_{nullptr};
  nn::Sequential m_;
};
TORCH_MODULE(Csp);

/// Spatial pyramid pooling.
struct PoolsImpl : nn::Module {
  explicit PoolsImpl(int64_t width) {
    conv1_ = register_module("conv1", BaseConv(width, width / 2, 1));
    conv2_ = register_module("conv2", BaseConv(width / 2 * 4, width, 1));
  }
  Tensor forward(const Tensor& x) {
    std::vector<Tensor> parts = {conv1_(x)};
    for (const int64_t size : {5, 9, 13}) parts.push_back(torch::max_pool2d(parts[0], size, 1, size / 2));
    return conv2_(torch::cat(parts, 1));
  }

 private:
  BaseConv conv1_{nullptr}, conv2_{nullptr};
};
TORCH_MODULE(Pools);

/// 2 x 2 pixels to channels, then a convolution.
struct FocusImpl : nn::Module {
  explicit FocusImpl(int64_t width) { conv_ = register_module("conv", BaseConv(12, width, 3)); }
  Tensor forward(const Tensor& x) {
    const auto part = [&](int64_t row, int64_t column) {
      return x.slice(2, row, std::nullopt, 2).slice(3, column, std::nullopt, 2);
    };
    return conv_(torch::cat({part(0, 0), part(1, 0), part(0, 1), part(1, 1)}, 1));
  }

 private:
  BaseConv conv_{nullptr};
};
TORCH_MODULE(Focus);

Tensor doubled(const Tensor& x) { return torch::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)}); }

}  // namespace

int64_t YoloxBackboneImpl::channels(const YoloxConfig& config, int64_t of_large) {
  return static_cast<int64_t>(static_cast<double>(of_large) * config.width);
}

nn::AnyModule YoloxBackboneImpl::add(const std::string& name, nn::AnyModule module) {
  register_module(name, module.ptr());
  return module;
}

YoloxBackboneImpl::YoloxBackboneImpl(const YoloxConfig& config) {
  const auto base = channels(config, 64);
  // Python's round: halves go to the even neighbour.
  const auto count = static_cast<int64_t>(std::nearbyint(3 * config.depth));
  const auto once = std::max<int64_t>(count, 1);
  const auto dw = config.depthwise;
  const auto darknet = register_module("backbone", std::make_shared<nn::Module>("backbone"));
  stem_ = nn::AnyModule(Focus(base));
  darknet->register_module("stem", stem_.ptr());
  for (int64_t i = 0; i < 4; ++i) {
    const auto in = base << i, out = 2 * in;
    nn::Sequential stage;
    stage->push_back(any_conv(dw, in, out, 2));
    if (i == 3) stage->push_back(Pools(out));
    stage->push_back(Csp(out, out, i == 1 || i == 2 ? 3 * once : once, i != 3, dw));
    stages_.push_back(darknet->register_module(fmt::format("dark{}", i + 2), stage));
  }
  const auto c3 = channels(config, 256), c4 = channels(config, 512), c5 = channels(config, 1024);
  const auto csp = [&](int64_t in, int64_t out) { return nn::AnyModule(Csp(in, out, count, false, dw)); };
  lateral_conv0_ = add("lateral_conv0", nn::AnyModule(BaseConv(c5, c4, 1)));
  c3_p4_ = add("C3_p4", csp(2 * c4, c4));
  reduce_conv1_ = add("reduce_conv1", nn::AnyModule(BaseConv(c4, c3, 1)));
  c3_p3_ = add("C3_p3", csp(2 * c3, c3));
  bu_conv2_ = add("bu_conv2", any_conv(dw, c3, c3, 2));
  c3_n3_ = add("C3_n3", csp(2 * c3, c4));
  bu_conv1_ = add("bu_conv1", any_conv(dw, c4, c4, 2));
  c3_n4_ = add("C3_n4", csp(2 * c4, c5));
}

std::array<Tensor, 3> YoloxBackboneImpl::forward(const Tensor& pixels) {
  std::vector<Tensor> dark = {stem_.forward<Tensor>(pixels)};
  for (auto& stage : stages_) dark.push_back(stage->forward(dark.back()));
  const auto& at8 = dark[2];
  const auto& at16 = dark[3];
  const auto top = lateral_conv0_.forward<Tensor>(dark[4]);
  const auto middle = reduce_conv1_.forward<Tensor>(c3_p4_.forward<Tensor>(torch::cat({doubled(top), at16}, 1)));
  const auto out8 = c3_p3_.forward<Tensor>(torch::cat({doubled(middle), at8}, 1));
  const auto out16 = c3_n3_.forward<Tensor>(torch::cat({bu_conv2_.forward<Tensor>(out8), middle}, 1));
  const auto out32 = c3_n4_.forward<Tensor>(torch::cat({bu_conv1_.forward<Tensor>(out16), top}, 1));
  return {out8, out16, out32};
}

YoloxHeadImpl::YoloxHeadImpl(const YoloxConfig& config) {
  const auto width = static_cast<int64_t>(256 * config.width);
  const auto one = [&](int64_t out) { return nn::Conv2d(nn::Conv2dOptions(width, out, 1)); };
  // At first one cell in a hundred is taken for an object (arXiv:1708.02002).
  const auto rarely = [&](int64_t out) {
    auto layer = one(out);
    nn::init::constant_(layer->bias, -std::log((1 - 0.01) / 0.01));
    return layer;
  };
  const auto branch = [&] {
    nn::Sequential out;
    for (int i = 0; i < 2; ++i) out->push_back(any_conv(config.depthwise, width, width));
    return out;
  };
  for (const int64_t in : {256, 512, 1024}) {
    stems_->push_back(BaseConv(static_cast<int64_t>(static_cast<double>(in) * config.width), width, 1));
    cls_convs_->push_back(branch());
    reg_convs_->push_back(branch());
    cls_preds_->push_back(rarely(config.classes));
    reg_preds_->push_back(one(4));
    obj_preds_->push_back(rarely(1));
  }
  register_module("cls_convs", cls_convs_);
  register_module("reg_convs", reg_convs_);
  register_module("cls_preds", cls_preds_);
  register_module("reg_preds", reg_preds_);
  register_module("obj_preds", obj_preds_);
  register_module("stems", stems_);
}

std::array<Tensor, 3> YoloxHeadImpl::forward(const std::array<Tensor, 3>& features) {
  std::array<Tensor, 3> out;
  for (size_t i = 0; i < 3; ++i) {
    const auto x = stems_[i]->as<BaseConv>()->forward(features[i]);
    const auto what = cls_convs_[i]->as<nn::Sequential>()->forward(x);
    const auto where = reg_convs_[i]->as<nn::Sequential>()->forward(x);
    out[i] =
        torch::cat({reg_preds_[i]->as<nn::Conv2d>()->forward(where), obj_preds_[i]->as<nn::Conv2d>()->forward(where),
                    cls_preds_[i]->as<nn::Conv2d>()->forward(what)},
                   1);
  }
  return out;
}

}  // namespace hadal
