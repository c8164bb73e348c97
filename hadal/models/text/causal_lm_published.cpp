// Settings of published GPT-2s, Llamas and Llama's kin. What stands for absent keys are transformers' own defaults.
#include <algorithm>

#include "hadal/models/published.h"
#include "hadal/models/text/causal_lm.h"

namespace hadal {
namespace {

/// What an older file has as rope_theta and rope_scaling, one of transformers 5 has in one table.
Table rotary_settings(PublishedConfig& config) {
  const std::string table = config.find("rope_parameters") ? "rope_parameters/" : "rope_scaling/";
  const auto key = [&](const char* name) { return table + name; };
  Table rotary{{"base", config.number(config.find(key("rope_theta")) ? key("rope_theta") : "rope_theta", 10000)}};
  const auto named = key(config.find(key("rope_type")) ? "rope_type" : "type");
  const auto type = config.word(named, "default");
  for (const auto& share : {key("partial_rotary_factor"), std::string("partial_rotary_factor")})
    if (config.number(share, 1) != 1) config.refuse(fmt::format("{}: only a part of each head turns", share));
  // What is scaled as a text grows is not scaled within the context.
  if (type == "default" || type == "dynamic") return rotary;
  if (type != "linear" && type != "llama3") {
    config.refuse(fmt::format("{} is {}, which is no scaling here", named, type));
    return rotary;
  }
  rotary.set("scaling", type);
  rotary.set("factor", config.number(key("factor"), {}));
  if (type == "linear") return rotary;
  rotary.set("low", config.number(key("low_freq_factor"), {}));
  rotary.set("high", config.number(key("high_freq_factor"), {}));
  rotary.set("original", config.integer(key("original_max_position_embeddings"), {}));
  return rotary;
}

/// Whether a key says null, which is another thing than none at all.
bool is_null(const PublishedConfig& config, const std::string& key) { return config.has(key) && !config.find(key); }

/// Of a Qwen2's layers, how many have a window: those behind the first ones, or as a list says.
int64_t layers_with_window(PublishedConfig& config, int64_t depth) {
  if (!config.flag("use_sliding_window", false)) return 0;
  const auto* types = config.find("layer_types");
  if (!types || !types->is_array()) return std::max<int64_t>(0, depth - config.integer("max_window_layers", 28));
  return std::count(types->begin(), types->end(), "sliding_attention");
}

/// How far back a token sees; 0: all the way.
int64_t window_of(PublishedConfig& config, int64_t context, int64_t depth) {
  if (config.kind() == "llama") {
    if (config.find("sliding_window")) config.refuse("sliding_window, which a Llama has not");
    return 0;
  }
  const auto layers = config.kind() == "qwen2" ? layers_with_window(config, depth) : depth;
  if (layers == 0 || is_null(config, "sliding_window")) return 0;
  if (layers < depth)
    config.refuse(fmt::format("sliding_window in {} of {} layers; here all have one or none", layers, depth));
  const auto window = config.integer("sliding_window", 4096);
  return window >= context ? 0 : window;
}

struct Sizes {
  int64_t vocabulary, context, dim, mlp, depth, heads, kv_heads;  // 0: as many as heads
};
Sizes sizes_by_default(const std::string& kind) {
  if (kind == "mistral") return {32000, 131072, 4096, 14336, 32, 32, 8};
  if (kind == "qwen2") return {151936, 32768, 4096, 22016, 32, 32, 32};
  return {32000, 2048, 4096, 11008, 32, 32, 0};
}

}  // namespace

Part gpt2_settings(const nlohmann::json& json, const std::string& name) {
  PublishedConfig config(json, name);
  config.architecture({"GPT2LMHeadModel", "GPT2Model"}, "GPT2LMHeadModel");
  const auto dim = config.integer("n_embd", 768);
  Table settings{{"vocabulary", config.integer("vocab_size", 50257)},
                 {"context", config.integer("n_positions", 1024)},
                 {"dim", dim},
                 {"depth", config.integer("n_layer", 12)},
                 {"heads", config.integer("n_head", 12)},
                 {"mlp", config.integer("n_inner", 4 * dim)},
                 {"activation", config.activation("activation_function", "gelu_new")},
                 {"norm", "layer"},
                 {"norm_eps", config.number("layer_norm_epsilon", 1e-5)},
                 {"positions", "learned"},
                 {"bias", true},
                 {"tied", config.flag("tie_word_embeddings", true)}};
  config.refuse_flag("scale_attn_by_inverse_layer_idx");
  config.refuse_flag("scale_attn_weights", false);
  config.refuse_flag("add_cross_attention");
  config.finish();
  return {"gpt2", std::move(settings)};
}

Part llama_settings(const nlohmann::json& json, const std::string& name) {
  PublishedConfig config(json, name);
  const bool qwen = config.kind() == "qwen2";
  const auto usual = sizes_by_default(config.kind());
  const std::string family = config.kind() == "llama" ? "Llama" : qwen ? "Qwen2" : "Mistral";
  const auto architecture = config.architecture({family + "ForCausalLM", family + "Model"}, family + "ForCausalLM");
  const bool tied = config.flag("tie_word_embeddings", false);
  if (architecture == family + "Model" && !tied) config.refuse(architecture + " has no head to write with");
  const auto dim = config.integer("hidden_size", usual.dim);
  const auto heads = config.integer("num_attention_heads", usual.heads);
  const auto depth = config.integer("num_hidden_layers", usual.depth);
  const auto context = config.integer("max_position_embeddings", usual.context);
  if (const auto width = config.integer("head_dim", 0); width > 0 && width * heads != dim)
    config.refuse(fmt::format("head_dim is {}, and {} heads of a width of {} have {}", width, heads, dim,
                              static_cast<double>(dim) / static_cast<double>(std::max<int64_t>(heads, 1))));
  Table settings{
      {"vocabulary", config.integer("vocab_size", usual.vocabulary)},
      {"context", context},
      {"dim", dim},
      {"depth", depth},
      {"heads", heads},
      {"kv_heads", is_null(config, "num_key_value_heads") ? 0 : config.integer("num_key_value_heads", usual.kv_heads)},
      {"mlp", config.integer("intermediate_size", usual.mlp)},
      {"window", window_of(config, context, depth)},
      {"activation", config.activation("hidden_act", "silu", true)},
      {"norm", "rms"},
      {"norm_eps", config.number("rms_norm_eps", 1e-6)},
      {"positions", "rotary"},
      {"rotary", rotary_settings(config)},
      {"bias", false},
      {"attention_bias", qwen                                   ? "qkv"
                         : config.flag("attention_bias", false) ? "all"
                                                                : "none"},
      {"mlp_bias", config.flag("mlp_bias", false)},
      {"tied", tied}};
  config.finish();
  return {"llama", std::move(settings)};
}

}  // namespace hadal
