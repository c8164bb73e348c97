#include "hadal/models/detection/hgnet.h"

#include <algorithm>

#include "hadal/nn/frozen_norm.h"
#include "hadal/nn/names_only.h"

namespace hadal {
namespace {

struct AffineImpl : nn::Module {
  AffineImpl()
      : scale(register_parameter("scale", torch::ones({1}))), bias(register_parameter("bias", torch::zeros({1}))) {}
  Tensor scale, bias;
};

struct HgnetShape {
  int64_t in = 0, out = 0, kernel = 3, stride = 1, groups = 1;
  bool activated = true, affine = false;
};

struct HgnetConvImpl : nn::Module {
  explicit HgnetConvImpl(const HgnetShape& shape) : activated_(shape.activated) {
    convolution_ = register_module("convolution", nn::Conv2d(nn::Conv2dOptions(shape.in, shape.out, shape.kernel)
                                                                 .stride(shape.stride)
                                                                 .padding((shape.kernel - 1) / 2)
                                                                 .groups(shape.groups)
                                                                 .bias(false)));
    normalization_ = register_module("normalization", nn::BatchNorm2d(shape.out));
    if (shape.activated && shape.affine) lab_ = register_module("lab", std::make_shared<AffineImpl>());
  }
  Tensor forward(const Tensor& x) {
    auto y = normalization_(convolution_(x));
    if (activated_) y = y.relu_();
    return lab_ ? lab_->scale * y + lab_->bias : y;
  }

 private:
  bool activated_;
  nn::Conv2d convolution_{nullptr};
  nn::BatchNorm2d normalization_{nullptr};
  std::shared_ptr<AffineImpl> lab_;
};
TORCH_MODULE(HgnetConv);

/// A 1x1 convolution, then one channel by channel.
struct LightConvImpl : nn::Module {
  LightConvImpl(int64_t in, int64_t out, int64_t kernel, bool affine) {
    conv1_ = register_module("conv1", HgnetConv(HgnetShape{.in = in, .out = out, .kernel = 1, .activated = false}));
    conv2_ = register_module(
        "conv2", HgnetConv(HgnetShape{.in = out, .out = out, .kernel = kernel, .groups = out, .affine = affine}));
  }
  Tensor forward(const Tensor& x) { return conv2_(conv1_(x)); }

 private:
  HgnetConv conv1_{nullptr}, conv2_{nullptr};
};
TORCH_MODULE(LightConv);

struct HgnetBlockImpl : nn::Module {
  HgnetBlockImpl(int64_t in, int64_t inner, int64_t out, int64_t kernel, bool light, bool residual,
                 const HgnetConfig& config)
      : residual_(residual) {
    const auto list = register_module("layers", std::make_shared<NamesOnly>());
    for (int64_t i = 0; i < config.layers; ++i) {
      const auto before = i == 0 ? in : inner;
      const auto name = std::to_string(i);
      if (light)
        layers_.emplace_back(list->register_module(name, LightConv(before, inner, kernel, config.affine)));
      else
        layers_.emplace_back(list->register_module(
            name, HgnetConv(HgnetShape{.in = before, .out = inner, .kernel = kernel, .affine = config.affine})));
    }
    const auto one = [&](int64_t from, int64_t to) {
      return HgnetConv(HgnetShape{.in = from, .out = to, .kernel = 1, .affine = config.affine});
    };
    aggregation_ =
        register_module("aggregation", nn::Sequential(one(in + config.layers * inner, out / 2), one(out / 2, out)));
  }
  Tensor forward(const Tensor& x) {
    std::vector<Tensor> said = {x};
    for (auto& layer : layers_) said.push_back(layer.forward<Tensor>(said.back()));
    const auto out = aggregation_->forward(torch::cat(said, 1));
    return residual_ ? out + x : out;
  }

