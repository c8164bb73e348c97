#include "hadal/models/pose/vitpose.h"

#include "hadal/core/shape.h"
#include "hadal/models/published.h"
#include "hadal/nn/weight_names.h"

namespace hadal {
namespace {

constexpr int64_t kDecoderWidth = 256, kEnlarged = 4;

#define HADAL_THEIRS "backbone.encoder.layer.#."
#define HADAL_OURS "backbone.layer.#."

constexpr NameRow kTransformers[] = {
    {"backbone.embeddings.position_embeddings", "backbone.position_embeddings"},
    {"backbone.embeddings.patch_embeddings.projection.", "backbone.projection."},
    {HADAL_THEIRS "layernorm_before.", HADAL_OURS "ln_1."},
    {HADAL_THEIRS "attention.attention.query.", HADAL_OURS "self_attention.in_proj_", 0},
    {HADAL_THEIRS "attention.attention.key.", HADAL_OURS "self_attention.in_proj_", 1},
    {HADAL_THEIRS "attention.attention.value.", HADAL_OURS "self_attention.in_proj_", 2},
    {HADAL_THEIRS "attention.output.dense.", HADAL_OURS "self_attention.out_proj."},
    {HADAL_THEIRS "layernorm_after.", HADAL_OURS "ln_2."},
    {HADAL_THEIRS "mlp.fc1.", HADAL_OURS "mlp.0."},
    {HADAL_THEIRS "mlp.fc2.", HADAL_OURS "mlp.3."},
};

#undef HADAL_THEIRS
#undef HADAL_OURS

/// A side that the file gives as a number or as height and width.
int64_t side_in(PublishedConfig& config, const std::string& key, size_t which, int64_t otherwise) {
  const auto* found = config.find(key);
  if (!found || !found->is_array()) return config.integer(key, otherwise);
  if (found->size() == 2 && (*found)[which].is_number_integer() && (*found)[which] > 0 && (*found)[which] < 65536)
    return (*found)[which].get<int64_t>();
  config.refuse(fmt::format("{} is no height and width", key));
  return otherwise;
}

}  // namespace

Fields<VitPoseConfig> VitPoseConfig::fields() {
  using C = VitPoseConfig;
  const auto share = from_below(0, 1).changes(Limit::Change::always);
  return {
      {"keypoints", &C::keypoints, "how many keypoints an object has", at_least(1).changes(Limit::Change::learning)},
      {"height", &C::height, "height of the crops that it sees", at_least(1)},
      {"width", &C::width, "width of the crops that it sees", at_least(1)},
      {"patch", &C::patch, "side of a patch in pixels; heat maps are that much smaller, and four times enlarged",
       at_least(5)},
      {"dim", &C::dim, "width of a token", at_least(1)},
      {"depth", &C::depth, "how many transformer blocks", at_least(0)},
      {"heads", &C::heads, "attention heads in a block", at_least(1)},
      {"mlp", &C::mlp, "width inside a block's MLP", at_least(1)},
      {"decoder", &C::decoder, "classic: two deconvolutions; simple: enlarged, then one convolution",
       one_of({"classic", "simple"})},
      {"dropout", &C::dropout, "share of activations dropped", share},
      {"attention_dropout", &C::attention_dropout, "share of attention weights dropped", share},
      {"norm_eps", &C::norm_eps, "added to the variance in LayerNorm", above(0)}};
}

void VitPoseConfig::validate() const {
  require(height % patch == 0 && width % patch == 0,
          "[vitpose] height and width ({}, {}) must be multiples of patch ({}); nearest: {}, {}", height, width, patch,
          nearest_multiple(height, patch), nearest_multiple(width, patch));
  require(dim % heads == 0, "[vitpose] dim ({}) must be divisible by heads ({}); nearest: {}", dim, heads,
          nearest_multiple(dim, heads));
}

VitPoseBackboneImpl::VitPoseBackboneImpl(const VitPoseConfig& config) {
  const auto tokens = (config.height / config.patch) * (config.width / config.patch);
  position_embeddings_ = register_parameter("position_embeddings", torch::zeros({1, 1 + tokens, config.dim}));
  init::truncated_normal(position_embeddings_, 0.02);
  projection_ = register_module(
      "projection", nn::Conv2d(nn::Conv2dOptions(3, config.dim, config.patch).stride(config.patch).padding(2)));
  init::truncated_normal(projection_->weight, 0.02);
  init::constant(projection_->bias, 0);
  dropout_ = register_module("dropout", nn::Dropout(config.dropout));
  const BlockConfig block{.dim = config.dim,
                          .heads = config.heads,
                          .mlp = config.mlp,
                          .norm_eps = config.norm_eps,
                          .dropout = config.dropout,
                          .attention_dropout = config.attention_dropout};
  layer_ = register_module("layer", Blocks(block, config.depth));
  layernorm_ = register_module("layernorm", Norm(config.dim, config.norm_eps));
}

Tensor VitPoseBackboneImpl::forward(const Tensor& pixels) {
  const auto patches = projection_(pixels);          // (N, dim, h, w)
  auto tokens = patches.flatten(2).transpose(1, 2);  // (N, h w, dim)
  tokens = tokens + position_embeddings_.slice(1, 1) + position_embeddings_.slice(1, 0, 1);
  return layernorm_(layer_(dropout_(tokens))).transpose(1, 2).reshape(patches.sizes());
}

VitPoseImpl::VitPoseImpl(const VitPoseConfig& config)
    : keypoints_(config.keypoints),
      height_(config.height),
      width_(config.width),
      patch_(config.patch),
      simple_(config.decoder == "simple") {
  validate_config(config, "vitpose");
  backbone_ = register_module("backbone", VitPoseBackbone(config));
  const auto head = register_module("head", std::make_shared<nn::Module>("head"));
  if (!simple_) {
    const auto deconv = [](int64_t in) {
      nn::ConvTranspose2d made(nn::ConvTranspose2dOptions(in, kDecoderWidth, 4).stride(2).padding(1).bias(false));
      init::normal(made->weight, 0.001);
      return made;
    };
    deconv1_ = head->register_module("deconv1", deconv(config.dim));
    batchnorm1_ = head->register_module("batchnorm1", nn::BatchNorm2d(kDecoderWidth));
    deconv2_ = head->register_module("deconv2", deconv(kDecoderWidth));
    batchnorm2_ = head->register_module("batchnorm2", nn::BatchNorm2d(kDecoderWidth));
  }
  conv_ = head->register_module("conv", simple_ ? nn::Conv2d(nn::Conv2dOptions(config.dim, keypoints_, 3).padding(1))
                                                : nn::Conv2d(nn::Conv2dOptions(kDecoderWidth, keypoints_, 1)));
  init::normal(conv_->weight, 0.001);
  init::constant(conv_->bias, 0);
}

Tensor VitPoseImpl::forward(const Tensor& pixels) {
  expect_shape("vitpose", pixels, {kAny, 3, height_, width_});
  auto x = backbone_(pixels);
  if (simple_) {
    x = F::interpolate(x.relu(), F::InterpolateFuncOptions()
                                     .scale_factor(std::vector<double>(2, kEnlarged))
                                     .mode(torch::kBilinear)
                                     .align_corners(false));
  } else {
    x = batchnorm1_(deconv1_(x)).relu_();
    x = batchnorm2_(deconv2_(x)).relu_();
  }
  return conv_(x);  // (N, keypoints, 4 H / patch, 4 W / patch)
}

PosePreparation VitPoseImpl::preparation() const {
  return {.height = height_,
          .width = width_,
          .map_height = kEnlarged * (height_ / patch_),
          .map_width = kEnlarged * (width_ / patch_),
          .unbiased = true,
          .decoding = HeatmapDecoding::dark};
}

TensorsByName VitPoseImpl::own_names(const TensorsByName& weights) const {
  return renamed(weights, {kTransformers}, "vitpose");
}

Part vitpose_settings(const nlohmann::json& json, const std::string& name) {
  PublishedConfig config(json, name);
  config.architecture({"VitPoseForPoseEstimation"}, "VitPoseForPoseEstimation");
  const std::string at = "backbone_config/";
  const auto dim = config.integer(at + "hidden_size", 768);
  const auto patch = side_in(config, at + "patch_size", 0, 16);
  Table settings{{"keypoints", config.classes()},
                 {"height", side_in(config, at + "image_size", 0, 256)},
                 {"width", side_in(config, at + "image_size", 1, 192)},
                 {"patch", patch},
                 {"dim", dim},
                 {"depth", config.integer(at + "num_hidden_layers", 12)},
                 {"heads", config.integer(at + "num_attention_heads", 12)},
                 {"mlp", dim * config.integer(at + "mlp_ratio", 4)},
                 {"decoder", config.flag("use_simple_decoder", true) ? "simple" : "classic"},
                 {"norm_eps", config.number(at + "layer_norm_eps", 1e-12)}};
  if (side_in(config, at + "patch_size", 1, patch) != patch) config.refuse("patches are not square");
  if (const auto experts = config.integer(at + "num_experts", 1); experts != 1)
    config.refuse(fmt::format("its MLPs are mixtures of {} experts", experts));
  if (const auto scale = config.integer("scale_factor", kEnlarged); scale != kEnlarged)
    config.refuse(fmt::format("scale_factor is {} and not {}", scale, kEnlarged));
  if (const auto channels = config.integer(at + "num_channels", 3); channels != 3)
    config.refuse(fmt::format("its pictures have {} channels and not 3", channels));
  config.expect(at + "hidden_act", {"gelu", "gelu_python"});
  config.refuse_flag(at + "qkv_bias", false);
  config.finish();
  return {"vitpose_b", std::move(settings)};
}

void register_vitpose(HeatmapCatalog& catalog) {
  const auto add = [&](const char* size, const char* about, const VitPoseConfig& preset) {
    catalog.add(fmt::format("vitpose_{}", size), fmt::format("ViTPose, {}", about), preset,
                [](const VitPoseConfig& config) { return std::make_shared<VitPoseImpl>(config); });
  };
  add("s", "small", {.dim = 384, .mlp = 1536});
  add("b", "base", {});
  add("l", "large", {.dim = 1024, .depth = 24, .heads = 16, .mlp = 4096});
  add("h", "huge", {.dim = 1280, .depth = 32, .heads = 16, .mlp = 5120});
}

}  // namespace hadal
