#include "hadal/models/vision/vit_names.h"

#include <array>
#include <cctype>
#include <map>
#include <optional>
#include <string_view>

#include "hadal/core/error.h"

namespace hadal {
namespace {

/// How a name begins there and here; `#` is a layer's number. part: 0, 1, 2 for a separate query, key or value.
struct Row {
  std::string_view theirs, ours;
  int part = -1;
};

#define HADAL_LAYER "encoder.layers.encoder_layer_#."

constexpr Row kTimm[] = {
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

constexpr Row kHuggingFace[] = {
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
constexpr Row kHuggingFaceModule[] = {
    {"vit.layers.#.layernorm_before.", HADAL_LAYER "ln_1."},
    {"vit.layers.#.attention.q_proj.", HADAL_LAYER "self_attention.in_proj_", 0},
    {"vit.layers.#.attention.k_proj.", HADAL_LAYER "self_attention.in_proj_", 1},
    {"vit.layers.#.attention.v_proj.", HADAL_LAYER "self_attention.in_proj_", 2},
    {"vit.layers.#.attention.o_proj.", HADAL_LAYER "self_attention.out_proj."},
    {"vit.layers.#.layernorm_after.", HADAL_LAYER "ln_2."},
    {"vit.layers.#.mlp.fc1.", HADAL_LAYER "mlp.0."},
    {"vit.layers.#.mlp.fc2.", HADAL_LAYER "mlp.3."},
};

constexpr Row kOldTorchvision[] = {
    {HADAL_LAYER "mlp.linear_1.", HADAL_LAYER "mlp.0."},
    {HADAL_LAYER "mlp.linear_2.", HADAL_LAYER "mlp.3."},
};

#undef HADAL_LAYER

/// Our name for theirs when the row is about it.
std::optional<std::string> renamed(std::string_view name, const Row& row) {
  size_t at = 0;
  std::string number;
  for (const char expected : row.theirs) {
    if (expected == '#') {
      while (at < name.size() && std::isdigit(static_cast<unsigned char>(name[at]))) number += name[at++];
      if (number.empty()) return std::nullopt;
    } else if (at == name.size() || name[at++] != expected) {
      return std::nullopt;
    }
  }
  std::string ours(row.ours);
  if (const auto mark = ours.find('#'); mark != std::string::npos) ours.replace(mark, 1, number);
  return ours.append(name.substr(at));
}

Tensor joined(const std::string& name, const std::array<Tensor, 3>& parts) {
  constexpr const char* kParts[] = {"query", "key", "value"};
  for (size_t i = 0; i < 3; ++i) {
    if (!parts[i].defined()) fail("[vit] {} wants query, key and value; the weights have no {}", name, kParts[i]);
    if (parts[i].sizes() != parts[0].sizes() || parts[i].dim() == 0)
      fail("[vit] {} wants query, key and value of one shape; the {} has another one", name, kParts[i]);
  }
  return torch::cat({parts[0], parts[1], parts[2]});
}

}  // namespace

TensorsByName torchvision_vit_names(const TensorsByName& weights) {
  TensorsByName out;
  std::map<std::string, std::array<Tensor, 3>> separate;
  const auto take = [&](const std::string& name, const Tensor& tensor, const auto& rows) {
    for (const auto& row : rows) {
      const auto ours = renamed(name, row);
      if (!ours) continue;
      if (row.part < 0) {
        out.emplace_back(*ours, tensor);
      } else {
        if (!separate.contains(*ours)) out.emplace_back(*ours, Tensor());  // keeps the place
        separate[*ours][static_cast<size_t>(row.part)] = tensor;
      }
      return true;
    }
    return false;
  };
  for (const auto& [name, tensor] : weights)
    if (!take(name, tensor, kTimm) && !take(name, tensor, kHuggingFace) && !take(name, tensor, kHuggingFaceModule) &&
        !take(name, tensor, kOldTorchvision))
      out.emplace_back(name, tensor);
  for (auto& [name, tensor] : out)
    if (!tensor.defined()) tensor = joined(name, separate.at(name));
  return out;
}

}  // namespace hadal
