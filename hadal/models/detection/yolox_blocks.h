// The parts of YOLOX's network, under the names that Megvii's code gives them.
#pragma once
#include <array>
#include <memory>
#include <vector>

#include "hadal/models/detection/yolox.h"

namespace hadal {

/// backbone: CSPDarknet and pyramid. pixels -> features at strides 8, 16 and 32.
struct YoloxBackboneImpl : nn::Module {
  explicit YoloxBackboneImpl(const YoloxConfig& config);
  std::array<Tensor, 3> forward(const Tensor& pixels);

 private:
  /// The channels of YOLOX-l's layer, here.
  static int64_t channels(const YoloxConfig& config, int64_t of_large);

  nn::AnyModule add(const std::string& name, nn::AnyModule module);
  nn::AnyModule lateral_conv0_, c3_p4_, reduce_conv1_, c3_p3_, bu_conv2_, c3_n3_, bu_conv1_, c3_n4_;
  std::vector<nn::Sequential> stages_;
  nn::AnyModule stem_;
};

/// head: a branch for classes and one for boxes and objectness at each level.
struct YoloxHeadImpl : nn::Module {
  explicit YoloxHeadImpl(const YoloxConfig& config);
  /// (B, 5 + classes, h, w): x, y, w, h, objectness, classes.
  std::array<Tensor, 3> forward(const std::array<Tensor, 3>& features);

 private:
  nn::ModuleList cls_convs_, reg_convs_, cls_preds_, reg_preds_, obj_preds_, stems_;
};

}  // namespace hadal
