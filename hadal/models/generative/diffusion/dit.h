// A transformer over patches that sees noise (DiT, Peebles & Xie 2022, arXiv:2212.09748): time and class shift, scale
// and gate every block, and each begins as no block at all (adaLN-Zero).
#pragma once
#include "hadal/models/generative/diffusion/denoiser.h"
#include "hadal/models/generative/diffusion/unet_blocks.h"
#include "hadal/nn/embedding.h"

namespace hadal {

struct DitConfig {
  int64_t channels = 1, image = 28, classes = 0, patch = 2, dim = 128, depth = 4, heads = 4, mlp = 4;
  int64_t out = 0;
  double dropout = 0;
  bool shared = true;

  static Fields<DitConfig> fields();
  void validate() const;
};

/// Time and class as one vector: timestep_embedder, class_embedder.embedding_table.
struct DitEmbeddingImpl : nn::Module {
  DitEmbeddingImpl(int64_t dim, int64_t classes);
  /// labels as rows of the table; undefined where there are no classes. -> (N, dim)
  Tensor forward(const Tensor& waves, const Tensor& labels);

 private:
  TimeMlp timestep_embedder_{nullptr};
  Embedding table_{nullptr};
};
TORCH_MODULE(DitEmbedding);

/// norm1.linear (and norm1.emb), attn1, ff.net.0.proj, ff.net.2.
struct DitBlockImpl : nn::Module {
  DitBlockImpl(const DitConfig& config, bool has_embedding);
  /// tokens (N, T, dim), the embedding of time and class (N, dim)
  Tensor forward(const Tensor& tokens, const Tensor& embedding);

  DitEmbedding embedding{nullptr};

 private:
  Tensor mixed(const Tensor& x);

  int64_t heads_;
  double dropout_;
  Linear modulation_{nullptr}, to_q_{nullptr}, to_k_{nullptr}, to_v_{nullptr}, to_out_{nullptr}, widen_{nullptr},
      narrow_{nullptr};
};
TORCH_MODULE(DitBlock);

/// Parameter names are those of diffusers' DiTTransformer2DModel. There every block has an embedding of time and class
/// of its own, all equal in published weights; with `shared` the first block's serves all.
struct DitImpl : Denoiser {
  explicit DitImpl(const DitConfig& config);
  Tensor forward(const Tensor& x, const Tensor& time, const Tensor& labels = {}) override;
  PictureShape pictures() const override { return {config_.channels, config_.image, config_.image}; }
  int64_t classes() const override { return config_.classes; }
  /// Without the copies that `shared` has no place for; those that differ from the first block's stay, to be refused.
  TensorsByName own_names(const TensorsByName& weights) const override;

 private:
  DitConfig config_;
  TimeWaves waves_;
  nn::Conv2d patches_{nullptr};
  Tensor places_;  // (1, T, dim)
  std::vector<DitBlock> blocks_;
  Linear proj_out_1_{nullptr}, proj_out_2_{nullptr};
};
TORCH_MODULE(Dit);

/// Row and column of each of side^2 patches as sines and cosines, (side^2, dim): the column first.
Tensor patch_places(int64_t side, int64_t dim);

void register_dit(DenoiserCatalog& catalog);

}  // namespace hadal
