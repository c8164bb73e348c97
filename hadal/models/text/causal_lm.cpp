#include "hadal/models/text/causal_lm.h"

#include <cmath>

#include "hadal/core/shape.h"
#include "hadal/ops/tokens.h"

namespace hadal {

Fields<CausalLmConfig> CausalLmConfig::fields() {
  using C = CausalLmConfig;
  return {{"vocabulary", &C::vocabulary, "how many tokens there are", at_least(1)},
          {"context", &C::context, "tokens it reads at once", at_least(1).changes(Limit::Change::always)},
          {"dim", &C::dim, "width of a token", at_least(1)},
          {"depth", &C::depth, "how many transformer blocks", at_least(0)},
          {"heads", &C::heads, "attention heads in a block", at_least(1)},
          {"kv_heads", &C::kv_heads, "heads of keys and values (0: as many as heads)", at_least(0)},
          {"mlp", &C::mlp, "width inside a block's MLP", at_least(1)},
          {"window", &C::window, "how many tokens a block sees, the token's own among them (0: all)",
           at_least(0).changes(Limit::Change::learning)},
          {"activation", &C::activation, "inside the MLP", one_of(activations())},
          {"norm", &C::norm, "normalisation", one_of({"layer", "rms"})},
          {"norm_eps", &C::norm_eps, "added to the variance in the norms", above(0)},
          {"positions", &C::positions, "how a token's place is told",
           one_of({"none", "learned", "sinusoidal", "rotary", "alibi", "relative"})},
          {"rotary", &C::rotary, "rotary positions"},
          {"bias", &C::bias, "biases in products and norms"},
          {"attention_bias", &C::attention_bias,
           "biases of attention's products: of all, of queries, keys and values alone, of none; auto: as bias",
           one_of({"auto", "all", "qkv", "none"})},
          {"mlp_bias", &C::mlp_bias, "biases in the MLP; auto: as bias"},
          {"tied", &C::tied, "the head shares its weights with the embedding"},
          {"dropout", &C::dropout, "share of activations and attention weights dropped",
           from_below(0, 1).changes(Limit::Change::always)}};
}

void CausalLmConfig::validate() const {
  require(dim % heads == 0, "[language model] dim ({}) must be divisible by heads ({}); nearest: {}", dim, heads,
          nearest_multiple(dim, heads));
  require(kv_heads == 0 || heads % kv_heads == 0, "[language model] heads ({}) must be divisible by kv_heads ({})",
          heads, kv_heads);
  rotary.validate();
  require(positions != "rotary" || dim / heads % 2 == 0,
          "[language model] rotary positions want heads of even width, got {}", dim / heads);
}

CausalLmImpl::CausalLmImpl(const CausalLmConfig& config) : config_(config) {
  validate_config(config, "model");
  const bool inside = config.positions == "rotary" || config.positions == "alibi" || config.positions == "relative";
  wte_ = register_module("wte", Embedding(config.vocabulary, config.dim, 0.02));
  if (config.positions == "learned") wpe_ = register_module("wpe", Embedding(config.context, config.dim, 0.02));
  if (config.positions == "sinusoidal") sinusoids_ = sinusoidal_positions(config.context, config.dim);
  std::optional<bool> attention_bias, out_bias;
  if (config.attention_bias != "auto") {
    attention_bias = config.attention_bias != "none";
    out_bias = config.attention_bias == "all";
  }
  decoder_ = register_module("decoder", Stack(StackConfig{.block = {.dim = config.dim,
                                                                    .heads = config.heads,
                                                                    .kv_heads = config.kv_heads,
                                                                    .mlp = config.mlp,
                                                                    .window = config.window,
                                                                    .activation = config.activation,
                                                                    .norm = config.norm,
                                                                    .norm_eps = config.norm_eps,
                                                                    .bias = config.bias,
                                                                    .attention_bias = attention_bias,
                                                                    .out_bias = out_bias,
                                                                    .mlp_bias = config.mlp_bias,
                                                                    .dropout = config.dropout,
                                                                    .attention_dropout = config.dropout},
                                                          .depth = config.depth,
                                                          .causal = true,
                                                          .positions = inside ? config.positions : "none",
                                                          .rotary = config.rotary}));
  const auto added = 0.02 / std::sqrt(2.0 * static_cast<double>(std::max<int64_t>(config.depth, 1)));
  for (auto& parameter : decoder_->named_parameters()) {
    const auto& name = parameter.key();
    if (parameter.value().dim() == 2)
      init::normal(parameter.value(),
                   name.ends_with("out_proj.weight") || name.ends_with("mlp.3.weight") ? added : 0.02);
    else if (name.ends_with("bias"))
      init::constant(parameter.value(), 0);
  }
  if (config.tied) return;
  lm_head_ = register_module("lm_head", Linear(config.dim, config.vocabulary, false));
  init::normal(lm_head_->weight, 0.02);
}

Tensor CausalLmImpl::placed(const Tensor& tokens, const DecodingCache* cache) {
  if (!wpe_ && !sinusoids_.defined()) return tokens;
  const auto length = tokens.size(1), seen = cache ? cache->seen() : 0;
  if (seen + length > config_.context)
    fail("[language model] {} tokens do not fit into the context of {}", seen + length, config_.context);
  auto places = torch::arange(seen, seen + length, tokens.options().dtype(torch::kInt64));
  if (cache && cache->starts.defined()) places = (places - cache->starts.unsqueeze(1)).clamp_min(0);  // (B, T)
  return tokens + (wpe_ ? wpe_(places) : torch::embedding(sinusoids_.to(tokens.device()), places));
}

Tensor CausalLmImpl::forward(const Tensor& ids, DecodingCache* cache) {
  expect_shape("language model", ids, {kAny, kAny});
  const auto tokens = dropped(placed(wte_(ids), cache), config_.dropout, is_training());  // (B, T, dim)
  const auto read = decoder_(tokens, StackInput{.cache = cache});
  return lm_head_ ? lm_head_(read) : hadal::linear(read, wte_->weight);  // (B, T, vocabulary)
}

TensorsByName CausalLmImpl::own_names(const TensorsByName& weights) const {
  auto ours = causal_lm_names(weights, config_.tied);
  const auto find = [](const TensorsByName& all, const char* name) {
    for (const auto& [key, tensor] : all)
      if (key == name) return tensor;
    return Tensor();
  };
  const auto head = find(weights, "lm_head.weight"), words = find(ours, "wte.weight");
  if (!words.defined()) return ours;
  if (config_.tied && head.defined() && !(head.sizes() == words.sizes() && head.eq(words).all().item<bool>()))
    fail("[language model] the file's head (lm_head.weight) has weights of its own: set model.tied=false");
  if (!config_.tied && !head.defined())
    fail(
        "[language model] the file has no head (lm_head.weight); where the head is the embedding, set model.tied=true");
  return ours;
}

void register_causal_lm(LanguageCatalog& catalog) {
  const auto add = [&](const std::string& name, const std::string& about, const CausalLmConfig& preset) {
    catalog.add(name, about, preset,
                [](const CausalLmConfig& config) { return std::make_shared<CausalLmImpl>(config); });
  };
  add("gpt", "a small GPT for texts of one's own",
      {.vocabulary = 256,
       .context = 256,
       .dim = 384,
       .depth = 6,
       .heads = 6,
       .mlp = 1536,
       .activation = "gelu",
       .bias = false});
  add("gpt2", "GPT-2, 124 M", {});
  add("gpt2-medium", "GPT-2, 355 M", {.dim = 1024, .depth = 24, .heads = 16, .mlp = 4096});
  add("gpt2-large", "GPT-2, 774 M", {.dim = 1280, .depth = 36, .heads = 20, .mlp = 5120});
  add("gpt2-xl", "GPT-2, 1.5 G", {.dim = 1600, .depth = 48, .heads = 25, .mlp = 6400});
  const auto llama = [&](const std::string& name, const std::string& about, CausalLmConfig preset) {
    preset.activation = "swiglu", preset.norm = "rms", preset.positions = "rotary", preset.bias = false;
    add(name, about, preset);
  };
  llama("llama", "a small Llama, that of llama2.c's stories15M",
        {.vocabulary = 32000, .context = 256, .dim = 288, .depth = 6, .heads = 6, .mlp = 768});
  llama("smollm2-135m", "SmolLM2, 135 M: grouped heads, tied head",
        {.vocabulary = 49152,
         .context = 8192,
         .dim = 576,
         .depth = 30,
         .heads = 9,
         .kv_heads = 3,
         .mlp = 1536,
         .rotary = {.base = 100000}});
  llama("tinyllama-1.1b", "TinyLlama, 1.1 G: grouped heads",
        {.vocabulary = 32000,
         .context = 2048,
         .dim = 2048,
         .depth = 22,
         .heads = 32,
         .kv_heads = 4,
         .mlp = 5632,
         .tied = false});
  llama("llama2-7b", "Llama 2, 6.7 G",
        {.vocabulary = 32000, .context = 4096, .dim = 4096, .depth = 32, .heads = 32, .mlp = 11008, .tied = false});
}

}  // namespace hadal
