#include "hadal/models/vision/vit_names.h"

#include "hadal/nn/weight_names.h"

namespace hadal {
namespace {

#define HADAL_LAYER "encoder.layers.encoder_layer_#."

constexpr NameRow kTimm[] = {
    {"cls_token", "class_token"},
    {"pos_embed", "encoder.pos_embedding"},
    {"patch_embed.proj.", "conv_proj."},
    {"blocks.#.norm1.", HADAL_LAYER "ln_1."},
    {"blocks.#.attn.qkv.", HADAL_LAYER "self_attention.in_proj_"},
    {"blocks.#.attn.proj.", HADAL_LAYER "self_attention.out_proj."},
    {"blocks.#.norm2.", HADAL_LAYER "ln_2."},
    {"blocks.#.mlp.fc1.", HADAL_LAYER "mlp.0."},
    {"blocks.#.mlp.fc2.", HADAL_LAYER "mlp.3."},
    {"norm.", "encoder.ln."},
    {"head.", "heads.head."},
};

constexpr NameRow kHuggingFace[] = {
    {"vit.embeddings.cls_token", "class_token"},
    {"vit.embeddings.position_embeddings", "encoder.pos_embedding"},
    {"vit.embeddings.patch_embeddings.projection.", "conv_proj."},
    {"vit.encoder.layer.#.layernorm_before.", HADAL_LAYER "ln_1."},
    {"vit.encoder.layer.#.attention.attention.query.", HADAL_LAYER "self_attention.in_proj_", 0},
    {"vit.encoder.layer.#.attention.attention.key.", HADAL_LAYER "self_attention.in_proj_", 1},
    {"vit.encoder.layer.#.attention.attention.value.", HADAL_LAYER "self_attention.in_proj_", 2},
    {"vit.encoder.layer.#.attention.output.dense.", HADAL_LAYER "self_attention.out_proj."},
    {"vit.encoder.layer.#.layernorm_after.", HADAL_LAYER "ln_2."},
    {"vit.encoder.layer.#.intermediate.dense.", HADAL_LAYER "mlp.0."},
    {"vit.encoder.layer.#.output.dense.", HADAL_LAYER "mlp.3."},
    {"vit.layernorm.", "encoder.ln."},
    {"classifier.", "heads.head."},
};

/// In the module itself, transformers 5 says these differently.
constexpr NameRow kHuggingFaceModule[] = {
    {"vit.layers.#.layernorm_before.", HADAL_LAYER "ln_1."},
    {"vit.layers.#.attention.q_proj.", HADAL_LAYER "self_attention.in_proj_", 0},
    {"vit.layers.#.attention.k_proj.", HADAL_LAYER "self_attention.in_proj_", 1},
    {"vit.layers.#.attention.v_proj.", HADAL_LAYER "self_attention.in_proj_", 2},
    {"vit.layers.#.attention.o_proj.", HADAL_LAYER "self_attention.out_proj."},
    {"vit.layers.#.layernorm_after.", HADAL_LAYER "ln_2."},
    {"vit.layers.#.mlp.fc1.", HADAL_LAYER "mlp.0."},
    {"vit.layers.#.mlp.fc2.", HADAL_LAYER "mlp.3."},
};

constexpr NameRow kOldTorchvision[] = {
    {HADAL_LAYER "mlp.linear_1.", HADAL_LAYER "mlp.0."},
    {HADAL_LAYER "mlp.linear_2.", HADAL_LAYER "mlp.3."},
};

#undef HADAL_LAYER

}  // namespace

TensorsByName torchvision_vit_names(const TensorsByName& weights) {
  return renamed(weights, {kTimm, kHuggingFace, kHuggingFaceModule, kOldTorchvision}, "vit");
}

}  // namespace hadal
