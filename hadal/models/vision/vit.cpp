#include "hadal/models/vision/vit.h"

#include <cmath>

#include "hadal/core/shape.h"
#include "hadal/models/published.h"

namespace hadal {

Fields<VitConfig> VitConfig::fields() {
  return {
      {"classes", &VitConfig::classes, "how many classes", at_least(1)},
      {"channels", &VitConfig::channels, "colours of a pixel: 1 grey, 3 RGB", at_least(1)},
      {"image", &VitConfig::image, "side of the square picture in pixels", at_least(1)},
      {"patch", &VitConfig::patch, "side of a patch in pixels", at_least(1)},
      {"dim", &VitConfig::dim, "width of a token", at_least(1)},
      {"depth", &VitConfig::depth, "how many transformer blocks", at_least(0)},
      {"heads", &VitConfig::heads, "attention heads in a block", at_least(1)},
      {"mlp", &VitConfig::mlp, "width inside a block's MLP", at_least(1)},
      {"dropout", &VitConfig::dropout, "share of activations dropped", from_below(0, 1).changes(Limit::Change::always)},
      {"attention_dropout", &VitConfig::attention_dropout, "share of attention weights dropped",
       from_below(0, 1).changes(Limit::Change::always)},
      {"norm_eps", &VitConfig::norm_eps, "added to the variance in LayerNorm (Hugging Face: 1e-12)", above(0)}};
}

void VitConfig::validate() const {
  require(image % patch == 0, "[vit] image ({}) must be a multiple of patch ({}); nearest: {}", image, patch,
          nearest_multiple(image, patch));
  require(dim % heads == 0, "[vit] dim ({}) must be divisible by heads ({}); nearest: {}", dim, heads,
          nearest_multiple(dim, heads));
}

VitEncoderImpl::VitEncoderImpl(const VitConfig& config, int64_t tokens) {
  pos_embedding_ = register_parameter("pos_embedding", torch::empty({1, tokens, config.dim}));
  init::normal(pos_embedding_, 0.02);
  dropout_ = register_module("dropout", nn::Dropout(config.dropout));
  const BlockConfig block{.dim = config.dim,
                          .heads = config.heads,
                          .mlp = config.mlp,
                          .norm_eps = config.norm_eps,
                          .dropout = config.dropout,
                          .attention_dropout = config.attention_dropout,
                          .mlp_dropout = config.dropout};
  layers_ = register_module("layers", Blocks(block, config.depth, "encoder_layer_"));
  ln_ = register_module("ln", Norm(config.dim, config.norm_eps));
}

Tensor VitEncoderImpl::forward(const Tensor& x) { return ln_(layers_(dropout_(x + pos_embedding_))); }

VitImpl::VitImpl(const VitConfig& config) : channels_(config.channels), image_(config.image) {
  validate_config(config, "vit");
  const auto side = config.image / config.patch;
  class_token_ = register_parameter("class_token", torch::zeros({1, 1, config.dim}));
  conv_proj_ = register_module(
      "conv_proj", nn::Conv2d(nn::Conv2dOptions(config.channels, config.dim, config.patch).stride(config.patch)));
  init::truncated_normal(conv_proj_->weight, std::sqrt(1.0 / (config.channels * config.patch * config.patch)));
  init::constant(conv_proj_->bias, 0);
  encoder_ = register_module("encoder", VitEncoder(config, side * side + 1));
  const Linear head(config.dim, config.classes);
  init::constant(head->weight, 0);
  init::constant(head->bias, 0);
  heads_->push_back("head", head);
  register_module("heads", heads_);
}

Tensor VitImpl::pooled(const Tensor& pixels) {
  expect_shape("vit", pixels, {kAny, channels_, image_, image_});
  const auto patches = conv_proj_(pixels).flatten(2).transpose(1, 2);                            // (B, N, dim)
  const auto tokens = torch::cat({class_token_.expand({patches.size(0), -1, -1}), patches}, 1);  // (B, 1 + N, dim)
  return encoder_(tokens).select(1, 0);                                                          // (B, dim)
}

Tensor VitImpl::forward(const Tensor& pixels) { return heads_->forward(pooled(pixels)); }

Part vit_settings(const nlohmann::json& json, const std::string& name) {
  PublishedConfig config(json, name);
  config.architecture({"ViTForImageClassification"}, "ViTForImageClassification");
  Table settings{{"classes", config.classes()},
                 {"channels", config.integer("num_channels", 3)},
                 {"image", config.integer("image_size", 224)},
                 {"patch", config.integer("patch_size", 16)},
                 {"dim", config.integer("hidden_size", 768)},
                 {"depth", config.integer("num_hidden_layers", 12)},
                 {"heads", config.integer("num_attention_heads", 12)},
                 {"mlp", config.integer("intermediate_size", 3072)},
                 {"norm_eps", config.number("layer_norm_eps", 1e-12)}};
  config.expect("hidden_act", {"gelu", "gelu_python"});
  config.expect("problem_type", {"single_label_classification"});
  config.refuse_flag("qkv_bias", false);
  config.finish();
  return {"vit", std::move(settings)};
}

void register_vit(ClassifierCatalog& catalog) {
  const auto add = [&](const std::string& name, const std::string& about, const VitConfig& preset) {
    catalog.add(name, about, preset, [](const VitConfig& config) { return std::make_shared<VitImpl>(config); });
  };
  add("vit", "Vision Transformer for small pictures",
      {.classes = 10, .image = 32, .patch = 4, .dim = 128, .depth = 6, .heads = 4, .mlp = 256});
  for (const int64_t patch : {14, 16, 32}) {
    const auto name = [&](const char* size) { return fmt::format("vit_{}_{}", size, patch); };
    const auto about = [&](const char* size) {
      return fmt::format("Vision Transformer, {}, patches of {}", size, patch);
    };
    add(name("t"), about("tiny"), {.patch = patch, .dim = 192, .heads = 3, .mlp = 768});
    add(name("s"), about("small"), {.patch = patch, .dim = 384, .heads = 6, .mlp = 1536});
    add(name("b"), about("base"), {.patch = patch});
    add(name("l"), about("large"), {.patch = patch, .dim = 1024, .depth = 24, .heads = 16, .mlp = 4096});
  }
  add("vit_h_14", "Vision Transformer, huge, patches of 14",
      {.patch = 14, .dim = 1280, .depth = 32, .heads = 16, .mlp = 5120});
}

}  // namespace hadal
