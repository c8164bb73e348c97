#include <algorithm>
#include <span>

#include "hadal/models/text/causal_lm.h"
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

}  // namespace

TensorsByName causal_lm_names(const TensorsByName& weights, bool tied) {
  const std::span<const NameRow> gpt2 = out_first(weights) ? kNanoGpt : kGpt2;
  return tied ? renamed(weights, {gpt2, kLlama, kTiedHead}, "language model")
              : renamed(weights, {gpt2, kLlama}, "language model");
}

}  // namespace hadal
