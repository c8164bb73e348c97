#include "hadal/models/text/causal_lm.h"
#include "hadal/nn/weight_names.h"

namespace hadal {
namespace {

#define HADAL_LAYER "decoder.layers.#."

// GPT-2 keeps its matrices as (in, out). attn.bias and attn.masked_bias are masks of old files.
#define HADAL_GPT2(prefix)                                                                                 \
  {prefix "wte.", "wte."}, {prefix "wpe.", "wpe."}, {prefix "h.#.ln_1.", HADAL_LAYER "ln_1."},             \
      {prefix "h.#.attn.bias", ""}, {prefix "h.#.attn.masked_bias", ""},                                   \
      {prefix "h.#.attn.c_attn.", HADAL_LAYER "self_attention.in_proj_", -1, true},                        \
      {prefix "h.#.attn.c_proj.", HADAL_LAYER "self_attention.out_proj.", -1, true},                       \
      {prefix "h.#.ln_2.", HADAL_LAYER "ln_2."}, {prefix "h.#.mlp.c_fc.", HADAL_LAYER "mlp.0.", -1, true}, \
      {prefix "h.#.mlp.c_proj.", HADAL_LAYER "mlp.3.", -1, true}, {prefix "ln_f.", "decoder.norm."}

constexpr NameRow kGpt2[] = {HADAL_GPT2("transformer."), HADAL_GPT2("")};

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

/// Hugging Face's names of an activation.
std::vector<std::string> other_names(const std::string& activation) {
  if (activation == "gelu_tanh") return {"gelu_new", "gelu_pytorch_tanh", "gelu_fast"};
  if (activation == "swiglu") return {"silu", "swish"};
  return {activation};
}

}  // namespace

void CausalLmImpl::compare(About& about) const {
  const auto& c = config_;
  about.expect_kind({"gpt2", "llama", "mistral"});
  if (about.kind() == "gpt2") {
    about.expect("n_head", static_cast<double>(c.heads), "model.heads");
    about.expect("layer_norm_epsilon", c.norm_eps, "model.norm_eps");
    about.expect("activation_function", other_names(c.activation), "model.activation=" + c.activation);
    if (const auto* flag = about.find("scale_attn_by_inverse_layer_idx"); flag && *flag != false)
      about.refuse("scale_attn_by_inverse_layer_idx is set");
    return;
  }
  about.expect("num_attention_heads", static_cast<double>(c.heads), "model.heads");
  about.expect("num_key_value_heads", static_cast<double>(c.kv_heads ? c.kv_heads : c.heads), "model.kv_heads");
  about.expect("rms_norm_eps", c.norm_eps, "model.norm_eps");
  about.expect("hidden_act", other_names(c.activation), "model.activation=" + c.activation);
  if (const auto* window = about.find("sliding_window"); window && (c.window > 0 || *window < c.context))
    about.expect("sliding_window", static_cast<double>(c.window), "model.window");
  // Since transformers 5 all about rotary positions is in one table.
  const std::string table = about.find("rope_parameters") ? "rope_parameters" : "rope_scaling";
  about.expect(table == "rope_parameters" ? "rope_parameters/rope_theta" : "rope_theta", c.rotary.base,
               "model.rotary.base", 10000);
  const auto type = table + (about.find(table + "/rope_type") ? "/rope_type" : "/type");
  about.expect(type, {c.rotary.scaling == "none" ? "default" : c.rotary.scaling},
               "model.rotary.scaling=" + c.rotary.scaling);
  about.expect(table + "/factor", c.rotary.factor, "model.rotary.factor");
}

TensorsByName causal_lm_names(const TensorsByName& weights, bool tied) {
  return tied ? renamed(weights, {kGpt2, kLlama, kTiedHead}, "language model")
              : renamed(weights, {kGpt2, kLlama}, "language model");
}

}  // namespace hadal
