#include "hadal/models/generative/diffusion/dit.h"

#include <cmath>

#include "hadal/nn/names_only.h"
#include "hadal/ops/attention.h"
#include "hadal/ops/tokens.h"

namespace hadal {
namespace {

constexpr int64_t kWaves = 256;
constexpr double kFirstEps = 1e-6, kSecondEps = 1e-5;

Tensor normed(const Tensor& x, double eps) { return torch::layer_norm(x, {x.size(-1)}, {}, {}, eps); }

/// x (N, T, D) scaled and shifted by (N, D) each.
Tensor modulated(const Tensor& x, const Tensor& shift, const Tensor& scale) {
  return torch::addcmul(shift.unsqueeze(1), x, 1 + scale.unsqueeze(1));
}

void begin_as_nothing(Linear& layer) {
  init::constant(layer->weight, 0);
  init::constant(layer->bias, 0);
}

/// A child that holds others and does nothing itself.
template <class Holder>
void register_in(nn::Module& parent, const std::vector<std::string>& folders, const std::string& name,
                 const Holder& child) {
  auto* at = &parent;
  for (const auto& folder : folders) {
    const auto children = at->named_children();
    const auto* found = children.find(folder);
    at = found ? found->get() : at->register_module(folder, std::make_shared<NamesOnly>()).get();
  }
  at->register_module(name, child);
}

}  // namespace

Fields<DitConfig> DitConfig::fields() {
  using C = DitConfig;
  return {{"channels", &C::channels, "colours of a pixel: 1 grey, 3 RGB; or those of a latent", at_least(1)},
          {"image", &C::image, "side of the square picture in pixels", at_least(1)},
          {"classes", &C::classes, "classes that can be asked for; 0: none", at_least(0)},
          {"patch", &C::patch, "side of a patch in pixels", at_least(1)},
          {"dim", &C::dim, "width of a token", at_least(4)},
          {"depth", &C::depth, "transformer blocks", at_least(1)},
          {"heads", &C::heads, "attention heads", at_least(1)},
          {"mlp", &C::mlp, "width of a block's hidden layer, times dim", at_least(1)},
          {"out", &C::out, "channels that the last layer makes, those beyond the picture's unused; 0: the picture's",
           at_least(0)},
          {"dropout", &C::dropout, "share of what a block adds dropped", from_below(0, 1)},
          {"shared", &C::shared, "one embedding of time and class for all blocks, not one each"}};
}

void DitConfig::validate() const {
  require(image % patch == 0, "[dit] image ({}) must be a multiple of patch ({}); nearest: {}", image, patch,
          nearest_multiple(image, patch));
  require(dim % heads == 0, "[dit] dim ({}) must be divisible by heads ({}); nearest: {}", dim, heads,
          nearest_multiple(dim, heads));
  require(dim % 4 == 0, "[dit] dim ({}) must be divisible by 4, for sines and cosines of row and column; nearest: {}",
          dim, nearest_multiple(dim, 4));
  require(out == 0 || out >= channels, "[dit] out ({}) must be 0 or at least channels ({})", out, channels);
}

Tensor patch_places(int64_t side, int64_t dim) {
  const auto index = torch::arange(side * side, torch::kFloat64);
  const auto waves = torch::pow(1e-4, torch::arange(dim / 4, torch::kFloat64) / (dim / 4));
  std::vector<Tensor> parts;
  for (const auto& place : {index.remainder(side), index.div(side, "floor")}) {
    const auto angle = place.unsqueeze(1) * waves;
    parts.push_back(angle.sin());
    parts.push_back(angle.cos());
  }
  return torch::cat(parts, 1).to(torch::kFloat32);
}

DitEmbeddingImpl::DitEmbeddingImpl(int64_t dim, int64_t classes) {
  constexpr double kStd = 0.02;
  timestep_embedder_ = register_module("timestep_embedder", TimeMlp(kWaves, dim));
  if (classes == 0) return;
  table_ = Embedding(classes + 1, dim, kStd);
  register_in(*this, {"class_embedder"}, "embedding_table", table_);
}

Tensor DitEmbeddingImpl::forward(const Tensor& waves, const Tensor& labels) {
  const auto time = timestep_embedder_(waves);
  return table_ ? time + table_(labels) : time;
}

DitBlockImpl::DitBlockImpl(const DitConfig& config, bool has_embedding)
    : heads_(config.heads), dropout_(config.dropout) {
  const auto dim = config.dim;
  const auto layer = [&](int64_t in, int64_t out, const std::vector<std::string>& folders, const std::string& name) {
    Linear made(in, out);
    init::xavier_uniform(made->weight);
    init::constant(made->bias, 0);
    register_in(*this, folders, name, made);
    return made;
  };
  if (has_embedding) {
    embedding = DitEmbedding(dim, config.classes);
    register_in(*this, {"norm1"}, "emb", embedding);
  }
  modulation_ = layer(dim, 6 * dim, {"norm1"}, "linear");
  begin_as_nothing(modulation_);
  to_q_ = layer(dim, dim, {"attn1"}, "to_q");
  to_k_ = layer(dim, dim, {"attn1"}, "to_k");
  to_v_ = layer(dim, dim, {"attn1"}, "to_v");
  to_out_ = layer(dim, dim, {"attn1", "to_out"}, "0");
  widen_ = layer(dim, config.mlp * dim, {"ff", "net", "0"}, "proj");
  narrow_ = layer(config.mlp * dim, dim, {"ff", "net"}, "2");
}

Tensor DitBlockImpl::mixed(const Tensor& x) {
  const auto heads = [&](Linear& projection) {
    return projection(x).view({x.size(0), x.size(1), heads_, -1}).transpose(1, 2);
  };
  return to_out_(attention(heads(to_q_), heads(to_k_), heads(to_v_)).transpose(1, 2).reshape(x.sizes()));
}

Tensor DitBlockImpl::forward(const Tensor& tokens, const Tensor& embedding) {
  const auto parts = modulation_(torch::silu(embedding)).chunk(6, 1);
  const auto added = [&](const Tensor& x, const Tensor& gate, const Tensor& change) {
    return torch::addcmul(x, gate.unsqueeze(1), dropped(change, dropout_, is_training()));
  };
  const auto seen = added(tokens, parts[2], mixed(modulated(normed(tokens, kFirstEps), parts[0], parts[1])));
  const auto hidden = torch::gelu(widen_(modulated(normed(seen, kSecondEps), parts[3], parts[4])), "tanh");
  return added(seen, parts[5], narrow_(hidden));
}

DitImpl::DitImpl(const DitConfig& config) : config_(config), waves_{kWaves, true, 1} {
  validate_config(config, "dit");
  patches_ = nn::Conv2d(nn::Conv2dOptions(config.channels, config.dim, config.patch).stride(config.patch));
  register_in(*this, {"pos_embed"}, "proj", patches_);
  places_ = patch_places(config.image / config.patch, config.dim).unsqueeze(0);
  for (int64_t i = 0; i < config.depth; ++i) blocks_.emplace_back(config, i == 0 || !config.shared);
  register_list(*this, "transformer_blocks", blocks_);
  const auto out = config.out > 0 ? config.out : config.channels;
  proj_out_1_ = register_module("proj_out_1", Linear(config.dim, 2 * config.dim));
  proj_out_2_ = register_module("proj_out_2", Linear(config.dim, config.patch * config.patch * out));
  begin_as_nothing(proj_out_1_);
  begin_as_nothing(proj_out_2_);
}

Tensor DitImpl::forward(const Tensor& x, const Tensor& time, const Tensor& labels) {
  const auto rows = checked("dit", x, time, labels);
  const auto waves = waves_(time).to(x.scalar_type());
  if (places_.device() != x.device() || places_.scalar_type() != x.scalar_type()) places_ = places_.to(x.options());
  auto tokens = patches_(x).flatten(2).transpose(1, 2) + places_;  // (N, T, dim)
  const auto first = blocks_.front()->embedding(waves, rows);
  for (auto& block : blocks_) {
    const bool own = block->embedding && block.get() != blocks_.front().get();
    tokens = block(tokens, own ? block->embedding(waves, rows) : first);
  }
  const auto last = proj_out_1_(torch::silu(first)).chunk(2, 1);
  const auto side = config_.image / config_.patch, patch = config_.patch;
  const auto pixels = proj_out_2_(modulated(normed(tokens, kFirstEps), last[0], last[1]));
  return pixels.view({-1, side, side, patch, patch, pixels.size(2) / (patch * patch)})
      .permute({0, 5, 1, 3, 2, 4})
      .slice(1, 0, config_.channels)
      .reshape(x.sizes());
}

TensorsByName DitImpl::own_names(const TensorsByName& weights) const {
  if (!config_.shared) return weights;
  constexpr std::string_view kBlocks = "transformer_blocks.", kEmbedding = ".norm1.emb.";
  const auto first_of = [&](const std::string& name) -> const Tensor* {
    const auto at = name.find(kEmbedding);
    if (!name.starts_with(kBlocks) || at == std::string::npos ||
        (at == kBlocks.size() + 1 && name[kBlocks.size()] == '0'))
      return nullptr;
    const auto first = fmt::format("{}0{}", kBlocks, name.substr(at));
    for (const auto& [other, tensor] : weights)
      if (other == first) return &tensor;
    return nullptr;
  };
  TensorsByName out;
  for (const auto& [name, tensor] : weights)
    if (const auto* first = first_of(name); !first || !torch::equal(*first, tensor)) out.emplace_back(name, tensor);
  return out;
}

void register_dit(DenoiserCatalog& catalog) {
  const auto add = [&](const char* name, const char* about, const DitConfig& preset) {
    catalog.add(name, about, preset, [](const DitConfig& config) { return std::make_shared<DitImpl>(config); });
  };
  add("dit", "A transformer over patches that sees the noise in small pictures", {});
  add("dit-s", "A transformer that sees noise, small (DiT-S/2)",
      {.channels = 3, .image = 32, .dim = 384, .depth = 12, .heads = 6});
  add("dit-b", "A transformer that sees noise, base (DiT-B/2)",
      {.channels = 3, .image = 32, .dim = 768, .depth = 12, .heads = 12});
}

}  // namespace hadal
