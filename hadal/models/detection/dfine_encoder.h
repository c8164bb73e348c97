// D-FINE's hybrid encoder: attention among the coarsest level's places, then a pyramid down and up again (Zhao et al.
// 2024, arXiv:2304.08069, section 4.2).
#pragma once
#include <vector>

#include "hadal/models/detection/dfine.h"
#include "hadal/models/detection/dfine_layers.h"

namespace hadal {

struct DfineEncoderImpl : nn::Module {
  explicit DfineEncoderImpl(const DfineConfig& config);
  /// Levels (B, encoder_dim, h_i, w_i), the finest first, each half the size of the one before -> of the same shapes
  std::vector<Tensor> forward(std::vector<Tensor> levels);

 private:
  struct Layer;
  struct Elan;
  Tensor attended(const Tensor& level);

  int64_t dim_;
  std::vector<std::shared_ptr<Layer>> layers_;
  nn::ModuleList lateral_, down_;
  std::vector<std::shared_ptr<Elan>> fpn_, pan_;
};
TORCH_MODULE(DfineEncoder);

/// Sines and cosines of a place's row and column, (h w, dim): a quarter of dim each.
Tensor plane_positions(int64_t h, int64_t w, int64_t dim);

}  // namespace hadal
