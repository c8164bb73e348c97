#include "hadal/models/detection/yolox.h"

#include <algorithm>

#include "hadal/core/shape.h"
#include "hadal/models/detection/darknet_found.h"
#include "hadal/models/detection/yolox_blocks.h"
#include "hadal/ops/boxes.h"

namespace hadal {
namespace {

Tensor entropy(const Tensor& logits, const Tensor& wanted, const Tensor& weights = {}) {
  return torch::binary_cross_entropy_with_logits(logits, wanted, weights, {}, at::Reduction::Sum);
}

}  // namespace

Fields<YoloxConfig> YoloxConfig::fields() {
  return {{"classes", &YoloxConfig::classes, "how many classes", at_least(1)},
          {"depth", &YoloxConfig::depth, "how many blocks, as a share of YOLOX-l's", between(0.05, 8)},
          {"width", &YoloxConfig::width, "how many channels, as a share of YOLOX-l's", between(1.0 / 32, 8)},
          {"depthwise", &YoloxConfig::depthwise, "3x3 convolutions channel by channel"},
          {"size", &YoloxConfig::size, "side of the pictures that the weights were trained on", at_least(32)},
          {"closing", &YoloxConfig::closing, "the last share of a run, in which the L1 loss joins", between(0, 1)}};
}

void YoloxConfig::validate() const {
  require(size % 32 == 0, "[yolox] size ({}) must be a multiple of 32; nearest: {}", size, nearest_multiple(size, 32));
}

YoloxImpl::YoloxImpl(const YoloxConfig& config) : config_(config) {
  validate_config(config, "yolox");
  backbone_ = register_module("backbone", std::make_shared<YoloxBackboneImpl>(config));
  head_ = register_module("head", std::make_shared<YoloxHeadImpl>(config));
}

YoloxCells YoloxImpl::cells(const Tensor& pixels) {
  expect_shape("yolox", pixels, {kAny, 3, kAny, kAny});
  if (pixels.size(2) % 32 != 0 || pixels.size(3) % 32 != 0)
    fail("[yolox] wants sides that are multiples of 32, got {} x {}", pixels.size(2), pixels.size(3));
  std::vector<Tensor> raw, corners, strides;
  for (const auto& map : head_->forward(backbone_->forward(pixels))) {
    const auto h = map.size(2), w = map.size(3);
    const auto wide = map.scalar_type() == torch::kFloat64 ? map : map.to(torch::kFloat32);
    raw.push_back(wide.flatten(2).transpose(1, 2));
    const auto number = torch::arange(h * w, wide.options().dtype(torch::kInt64));
    corners.push_back(torch::stack({number.remainder(w), number.div(w, "floor")}, 1).to(wide.scalar_type()));
    strides.push_back(torch::full({h * w, 1}, pixels.size(2) / h, wide.options()));
  }
  YoloxCells out{torch::cat(raw, 1), torch::cat(corners), torch::cat(strides), {}};
  const auto middle = (out.raw.narrow(2, 0, 2) + out.corners) * out.strides;
  // e^20 is beyond any picture and leaves areas finite in float.
  const auto sides = out.raw.narrow(2, 2, 2).clamp_max(20).exp() * out.strides;
  out.boxes = xyxy_from_cxcywh(torch::cat({middle, sides}, 2));
  return out;
}

Tensor YoloxImpl::forward(const Tensor& pixels) {
  const auto found = cells(pixels);
  return torch::cat({found.boxes, found.raw.slice(2, 4).sigmoid()}, 2);
}

TensorsByName YoloxImpl::losses(const Tensor& pixels, const Tensor&, const Targets& targets) {
  const auto found = cells(pixels);
  const auto& raw = found.raw;
  const auto truth = targets.boxes.to(raw.options()), labels = targets.labels.to(raw.device());
  const auto owner = targets.owner.to(raw.device());
  const auto object = torch::zeros({raw.size(0), raw.size(1)}, raw.options());
  std::vector<Tensor> boxes, cells, wanted, corners, strides, classes;
  int64_t assigned = 0;
  for (int64_t i = 0; i < raw.size(0); ++i) {
    const auto own = (owner == i).nonzero().flatten();
    if (own.size(0) == 0) continue;
    const auto match = simota(found, i, truth.index_select(0, own), labels.index_select(0, own));
    if (match.cells.size(0) == 0) continue;
    const auto objects = own.index_select(0, match.objects);
    object[i].index_fill_(0, match.cells, 1);
    boxes.push_back(found.boxes[i].index_select(0, match.cells));
    cells.push_back(raw[i].index_select(0, match.cells));
    wanted.push_back(truth.index_select(0, objects));
    corners.push_back(found.corners.index_select(0, match.cells));
    strides.push_back(found.strides.index_select(0, match.cells));
    classes.push_back(torch::one_hot(labels.index_select(0, objects), config_.classes).to(raw.options()) *
                      match.overlap.unsqueeze(1));
    assigned += match.cells.size(0);
  }
  const auto count = static_cast<double>(std::max<int64_t>(assigned, 1));
  const auto objectness = entropy(raw.select(2, 4), object) / count;
  const auto nothing = raw.sum() * 0;  // keeps every weight within the graph
  if (boxes.empty()) return {{"box", nothing}, {"objectness", objectness}, {"classes", nothing}, {"l1", nothing}};
  const auto goal = torch::cat(wanted), own = torch::cat(cells);
  const auto overlap = box_overlap(torch::cat(boxes), goal, Overlap::iou, 1e-16);
  auto l1 = nothing;
  if (share_ >= 1 - config_.closing) {
    const auto flat = cxcywh_from_xyxy(goal), stride = torch::cat(strides);
    const auto places = torch::cat(
        {flat.narrow(1, 0, 2) / stride - torch::cat(corners), (flat.narrow(1, 2, 2) / stride + 1e-8).log()}, 1);
    l1 = (own.narrow(1, 0, 4) - places).abs().sum() / count;
  }
  return {{"box", 5 * (1 - overlap.square()).sum() / count},
          {"objectness", objectness},
          {"classes", entropy(own.slice(1, 5), torch::cat(classes), class_weights_like(targets, own)) / count},
          {"l1", l1}};
}

std::vector<Found> YoloxImpl::find(const Tensor& pixels, const Tensor& sizes, const FindOptions& options) {
  const torch::NoGradGuard no_grad;
  const auto all = forward(pixels).to(torch::kFloat32);
  std::vector<Found> out;
  for (int64_t i = 0; i < all.size(0); ++i) {
    const auto [probability, label] = all[i].slice(1, 5).max(1);
    const auto scores = all[i].select(1, 4) * probability;
    const auto rows = (scores > options.conf).nonzero().flatten();
    out.push_back(best_found(all[i].narrow(1, 0, 4).index_select(0, rows), scores.index_select(0, rows),
                             label.index_select(0, rows), sizes[i], options));
  }
  return out;
}

Preparation YoloxImpl::preparation() const {
  return {.fit = Preparation::Fit::letterbox, .size = config_.size, .corner = true, .bgr = true, .scale = 1};
}

void register_yolox(DetectionCatalog& catalog) {
  const auto add = [&](const char* size, const YoloxConfig& preset) {
    catalog.add(fmt::format("yolox-{}", size), fmt::format("YOLOX-{}", size), preset,
                [](const YoloxConfig& config) { return std::make_shared<YoloxImpl>(config); });
  };
  add("nano", {.depth = 0.33, .width = 0.25, .depthwise = true, .size = 416});
  add("tiny", {.depth = 0.33, .width = 0.375, .size = 416});
  add("s", {.depth = 0.33, .width = 0.5});
  add("m", {.depth = 0.67, .width = 0.75});
  add("l", {});
  add("x", {.depth = 1.33, .width = 1.25});
}

}  // namespace hadal
