// HGNetV2, the network of convolutions under D-FINE (Baidu's PP-HGNetV2; Zhao et al. 2024, arXiv:2304.08069, section
// 4.2): blocks that join what each of their layers says and squeeze it.
#pragma once
#include <vector>

#include "hadal/core/config.h"
#include "hadal/core/torch.h"

namespace hadal {

struct HgnetConfig {
  std::vector<int64_t> stem = {16, 16};  // channels after the first convolution and after the stem
  std::vector<int64_t> inner = {16, 32, 64, 128}, out = {64, 256, 512, 1024};  // channels of each of the four stages
  std::vector<int64_t> blocks = {1, 1, 2, 1};                                  // of each stage
  int64_t layers = 3;                                                          // of a block
  bool affine = true;        // a learned scale and shift after every activation
  bool frozen_norm = false;  // batch norms stay as they are

  static Fields<HgnetConfig> fields();
  void validate() const;
};

struct HgnetStemImpl;
struct HgnetStageImpl;

/// Names are transformers' HGNetV2Backbone: embedder.*, encoder.stages.*.
struct HgnetImpl : nn::Module {
  explicit HgnetImpl(const HgnetConfig& config);
  /// pixels (B, 3, H, W) -> the stages' outputs, of 1/4, 1/8, 1/16 and 1/32 of the size
  std::vector<Tensor> forward(const Tensor& pixels);
  void train(bool on = true) override;

 private:
  bool frozen_;
  std::shared_ptr<HgnetStemImpl> stem_;
  std::vector<std::shared_ptr<HgnetStageImpl>> stages_;
};
TORCH_MODULE(Hgnet);

}  // namespace hadal
