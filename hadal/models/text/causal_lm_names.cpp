#include <algorithm>
#include <span>

#include "hadal/models/text/causal_lm.h"
#include "hadal/nn/mlp.h"
#include "hadal/nn/weight_names.h"

namespace hadal {
namespace {

#define HADAL_LAYER "decoder.layers.#."

// GPT-2 keeps its matrices as (in, out), nanoGPT as (out, in). attn.bias and attn.masked_bias are masks of old files.
#define HADAL_GPT2(prefix, in_first)                                                                           \
  {prefix "wte.", "wte."}, {prefix "wpe.", "wpe."}, {prefix "h.#.ln_1.", HADAL_LAYER "ln_1."},                 \
      {prefix "h.#.attn.bias", ""}, {prefix "h.#.attn.masked_bias", ""},                                       \
      {prefix "h.#.attn.c_attn.", HADAL_LAYER "self_attention.in_proj_", -1, in_first},                        \
      {prefix "h.#.attn.c_proj.", HADAL_LAYER "self_attention.out_proj.", -1, in_first},                       \
      {prefix "h.#.ln_2.", HADAL_LAYER "ln_2."}, {prefix "h.#.mlp.c_fc.", HADAL_LAYER "mlp.0.", -1, in_first}, \
      {prefix "h.#.mlp.c_proj.", HADAL_LAYER "mlp.3.", -1, in_first}, {prefix "ln_f.", "decoder.norm."}

constexpr NameRow kGpt2[] = {HADAL_GPT2("transformer.", true), HADAL_GPT2("", true)};
constexpr NameRow kNanoGpt[] = {HADAL_GPT2("transformer.", false), HADAL_GPT2("", false)};

#define HADAL_LLAMA(prefix)                                                                    \
  {prefix "embed_tokens.", "wte."}, {prefix "layers.#.input_layernorm.", HADAL_LAYER "ln_1."}, \
      {prefix "layers.#.self_attn.q_proj.", HADAL_LAYER "self_attention.in_proj_", 0},         \
      {prefix "layers.#.self_attn.k_proj.", HADAL_LAYER "self_attention.in_proj_", 1},         \
      {prefix "layers.#.self_attn.v_proj.", HADAL_LAYER "self_attention.in_proj_", 2},         \
      {prefix "layers.#.self_attn.o_proj.", HADAL_LAYER "self_attention.out_proj."},           \
      {prefix "layers.#.self_attn.rotary_emb.inv_freq", ""},                                   \
      {prefix "layers.#.post_attention_layernorm.", HADAL_LAYER "ln_2."},                      \
      {prefix "layers.#.mlp.gate_proj.", HADAL_LAYER "mlp.0.", 0},                             \
      {prefix "layers.#.mlp.up_proj.", HADAL_LAYER "mlp.0.", 1},                               \
      {prefix "layers.#.mlp.down_proj.", HADAL_LAYER "mlp.3."}, {prefix "norm.", "decoder.norm."}

constexpr NameRow kLlama[] = {HADAL_LLAMA("model."), HADAL_LLAMA("")};

constexpr NameRow kTiedHead[] = {{"lm_head.weight", ""}};

#undef HADAL_GPT2
#undef HADAL_LLAMA
#undef HADAL_LAYER

/// Whether matrices under GPT-2's names lie as (out, in). Queries, keys and values are three times as many as what they
/// are made of, in files of every size; the other matrices may be square.
bool out_first(const TensorsByName& weights) {
  for (const auto& [name, tensor] : weights)
    if (name.ends_with(".attn.c_attn.weight") && tensor.dim() == 2 && tensor.size(0) != tensor.size(1))
      return tensor.size(0) > tensor.size(1);
  return false;
}

/// Hugging Face's names of an activation. It calls a gated one by what its gate does.
std::vector<std::string> other_names(const std::string& activation) {
  if (activation == "gelu" || activation == "geglu") return {"gelu", "gelu_python"};
  if (activation == "gelu_tanh") return {"gelu_new", "gelu_pytorch_tanh", "gelu_fast"};
  if (activation == "silu" || activation == "swiglu") return {"silu", "swish"};
  return {activation};
}

void compare_activation(About& about, const std::string& key, const std::string& ours, bool gated) {
  const auto* found = about.find(key);
  if (!found) return;
  const auto theirs = found->is_string() ? found->get<std::string>() : found->dump();
  const auto means = [&](const std::string& activation) {
    const auto names = other_names(activation);
    return is_gated(activation) == gated && std::find(names.begin(), names.end(), theirs) != names.end();
  };
  if (means(ours)) return;
  const auto& all = activations();
  const auto fits = std::find_if(all.begin(), all.end(), means);
  about.refuse(fits == all.end() ? fmt::format("{} is {}, which is none of the activations here", key, theirs)
                                 : fmt::format("{} is {}: model.activation={}", key, theirs, *fits));
}

/// What older files have as rope_theta and rope_scaling, those of transformers 5 in one table.
void compare_rotary(About& about, const RotaryConfig& rotary) {
  const std::string table = about.find("rope_parameters") ? "rope_parameters" : "rope_scaling";
  about.expect(about.find(table + "/rope_theta") ? table + "/rope_theta" : "rope_theta", rotary.base,
               "model.rotary.base", 10000);
  const auto key = table + (about.find(table + "/rope_type") ? "/rope_type" : "/type");
  const auto* found = about.find(key);
  const auto theirs = found && found->is_string() ? found->get<std::string>() : "default";
  if (theirs != "default" && theirs != "linear")
    return about.refuse(fmt::format("{} is {}, which is no scaling here", key, theirs));
  if (theirs == "default") return;  // a scaling of one's own is for longer texts
  if (rotary.scaling != theirs)
    return about.refuse(fmt::format("rotary positions are scaled: model.rotary.scaling={}", theirs));
  about.expect(table + "/factor", rotary.factor, "model.rotary.factor", 1);
}

/// Mistral's reach: null is none, which a window of one's own may narrow; no word at all is its default.
void compare_window(About& about, const CausalLmConfig& c) {
  const auto* found = about.find("sliding_window");
  const bool unsaid = about.kind() == "mistral" && !about.has("sliding_window");
  const auto theirs = found && found->is_number_integer() ? found->get<int64_t>() : unsaid ? 4096 : 0;
  if (theirs == 0 || theirs == c.window || (c.window == 0 && theirs >= c.context)) return;
  about.refuse(fmt::format("sliding_window is {} and not {}: model.window={}", theirs, c.window, theirs));
}

}  // namespace

void CausalLmImpl::compare(About& about) const {
  const auto& c = config_;
  about.expect_kind({"gpt2", "llama", "mistral"});
  about.expect("vocab_size", static_cast<double>(c.vocabulary), "model.vocabulary");
  about.expect_flag("tie_word_embeddings", c.tied, "model.tied");
  if (about.kind() == "gpt2") {
    about.expect("n_head", static_cast<double>(c.heads), "model.heads");
    about.expect("layer_norm_epsilon", c.norm_eps, "model.norm_eps", 1e-5);
    about.need("model.norm", c.norm, "layer");
    about.need("model.positions", c.positions, "learned");
    compare_activation(about, "activation_function", c.activation, false);
    about.refuse_flag("scale_attn_by_inverse_layer_idx", true);
    about.refuse_flag("scale_attn_weights", false);
    return;
  }
  about.expect("num_attention_heads", static_cast<double>(c.heads), "model.heads");
  about.expect("num_key_value_heads", static_cast<double>(c.kv_heads ? c.kv_heads : c.heads), "model.kv_heads");
  about.expect("rms_norm_eps", c.norm_eps, "model.norm_eps", 1e-6);
  about.need("model.norm", c.norm, "rms");
  about.need("model.positions", c.positions, "rotary");
  compare_activation(about, "hidden_act", c.activation, true);
  compare_window(about, c);
  compare_rotary(about, c.rotary);
}

TensorsByName causal_lm_names(const TensorsByName& weights, bool tied) {
  const std::span<const NameRow> gpt2 = out_first(weights) ? kNanoGpt : kGpt2;
  return tied ? renamed(weights, {gpt2, kLlama, kTiedHead}, "language model")
              : renamed(weights, {gpt2, kLlama}, "language model");
}

}  // namespace hadal
