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

/// Without the `vit.` that a model with a head has before them.
constexpr NameRow kHuggingFace[] = {
    {"embeddings.cls_token", "class_token"},
    {"embeddings.position_embeddings", "encoder.pos_embedding"},
    {"embeddings.patch_embeddings.projection.", "conv_proj."},
    {"encoder.layer.#.layernorm_before.", HADAL_LAYER "ln_1."},
    {"encoder.layer.#.attention.attention.query.", HADAL_LAYER "self_attention.in_proj_", 0},
    {"encoder.layer.#.attention.attention.key.", HADAL_LAYER "self_attention.in_proj_", 1},
    {"encoder.layer.#.attention.attention.value.", HADAL_LAYER "self_attention.in_proj_", 2},
    {"encoder.layer.#.attention.output.dense.", HADAL_LAYER "self_attention.out_proj."},
    {"encoder.layer.#.layernorm_after.", HADAL_LAYER "ln_2."},
    {"encoder.layer.#.intermediate.dense.", HADAL_LAYER "mlp.0."},
    {"encoder.layer.#.output.dense.", HADAL_LAYER "mlp.3."},
    {"layernorm.", "encoder.ln."},
    {"pooler.", ""},                // of ViTModel; no head here reads it
    {"embeddings.mask_token", ""},  // of pretraining by hidden patches
    {"classifier.", "heads.head."},
};

/// In the module itself, transformers 5 says these differently.
constexpr NameRow kHuggingFaceModule[] = {
    {"layers.#.layernorm_before.", HADAL_LAYER "ln_1."},
    {"layers.#.attention.q_proj.", HADAL_LAYER "self_attention.in_proj_", 0},
    {"layers.#.attention.k_proj.", HADAL_LAYER "self_attention.in_proj_", 1},
    {"layers.#.attention.v_proj.", HADAL_LAYER "self_attention.in_proj_", 2},
    {"layers.#.attention.o_proj.", HADAL_LAYER "self_attention.out_proj."},
    {"layers.#.layernorm_after.", HADAL_LAYER "ln_2."},
    {"layers.#.mlp.fc1.", HADAL_LAYER "mlp.0."},
    {"layers.#.mlp.fc2.", HADAL_LAYER "mlp.3."},
};

constexpr NameRow kOldTorchvision[] = {
    {HADAL_LAYER "mlp.linear_1.", HADAL_LAYER "mlp.0."},
    {HADAL_LAYER "mlp.linear_2.", HADAL_LAYER "mlp.3."},
};

#undef HADAL_LAYER

}  // namespace

TensorsByName torchvision_vit_names(const TensorsByName& weights) {
  TensorsByName bare;
  for (const auto& [name, tensor] : weights)
    bare.emplace_back(name.starts_with("vit.") ? name.substr(4) : name, tensor);
  return renamed(bare, {kTimm, kHuggingFace, kHuggingFaceModule, kOldTorchvision}, "vit");
}

}  // namespace hadal