 private:
  bool residual_;
  std::vector<nn::AnyModule> layers_;
  nn::Sequential aggregation_;
};
TORCH_MODULE(HgnetBlock);

}  // namespace

struct HgnetStemImpl : nn::Module {
  HgnetStemImpl(int64_t first, int64_t out, bool affine) {
    const auto add = [&](const char* name, int64_t from, int64_t to, int64_t kernel, int64_t stride) {
      return register_module(
          name, HgnetConv(HgnetShape{.in = from, .out = to, .kernel = kernel, .stride = stride, .affine = affine}));
    };
    stem1_ = add("stem1", 3, first, 3, 2);
    stem2a_ = add("stem2a", first, first / 2, 2, 1);
    stem2b_ = add("stem2b", first / 2, first, 2, 1);
    stem3_ = add("stem3", 2 * first, first, 3, 2);
    stem4_ = add("stem4", first, out, 1, 1);
  }
  /// (B, 3, H, W) -> (B, out, H / 4, W / 4)
  Tensor forward(const Tensor& pixels) {
    // Kernels of 2 keep the size by a column and a row of zeros after the last.
    const auto wider = [](const Tensor& x) { return torch::constant_pad_nd(x, {0, 1, 0, 1}); };
    const auto x = wider(stem1_(pixels));
    const auto fine = stem2b_(wider(stem2a_(x)));
    return stem4_(stem3_(torch::cat({torch::max_pool2d(x, 2, 1), fine}, 1)));
  }

 private:
  HgnetConv stem1_{nullptr}, stem2a_{nullptr}, stem2b_{nullptr}, stem3_{nullptr}, stem4_{nullptr};
};

struct HgnetStageImpl : nn::Module {
  HgnetStageImpl(const HgnetConfig& config, size_t stage) {
    const auto in = stage == 0 ? config.stem[1] : config.out[stage - 1];
    // The first stage keeps the stem's size; the last two look further, channel by channel.
    const bool light = stage >= 2;
    if (stage > 0)
      downsample_ = register_module(
          "downsample", HgnetConv(HgnetShape{.in = in, .out = in, .stride = 2, .groups = in, .activated = false}));
    for (int64_t i = 0; i < config.blocks[stage]; ++i)
      blocks_->push_back(HgnetBlock(i == 0 ? in : config.out[stage], config.inner[stage], config.out[stage],
                                    light ? 5 : 3, light, i > 0, config));
    register_module("blocks", blocks_);
  }
  Tensor forward(const Tensor& x) { return blocks_->forward(downsample_ ? downsample_(x) : x); }

 private:
  HgnetConv downsample_{nullptr};
  nn::Sequential blocks_;
};

Fields<HgnetConfig> HgnetConfig::fields() {
  using C = HgnetConfig;
  return {{"stem", &C::stem, "channels after the first convolution and after the stem", at_least(1)},
          {"inner", &C::inner, "channels within the blocks of each of the four stages", at_least(1)},
          {"out", &C::out, "channels after each stage", at_least(2)},
          {"blocks", &C::blocks, "blocks in each stage", at_least(1)},
          {"layers", &C::layers, "convolutions in a block", at_least(1)},
          {"affine", &C::affine, "a learned scale and shift after every activation"},
          {"frozen_norm", &C::frozen_norm, "the network's batch norms stay as they are: for pretrained weights",
           Limit{}.changes(Limit::Change::learning)}};
}

void HgnetConfig::validate() const {
  require(stem.size() == 2 && stem[0] >= 2, "[hgnet] stem wants two numbers of channels, the first at least 2");
  for (const auto* list : {&inner, &out, &blocks})
    require(list->size() == 4, "[hgnet] inner, out and blocks must name 4 stages, got {}; example: blocks=[1, 1, 2, 1]",
            list->size());
}

HgnetImpl::HgnetImpl(const HgnetConfig& config) : frozen_(config.frozen_norm) {
  validate_config(config, "hgnet");
  stem_ = register_module("embedder", std::make_shared<HgnetStemImpl>(config.stem[0], config.stem[1], config.affine));
  const auto encoder = register_module("encoder", std::make_shared<NamesOnly>());
  const auto list = encoder->register_module("stages", std::make_shared<NamesOnly>());
  for (size_t i = 0; i < 4; ++i)
    stages_.push_back(list->register_module(std::to_string(i), std::make_shared<HgnetStageImpl>(config, i)));
  if (frozen_) freeze_batch_norms(*this);
}

std::vector<Tensor> HgnetImpl::forward(const Tensor& pixels) {
  std::vector<Tensor> out;
  auto x = stem_->forward(pixels);
  for (auto& stage : stages_) out.push_back(x = stage->forward(x));
  return out;
}

void HgnetImpl::train(bool on) {
  nn::Module::train(on);
  if (frozen_) freeze_batch_norms(*this);
}

}  // namespace hadal
