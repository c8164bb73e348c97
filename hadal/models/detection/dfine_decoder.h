// D-FINE's decoder: self-attention of the queries, attention to a few points of each level (Zhu et al. 2020,
// arXiv:2010.04159), and boxes refined by distributions (Peng et al. 2024, arXiv:2410.13842, section 4.1).
#pragma once
#include <vector>

#include "hadal/models/detection/dfine.h"
#include "hadal/models/detection/dfine_layers.h"

namespace hadal {

/// Levels of a memory (B, sum of h w, dim), as (B heads, dim / heads, h, w) each.
std::vector<Tensor> deformable_values(const Tensor& memory, const std::vector<std::pair<int64_t, int64_t>>& shapes,
                                      int64_t heads);

/// A few points a head and level around each query's box, weighed: sampling_offsets, attention_weights. The memory is
/// not projected.
struct DeformableAttentionImpl : nn::Module {
  DeformableAttentionImpl(int64_t dim, int64_t heads, const std::vector<int64_t>& points);
  /// x (B, Q, dim), boxes (B, Q, 4): centre and sides as shares, values by level -> (B, Q, dim)
  Tensor forward(const Tensor& x, const Tensor& boxes, const std::vector<Tensor>& values);

 private:
  int64_t heads_;
  std::vector<int64_t> points_;
  Tensor num_points_scale_;
  Linear sampling_offsets_{nullptr}, attention_weights_{nullptr};
};
TORCH_MODULE(DeformableAttention);

struct DfineDecoderImpl : nn::Module {
  explicit DfineDecoderImpl(const DfineConfig& config);
  /// queries (B, Q, dim), their places (B, Q, 4) as logits; without `all` only the last layer says what it sees.
  DfineDecoded forward(const Tensor& queries, const Tensor& places, const std::vector<Tensor>& values,
                       const Tensor& mask, bool all);
  /// (bins + 1): distances in units of half a box over `reach`, close near 0 and wide apart far from it.
  Tensor steps() const;
  double reach() const { return reg_scale_.abs().item<double>(); }

 private:
  struct Layer;
  struct Quality;

  int64_t bins_;
  std::vector<std::shared_ptr<Layer>> layers_;
  std::vector<std::shared_ptr<Quality>> lqe_layers_;
  std::vector<Linear> class_embed_;
  std::vector<DfineMlp> bbox_embed_;
  DfineMlp query_pos_head_{nullptr}, pre_bbox_head_{nullptr};
  Tensor reg_scale_, up_;
};
TORCH_MODULE(DfineDecoder);

/// log(x / (1 - x)) with x kept 1e-5 off 0 and 1.
Tensor logit_of_share(const Tensor& x);

}  // namespace hadal
