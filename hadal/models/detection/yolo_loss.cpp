#include "hadal/models/detection/yolo_loss.h"

#include <algorithm>

#include "hadal/core/error.h"
#include "hadal/ops/boxes.h"

namespace hadal::yolo {
namespace {

constexpr double kBoxGain = 7.5, kClassGain = 0.5, kDistanceGain = 1.5;
/// How many predictions an object takes; in the one-to-one branch it keeps one of seven.
constexpr int64_t kMany = 10, kOne = 7, kKept = 1;
/// The one-to-many branch's share of the loss, at the beginning and at the end.
constexpr double kFirstShare = 0.8, kLastShare = 0.1;

/// (B, C, A) at F predictions -> (F, C)
Tensor at(const Tensor& values, const Assigned& who) {
  return values.transpose(1, 2).index({who.pictures, who.places});
}

/// How far the sides' distributions are from distances (F, 4) that lie between two bins -> (F).
Tensor distribution_loss(const Tensor& logits, const Tensor& wanted, int64_t bins) {
  const auto clamped = wanted.clamp(0, static_cast<double>(bins - 1) - 0.01);
  const auto left = clamped.floor();
  const auto right_share = clamped - left;
  const auto logs = logits.view({-1, 4, bins}).log_softmax(-1);
  const auto bin = left.to(torch::kInt64).unsqueeze(-1);
  const auto at_left = logs.gather(-1, bin).squeeze(-1), at_right = logs.gather(-1, bin + 1).squeeze(-1);
  return -(at_left * (1 - right_share) + at_right * right_share).mean(-1);
}

/// How far distances are from what they should be, in shares of the picture -> (F).
Tensor distance_loss(const Tensor& said, const Tensor& wanted, const Learning& learning) {
  const auto size = torch::tensor({learning.width, learning.height, learning.width, learning.height}, said.options());
  return ((said - wanted) * learning.strides / size).abs().mean(-1);
}

TensorsByName branch_losses(const Head& head, const Raw& raw, const Outputs& outputs, bool one,
                            const Targets& targets) {
  const auto& shape = head.shape;
  const auto bins = shape.bins;
  // The one-to-one branch does not shape what both share.
  const auto shared = [&](const Tensor& tensor) {
    return one && tensor.defined() ? full(tensor).detach() : full(tensor);
  };
  const auto prototypes = shared(outputs.prototypes), semantic = shared(outputs.semantic);
  const auto grid = grid_of(outputs.levels, raw.boxes.options());
  Learning learning;
  learning.pictures = raw.boxes.size(0);
  learning.height = static_cast<double>(outputs.levels[0][0] * kStrides[0]);
  learning.width = static_cast<double>(outputs.levels[0][1] * kStrides[0]);
  {
    const torch::NoGradGuard no_grad;
    const auto boxes = box_around(grid.points, distances(raw.boxes.transpose(1, 2), bins)) * grid.strides;
    AssignOptions options;
    options.most = one ? kOne : kMany;
    options.most_final = one ? kKept : 0;
    if (shape.end_to_end && shape.prototype_width > 0) {
      options.rate = [&](Candidates& some) {
        rate_by_masks(some, raw, prototypes, boxes, targets, 3 * options.most, learning.height);
      };
    } else if (shape.end_to_end && shape.keypoints > 0) {
      const auto values =
          raw.keypoints.transpose(1, 2).reshape({learning.pictures, -1, shape.keypoints, shape.keypoint_dims});
      const auto keypoints = (keypoints_at(values, grid.points, true).slice(-1, 0, 2) * grid.strides.unsqueeze(1))
                                 .to(torch::kCPU, torch::kFloat64);
      options.by_level = true;
      options.rate = [keypoints, &targets](Candidates& some) { rate_by_keypoints(some, keypoints, targets); };
    }
    learning.who = assign(boxes, raw.scores, grid, targets, options);
    learning.points = grid.points.index_select(0, learning.who.places);
    learning.strides = grid.strides.index_select(0, learning.who.places);
    learning.boxes = targets.boxes.to(raw.boxes.options()).index_select(0, learning.who.targets) / learning.strides;
  }
  const auto& who = learning.who;
  const auto total = who.weights.sum().clamp_min(1);
  const auto pictures = static_cast<double>(learning.pictures);

  auto wanted_scores = torch::zeros_like(raw.scores);
  const auto labels = targets.labels.to(raw.scores.device()).index_select(0, who.targets);
  wanted_scores.index_put_({who.pictures, labels, who.places}, who.weights);
  auto weights = class_weights_like(targets, raw.scores);
  if (weights.defined()) weights = weights.unsqueeze(1);  // scores are (B, classes, A)
  const auto classes =
      torch::binary_cross_entropy_with_logits(raw.scores, wanted_scores, weights, {}, at::Reduction::Sum);

  const auto said = at(raw.boxes, who);
  const auto said_distances = distances(said, bins);
  const auto overlap = box_overlap(box_around(learning.points, said_distances), learning.boxes, Overlap::ciou);
  const auto wanted =
      torch::cat({learning.points - learning.boxes.slice(-1, 0, 2), learning.boxes.slice(-1, 2) - learning.points}, -1);
  const auto sides = bins > 1 ? distribution_loss(said, wanted, bins) : distance_loss(said, wanted, learning);

  TensorsByName out = {{"box", ((1 - overlap) * who.weights).sum() / total * (kBoxGain * pictures)},
                       {"cls", classes / total * (kClassGain * pictures)},
                       {bins > 1 ? "dfl" : "l1", (sides * who.weights).sum() / total * (kDistanceGain * pictures)}};
  auto more = shape.prototype_width > 0 ? mask_losses(raw, prototypes, semantic, learning, targets)
              : shape.keypoints > 0     ? keypoint_losses(head, raw, learning, targets)
                                        : TensorsByName();
  for (auto& [name, loss] : more) out.emplace_back(name, loss * pictures);
  return out;
}

}  // namespace

TensorsByName losses(const Head& head, const Outputs& outputs, const Targets& targets, double progress) {
  const auto objects = targets.boxes.size(0);
  require(head.shape.prototype_width == 0 || objects == 0 || targets.masks.defined(),
          "[yolo] the model learns masks and the data has none; take the model without -seg");
  require(head.shape.keypoints == 0 || objects == 0 || targets.keypoints.defined(),
          "[yolo] the model learns keypoints and the data has none; take the model without -pose");
  const auto has = targets.keypoints.defined() ? targets.keypoints.size(1) : 0;
  require(head.shape.keypoints == 0 || objects == 0 || has == head.shape.keypoints,
          "[yolo] the model has {} keypoints, the data {}; set keypoints={}", head.shape.keypoints, has, has);
  const auto many = branch_losses(head, full(outputs.many), outputs, false, targets);
  if (!head.shape.end_to_end) return many;
  const auto one = branch_losses(head, full(outputs.one), outputs, true, targets);
  const auto share = kFirstShare + (kLastShare - kFirstShare) * std::clamp(progress, 0.0, 1.0);
  TensorsByName both;
  for (size_t i = 0; i < many.size(); ++i)
    both.emplace_back(many[i].first, many[i].second * share + one[i].second * (1 - share));
  return both;
}

}  // namespace hadal::yolo
