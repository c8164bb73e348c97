#include "hadal/nn/transformer.h"
#include "hadal/nn/weight_names.h"

namespace hadal {
namespace {

// A decoder's second norm stands before the memory, an encoder's before the MLP.
#define HADAL_SHARED(theirs, ours)                                                                          \
  {theirs "self_attn.", ours "self_attention."}, {theirs "linear1.", ours "mlp.0."},                        \
      {theirs "linear2.", ours "mlp.3."}, {theirs "norm1.", ours "ln_1."}, {theirs "norm3.", ours "ln_2."}, \
      {theirs "multihead_attn.", ours "cross_attention."}

constexpr NameRow kShared[] = {HADAL_SHARED("", ""), HADAL_SHARED("layers.#.", "layers.#."),
                               HADAL_SHARED("encoder.layers.#.", "encoder.layers.#."),
                               HADAL_SHARED("decoder.layers.#.", "decoder.layers.#.")};
constexpr NameRow kEncoder[] = {{"norm2.", "ln_2."},
                                {"layers.#.norm2.", "layers.#.ln_2."},
                                {"encoder.layers.#.norm2.", "encoder.layers.#.ln_2."},
                                {"decoder.layers.#.norm2.", "decoder.layers.#.ln_cross."}};
constexpr NameRow kDecoder[] = {{"norm2.", "ln_cross."}, {"layers.#.norm2.", "layers.#.ln_cross."}};

#undef HADAL_SHARED

}  // namespace

TensorsByName torch_transformer_names(const TensorsByName& weights) {
  bool decoder = false;  // alone, not beside an encoder
  for (const auto& [name, tensor] : weights)
    decoder = decoder || ((name.starts_with("layers.") || name.starts_with("multihead_attn.")) &&
                          name.find("multihead_attn.") != std::string::npos);
  return decoder ? renamed(weights, {kShared, kDecoder}, "transformer")
                 : renamed(weights, {kShared, kEncoder}, "transformer");
}

}  // namespace hadal
