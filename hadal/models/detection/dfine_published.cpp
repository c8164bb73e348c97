// D-FINE's config.json, as Hugging Face's folders have it.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "hadal/models/detection/dfine.h"
#include "hadal/models/published.h"

namespace hadal {
namespace {

/// What is to be a list of so many whole numbers; `count` 0: as many as there are, 1 to 4.
std::vector<int64_t> numbers(PublishedConfig& config, const std::string& key, std::vector<int64_t> otherwise,
                             size_t count) {
  const auto* found = config.find(key);
  if (!found) return otherwise;
  std::vector<int64_t> out;
  for (const auto& value : found->is_array() ? *found : nlohmann::json::array()) {
    if (!value.is_number_integer() || value < 1 || value > 65536) break;
    out.push_back(value.get<int64_t>());
  }
  if (found->is_array() && out.size() == found->size() &&
      (count > 0 ? out.size() == count : !out.empty() && out.size() <= 4))
    return out;
  config.refuse(count > 0 ? fmt::format("{} is no list of {} numbers", key, count)
                          : fmt::format("{} is no list of 1 to 4 numbers", key));
  return otherwise;
}

/// What transformers can set and Hadal has in one form only; an absent key means `otherwise`, or that form.
void expect_json(PublishedConfig& config, const std::string& key, const nlohmann::json& known,
                 const nlohmann::json& otherwise = {}) {
  const auto* found = config.find(key);
  const auto& theirs = found ? *found : otherwise.is_null() ? known : otherwise;
  if (theirs != known) config.refuse(fmt::format("{} is not {}", key, known.dump()));
}

HgnetConfig backbone_of(PublishedConfig& config) {
  const auto at = [](const char* key) { return std::string("backbone_config/") + key; };
  HgnetConfig out;
  auto stem = numbers(config, at("stem_channels"), {3, 32, 48}, 3);
  if (stem[0] != 3) config.refuse("backbone_config/stem_channels begins with other channels than 3");
  out.stem = {stem[1], stem[2]};
  out.inner = numbers(config, at("stage_mid_channels"), {48, 96, 192, 384}, 4);
  out.out = numbers(config, at("stage_out_channels"), {128, 512, 1024, 2048}, 4);
  out.blocks = numbers(config, at("stage_num_blocks"), {1, 1, 3, 1}, 4);
  const auto in = numbers(config, at("stage_in_channels"), {48, 128, 512, 1024}, 4);
  if (in != std::vector<int64_t>{out.stem[1], out.out[0], out.out[1], out.out[2]})
    config.refuse("backbone_config/stage_in_channels are not what the stages before give");
  const auto layers = numbers(config, at("stage_numb_of_layers"), {6, 6, 6, 6}, 4);
  if (std::any_of(layers.begin(), layers.end(), [&](int64_t n) { return n != layers[0]; }))
    config.refuse("backbone_config/stage_numb_of_layers differ from stage to stage");
  out.layers = layers[0];
  out.affine = config.flag(at("use_learnable_affine_block"), false);
  out.frozen_norm = config.flag("freeze_backbone_batch_norms", true);
  config.expect(at("model_type"), {"hgnet_v2"});
  config.expect(at("hidden_act"), {"relu"});
  expect_json(config, at("stem_strides"), {2, 1, 1, 2, 1});
  expect_json(config, at("stage_downsample"), {false, true, true, true});
  expect_json(config, at("stage_downsample_strides"), {2, 2, 2, 2});
  expect_json(config, at("stage_light_block"), {false, false, true, true});
  expect_json(config, at("stage_kernel_size"), {3, 3, 5, 5});
  return out;
}

/// The size that looks like it; what differs is said anyway.
std::string preset_like(const DfineConfig& config) {
  for (const auto& name : detectors().names()) {
    if (!name.starts_with("d_fine-")) continue;
    DfineConfig preset;
    read_config(preset, detectors().at(name).schema.defaults(), name);
    if (preset.backbone.inner == config.backbone.inner && preset.points.size() == config.points.size()) return name;
  }
  return "d_fine-l";
}

}  // namespace

Part dfine_settings(const nlohmann::json& json, const std::string& name) {
  PublishedConfig config(json, name);
  config.architecture({"DFineForObjectDetection"}, "DFineForObjectDetection");
  DfineConfig out;
  out.classes = config.classes();
  out.backbone = backbone_of(config);
  const auto levels = config.integer("num_feature_levels", 3);
  if (const auto* points = config.find("decoder_n_points"); points && points->is_array()) {
    out.points = numbers(config, "decoder_n_points", out.points, 0);
  } else {
    const auto each = config.integer("decoder_n_points", 4);
    out.points.assign(static_cast<size_t>(std::clamp<int64_t>(levels, 1, 4)), each);
  }
  const auto count = std::ssize(out.points);
  if (levels != count)
    config.refuse(fmt::format("num_feature_levels is {} and decoder_n_points has {}", levels, count));
  auto stages = nlohmann::json::array(), strides = nlohmann::json::array();
  for (auto i = count - 1; i >= 0; --i) stages.push_back(4 - i), strides.push_back(32 >> i);
  expect_json(config, "backbone_config/out_indices", stages, {2, 3, 4});
  expect_json(config, "feat_strides", strides, {8, 16, 32});
  expect_json(config, "encode_proj_layers", nlohmann::json::array({count - 1}), nlohmann::json::array({2}));
  out.encoder_dim = config.integer("encoder_hidden_dim", 256);
  expect_json(config, "decoder_in_channels", std::vector<int64_t>(out.points.size(), out.encoder_dim), {256, 256, 256});
  out.encoder_hidden = config.integer("encoder_ffn_dim", 1024);
  out.encoder_layers = config.integer("encoder_layers", 1);
  out.expansion = config.number("hidden_expansion", 1);
  out.depth = config.number("depth_mult", 1);
  out.dim = config.integer("d_model", 256);
  out.hidden = config.integer("decoder_ffn_dim", 1024);
  out.layers = config.integer("decoder_layers", 6);
  out.heads = config.integer("decoder_attention_heads", 8);
  if (config.integer("encoder_attention_heads", 8) != out.heads)
    config.refuse("encoder_attention_heads are not as many as decoder_attention_heads");
  out.queries = config.integer("num_queries", 300);
  out.bins = config.integer("max_num_bins", 32);
  out.reach = config.number("reg_scale", 4);
  out.farthest = config.number("up", 0.5);
  out.denoising = config.integer("num_denoising", 100);
  out.label_noise = config.number("label_noise_ratio", 0.5);
  out.box_noise = config.number("box_noise_scale", 1);
  for (const auto* norm : {"layer_norm_eps", "batch_norm_eps"}) expect_json(config, norm, 1e-5);
  const auto eval = config.integer("eval_idx", -1);
  if (eval != -1 && eval != out.layers - 1) config.refuse(fmt::format("eval_idx is {} and not the last layer", eval));
  config.expect("encoder_activation_function", {"gelu"});
  config.expect("activation_function", {"silu"});
  config.expect("decoder_activation_function", {"relu"});
  config.expect("decoder_method", {"default"});
  for (const auto* flag : {"normalize_before", "learn_initial_query"}) config.refuse_flag(flag);
  expect_json(config, "positional_encoding_temperature", 10000);
  expect_json(config, "top_prob_values", 4);
  expect_json(config, "lqe_hidden_dim", 64);
  expect_json(config, "lqe_layers", 2);
  expect_json(config, "decoder_offset_scale", 0.5);
  config.finish();
  return {preset_like(out), write_config(out)};
}

}  // namespace hadal
