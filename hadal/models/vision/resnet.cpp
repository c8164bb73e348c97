#include "hadal/models/vision/resnet.h"

#include "hadal/core/shape.h"

namespace hadal {
namespace {

nn::Conv2d conv(int64_t in, int64_t out, int64_t kernel, int64_t stride = 1) {
  return nn::Conv2d(nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
}

/// Projection: a 1x1 convolution where the shape changes. Padding: every second pixel, zero channels on both sides.
enum class Shortcut { kProjection, kPadding };

struct BlockShape {
  int64_t in, width, stride;
  Shortcut shortcut;
};

/// What both kinds of block share: conv-norm pairs in a row, ReLU in between, and the shortcut around them.
struct BlockImpl : nn::Module {
  BlockImpl(const BlockShape& shape, bool bottleneck)
      : shape_(shape), out_(bottleneck ? 4 * shape.width : shape.width) {
    const auto [in, width, stride, shortcut] = shape;
    if (bottleneck) {
      add(conv(in, width, 1));
      add(conv(width, width, 3, stride));
      add(conv(width, out_, 1));
    } else {
      add(conv(in, width, 3, stride));
      add(conv(width, width, 3));
    }
    if (changes() && shortcut == Shortcut::kProjection) {
      downsample_->push_back(conv(in, out_, 1, stride));
      downsample_->push_back(nn::BatchNorm2d(out_));
      register_module("downsample", downsample_);
    }
  }

  Tensor forward(const Tensor& x) {
    auto y = x;
    for (size_t i = 0; i < convs_.size(); ++i) {
      y = norms_[i](convs_[i](y));
      if (i + 1 < convs_.size()) y = y.relu_();
    }
    return y.add_(around(x)).relu_();
  }

 private:
  bool changes() const { return shape_.stride != 1 || shape_.in != out_; }

  Tensor around(const Tensor& x) {
    if (!changes()) return x;
    if (shape_.shortcut == Shortcut::kProjection) return downsample_->forward(x);
    const auto half = (out_ - shape_.in) / 2;
    const auto thinned = x.slice(2, 0, std::nullopt, shape_.stride).slice(3, 0, std::nullopt, shape_.stride);
    return torch::constant_pad_nd(thinned, {0, 0, 0, 0, half, out_ - shape_.in - half});
  }

  void add(const nn::Conv2d& layer) {
    const auto number = convs_.size() + 1;
    convs_.push_back(register_module(fmt::format("conv{}", number), layer));
    norms_.push_back(register_module(fmt::format("bn{}", number), nn::BatchNorm2d(layer->options.out_channels())));
  }

  BlockShape shape_;
  int64_t out_;
  std::vector<nn::Conv2d> convs_;
  std::vector<nn::BatchNorm2d> norms_;
  nn::Sequential downsample_;
};
TORCH_MODULE(Block);

/// `count` blocks, the first with the stride. `in` becomes the stage's number of channels.
nn::Sequential stage(int64_t& in, int64_t width, int64_t count, int64_t stride, bool bottleneck, Shortcut shortcut) {
  nn::Sequential blocks;
  for (int64_t i = 0; i < count; ++i) {
    blocks->push_back(Block(BlockShape{in, width, i == 0 ? stride : 1, shortcut}, bottleneck));
    in = bottleneck ? 4 * width : width;
  }
  return blocks;
}

void init_convolutions(nn::Module& module, bool fan_out) {
  for (const auto& child : module.modules(false))  // itself is in no shared_ptr while it is made
    if (auto* layer = child->as<nn::Conv2d>()) init::kaiming_normal(layer->weight, fan_out);
}

}  // namespace

Fields<ResNetConfig> ResNetConfig::fields() {
  return {{"classes", &ResNetConfig::classes, "how many classes", at_least(1)},
          {"channels", &ResNetConfig::channels, "colours of a pixel: 1 grey, 3 RGB", at_least(1)},
          {"layers", &ResNetConfig::layers, "blocks in each of the four stages", at_least(1)},
          {"bottleneck", &ResNetConfig::bottleneck, "blocks of 1x1, 3x3 and 1x1 convolutions instead of two 3x3"}};
}

void ResNetConfig::validate() const {
  require(layers.size() == 4, "[resnet] layers must name 4 stages, got {}; example: layers=[2, 2, 2, 2]",
          layers.size());
}

ResNetBody::ResNetBody(nn::Module& owner, const ResNetConfig& config) : channels_(config.channels) {
  validate_config(config, "resnet");
  conv1_ =
      owner.register_module("conv1", nn::Conv2d(nn::Conv2dOptions(channels_, 64, 7).stride(2).padding(3).bias(false)));
  bn1_ = owner.register_module("bn1", nn::BatchNorm2d(64));
  int64_t width = 64;
  for (size_t i = 0; i < 4; ++i) {
    stages_.push_back(owner.register_module(
        fmt::format("layer{}", i + 1),
        stage(width, int64_t{64} << i, config.layers[i], i == 0 ? 1 : 2, config.bottleneck, Shortcut::kProjection)));
    widths_.push_back(width);
  }
  init_convolutions(owner, true);
}

std::vector<Tensor> ResNetBody::features(const Tensor& pixels) {
  expect_shape("resnet", pixels, {kAny, channels_, kAny, kAny});
  auto x = torch::max_pool2d(bn1_(conv1_(pixels)).relu_(), 3, 2, 1);  // (B, 64, H / 4, W / 4)
  std::vector<Tensor> out;
  for (auto& stage : stages_) out.push_back(x = stage->forward(x));
  return out;
}

ResNetImpl::ResNetImpl(const ResNetConfig& config) : body_(*this, config) {
  fc_ = register_module("fc", Linear(body_.widths().back(), config.classes));
}

Tensor ResNetImpl::pooled(const Tensor& pixels) { return features(pixels).back().mean({2, 3}); }

Tensor ResNetImpl::forward(const Tensor& pixels) { return fc_(pooled(pixels)); }

Fields<CifarResNetConfig> CifarResNetConfig::fields() {
  return {{"classes", &CifarResNetConfig::classes, "how many classes", at_least(1)},
          {"channels", &CifarResNetConfig::channels, "colours of a pixel: 1 grey, 3 RGB", at_least(1)},
          {"depth", &CifarResNetConfig::depth, "layers with weights: 6 n + 2", at_least(8)}};
}

void CifarResNetConfig::validate() const {
  require(depth >= 8 && depth % 6 == 2, "[resnet-cifar] depth ({}) must be 6 n + 2, n >= 1; nearest: {}", depth,
          nearest_multiple(std::max<int64_t>(depth - 2, 6), 6) + 2);
}

CifarResNetImpl::CifarResNetImpl(const CifarResNetConfig& config) : channels_(config.channels) {
  validate_config(config, "resnet-cifar");
  conv1_ = register_module("conv1", conv(channels_, 16, 3));
  bn1_ = register_module("bn1", nn::BatchNorm2d(16));
  int64_t width = 16;
  for (size_t i = 0; i < 3; ++i)
    stages_.push_back(register_module(
        fmt::format("layer{}", i + 1),
        stage(width, int64_t{16} << i, (config.depth - 2) / 6, i == 0 ? 1 : 2, false, Shortcut::kPadding)));
  linear_ = register_module("linear", Linear(width, config.classes));
  init_convolutions(*this, false);
  init::kaiming_normal(linear_->weight, false);
}

Tensor CifarResNetImpl::pooled(const Tensor& pixels) {
  expect_shape("resnet-cifar", pixels, {kAny, channels_, kAny, kAny});
  auto x = bn1_(conv1_(pixels)).relu_();
  for (auto& stage : stages_) x = stage->forward(x);
  return x.mean({2, 3});  // (B, 64, H / 4, W / 4) -> (B, 64)
}

Tensor CifarResNetImpl::forward(const Tensor& pixels) { return linear_(pooled(pixels)); }

void register_resnet(ClassifierCatalog& catalog) {
  const auto add = [&](int depth, const std::vector<int64_t>& layers, bool bottleneck) {
    catalog.add(fmt::format("resnet{}", depth), fmt::format("ResNet-{}", depth),
                ResNetConfig{.layers = layers, .bottleneck = bottleneck},
                [](const ResNetConfig& config) { return std::make_shared<ResNetImpl>(config); });
  };
  add(18, {2, 2, 2, 2}, false);
  add(34, {3, 4, 6, 3}, false);
  add(50, {3, 4, 6, 3}, true);
  add(101, {3, 4, 23, 3}, true);
  add(152, {3, 8, 36, 3}, true);
  for (const int64_t depth : {20, 32, 44, 56})
    catalog.add(fmt::format("resnet{}-cifar", depth), fmt::format("ResNet-{} for pictures of 32 x 32", depth),
                CifarResNetConfig{.depth = depth},
                [](const CifarResNetConfig& config) { return std::make_shared<CifarResNetImpl>(config); });
}

}  // namespace hadal
