#include "hadal/models/generative/stylegan2.h"

#include <cmath>
#include <numbers>

#include "hadal/core/shape.h"
#include "hadal/models/generative/resample.h"
#include "hadal/models/generative/stylegan2_layers.h"
#include "hadal/nn/embedding.h"

namespace hadal {
namespace {

/// Latents, and a class where there are classes -> a style. Layers learn at a hundredth of the others' rate (section
/// A.2 of StyleGAN), and what goes in is normalised.
struct MappingImpl : nn::Module {
  explicit MappingImpl(const Stylegan2Config& config) {
    if (config.classes > 0) embed_ = register_module("embed", Embedding(config.classes, config.latent));
    for (int64_t i = 0; i < config.mapping; ++i)
      layers_.push_back(
          register_module(fmt::format("fc{}", i),
                          EqualLinear(config.latent * (i == 0 && config.classes > 0 ? 2 : 1), config.latent, 0.01)));
  }
  Tensor forward(const Tensor& z, const Tensor& labels) {
    auto x = normalised(z);
    if (embed_) x = torch::cat({x, normalised(embed_(labels))}, 1);
    for (auto& layer : layers_) x = leaky(layer(x));
    return x;
  }
  Embedding embed_{nullptr};
  std::vector<EqualLinear> layers_;
};

/// One size of the picture: conv0 doubles (the first size begins with a constant instead), conv1, and torgb.
struct SynthesisBlockImpl : nn::Module {
  SynthesisBlockImpl(const Stylegan2Config& config, int64_t in, int64_t side) {
    const auto out = config.features(side);
    if (in == 0) {
      const_ = register_parameter("const", torch::empty({out, side, side}));
      init::normal(const_, 1);
    } else {
      conv0_ = register_module("conv0", StyleConv(in, out, side, config.latent, true));
    }
    conv1_ = register_module("conv1", StyleConv(out, out, side, config.latent, false));
    torgb_ = register_module("torgb", StyleColours(out, config.channels, config.latent));
  }
  void forward(Tensor& x, Tensor& picture, const Tensor& style) {
    x = conv0_ ? conv0_(x, style) : const_.expand({style.size(0), -1, -1, -1});
    x = conv1_(x, style);
    const auto colours = torgb_(x, style);
    picture = picture.defined() ? doubled(picture) + colours : colours;
  }
  Tensor const_;
  StyleConv conv0_{nullptr}, conv1_{nullptr};
  StyleColours torgb_{nullptr};
};

struct SynthesisImpl : nn::Module {
  explicit SynthesisImpl(const Stylegan2Config& config) {
    int64_t width = 0;
    for (const auto side : config.sides()) {
      blocks_.push_back(
          register_module(fmt::format("b{}", side), std::make_shared<SynthesisBlockImpl>(config, width, side)));
      width = config.features(side);
    }
  }
  Tensor forward(const Tensor& style) {
    Tensor x, picture;
    for (const auto& block : blocks_) block->forward(x, picture, style);
    return picture;
  }
  std::vector<std::shared_ptr<SynthesisBlockImpl>> blocks_;
};

/// One size of the discriminator: two convolutions, the second halving, around which a 1x1 one passes.
struct JudgeBlockImpl : nn::Module {
  JudgeBlockImpl(const Stylegan2Config& config, int64_t side) {
    const auto in = config.features(side), out = config.features(side / 2);
    if (side == config.image) fromrgb_ = register_module("fromrgb", EqualConv(config.channels, in, 1));
    conv0_ = register_module("conv0", EqualConv(in, in, 3));
    conv1_ = register_module("conv1", EqualConv(in, out, 3, true));
    skip_ = register_module("skip", EqualConv(in, out, 1, true, false));
  }
  Tensor forward(const Tensor& pictures) {
    const auto x = fromrgb_ ? fromrgb_(pictures) : pictures;
    return (conv1_(conv0_(x)) + skip_(x)) / std::numbers::sqrt2;
  }
  EqualConv fromrgb_{nullptr}, conv0_{nullptr}, conv1_{nullptr}, skip_{nullptr};
};

struct JudgeEndImpl : nn::Module {
  JudgeEndImpl(const Stylegan2Config& config, int64_t side) : group_(config.group) {
    const auto width = config.features(side);
    conv_ = register_module("conv", EqualConv(width + 1, width, 3));
    fc_ = register_module("fc", EqualLinear(width * side * side, width));
    out_ = register_module("out", EqualLinear(width, config.classes > 0 ? config.latent : 1));
  }
  Tensor forward(const Tensor& x) { return out_(leaky(fc_(conv_(with_minibatch_stddev(x, group_)).flatten(1)))); }
  int64_t group_;
  EqualConv conv_{nullptr};
  EqualLinear fc_{nullptr}, out_{nullptr};
};

}  // namespace

Fields<Stylegan2Config> Stylegan2Config::fields() {
  return {
      {"channels", &Stylegan2Config::channels, "colours of a pixel: 1 grey, 3 RGB", at_least(1)},
      {"image", &Stylegan2Config::image, "side of the square picture in pixels: 28, or 8, 16, 32, ...", at_least(8)},
      {"classes", &Stylegan2Config::classes, "classes that can be asked for; 0: none", at_least(0)},
      {"latent", &Stylegan2Config::latent, "random numbers a picture is made of, and of its style", at_least(1)},
      {"mapping", &Stylegan2Config::mapping, "layers from latents to style", at_least(1)},
      {"width", &Stylegan2Config::width, "features times side; each size has as many as that gives", at_least(1)},
      {"most", &Stylegan2Config::most, "features at most", at_least(1)},
      {"group", &Stylegan2Config::group, "pictures among which the discriminator sees the spread", at_least(1)}};
}

void Stylegan2Config::validate() const {
  const auto rest = image / (image % 7 == 0 ? 7 : 4);
  require(
      (image % 7 == 0 || image % 4 == 0) && rest >= 2 && (rest & (rest - 1)) == 0 && image <= 1024,
      "[stylegan2] image ({}) must be 4 or 7 pixels doubled a few times: 8, 14, 16, 28, 32, 56, 64, ...; nearest: {}",
      image,
      image < 12   ? 8
      : image < 22 ? 16
      : image < 30 ? 28
      : image < 48 ? 32
                   : 64);
  require(width >= image, "[stylegan2] width ({}) must be at least image ({}), or the last size has no features", width,
          image);
}

std::vector<int64_t> Stylegan2Config::sides() const {
  std::vector<int64_t> out;
  for (auto side = image % 7 == 0 ? 7 : 4; side <= image; side *= 2) out.push_back(side);
  return out;
}

int64_t Stylegan2Config::features(int64_t side) const { return std::min(width / side, most); }

Stylegan2GeneratorImpl::Stylegan2GeneratorImpl(const Stylegan2Config& config) : config_(config) {
  validate_config(config, "stylegan2");
  mapping_ = register_module<nn::Module>("mapping", std::make_shared<MappingImpl>(config));
  synthesis_ = register_module<nn::Module>("synthesis", std::make_shared<SynthesisImpl>(config));
}

Tensor Stylegan2GeneratorImpl::style(const Tensor& z, const Tensor& labels) {
  return mapping_->as<MappingImpl>()->forward(checked("stylegan2", z, labels), labels);
}

Tensor Stylegan2GeneratorImpl::draw(const Tensor& style) { return synthesis_->as<SynthesisImpl>()->forward(style); }

Tensor Stylegan2GeneratorImpl::make(const Tensor& z, const Tensor& labels) { return draw(style(z, labels)); }

TracedPictures Stylegan2GeneratorImpl::make_traced(const Tensor& z, const Tensor& labels) {
  const auto latents = style(z, labels).unsqueeze(1);  // (N, 1, latent)
  return {draw(latents.squeeze(1)), latents};
}

Stylegan2DiscriminatorImpl::Stylegan2DiscriminatorImpl(const Stylegan2Config& config) : config_(config) {
  validate_config(config, "stylegan2");
  const auto sides = config.sides();
  for (auto side = sides.rbegin(); side != std::prev(sides.rend()); ++side)
    register_module(fmt::format("b{}", *side), std::make_shared<JudgeBlockImpl>(config, *side));
  register_module(fmt::format("b{}", sides[0]), std::make_shared<JudgeEndImpl>(config, sides[0]));
  if (config.classes > 0) register_module("embed", Embedding(config.classes, config.latent));
}

Tensor Stylegan2DiscriminatorImpl::judge(const Tensor& pictures, const Tensor& labels) {
  expect_shape("stylegan2", pictures, {kAny, config_.channels, config_.image, config_.image});
  expect_labels("stylegan2", labels, pictures.size(0), config_.classes);
  auto x = pictures;
  for (const auto& child : children()) {
    if (auto* block = child->as<JudgeBlockImpl>()) x = block->forward(x);
    if (auto* end = child->as<JudgeEndImpl>()) x = end->forward(x);
    if (auto* embed = child->as<EmbeddingImpl>())
      return (x * normalised(embed->forward(labels))).sum(1) / std::sqrt(static_cast<double>(config_.latent));
  }
  return x.squeeze(1);  // (N, 1) -> (N)
}

void register_stylegan2(GanCatalog& catalog) {
  const auto add = [&](const char* name, const char* about, const Stylegan2Config& preset) {
    catalog.add(name, about, preset, [](const Stylegan2Config& config) {
      return std::make_shared<Gan>(std::make_shared<Stylegan2GeneratorImpl>(config),
                                   std::make_shared<Stylegan2DiscriminatorImpl>(config));
    });
  };
  add("stylegan2", "Styles, noise and skips, for small pictures", {});
  add("stylegan2-conditional", "StyleGAN2 that makes the class asked for", {.classes = 10});
}

}  // namespace hadal
