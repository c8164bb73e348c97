// Losses of keypoints, and how keypoints rate candidates.
#include <cmath>
#include <limits>

#include "hadal/models/detection/yolo_loss.h"

namespace hadal::yolo {
namespace {

constexpr double kPoseGain = 12, kSeenGain = 1, kLikelihoodGain = 1;
/// What of a box a body covers, as COCO's evaluation of boxes has it.
constexpr double kBodyShare = 0.53;
constexpr double kTiny = 1e-9, kLargestError = 100;

/// How far people are apart where they mark COCO's 17 keypoints (nose, eyes, ears, shoulders, elbows, wrists, hips,
/// knees, ankles), relative to the object's size; and how much each counts in "rle".
const std::vector<double> kCocoSigmas = {.026, .025, .025, .035, .035, .079, .079, .072, .072,
                                         .062, .062, .107, .107, .087, .087, .089, .089};
const std::vector<double> kCocoWeights = {1, 1, 1, 1, 1, 1, 1, 1.2, 1.2, 1.5, 1.5, 1, 1, 1.2, 1.2, 1.5, 1.5};

/// Other sets of keypoints: all are equally sure.
std::vector<double> sigmas_of(int64_t keypoints) {
  if (keypoints == static_cast<int64_t>(kCocoSigmas.size())) return kCocoSigmas;
  return std::vector<double>(static_cast<size_t>(keypoints), 1 / static_cast<double>(keypoints));
}

/// (2 sigma)^2 * 2 of each keypoint: what a squared distance by area is divided by.
Tensor spreads(int64_t keypoints, const at::TensorOptions& options) {
  return torch::tensor(sigmas_of(keypoints), torch::kFloat64).mul(2).square().mul(2).to(options);
}

/// Residual log-likelihood: how unlikely errors are under sigma and the flow. said and wanted (F, K, 2), sigma logits
/// (F, K, 2), seen (F, K).
Tensor likelihood_loss(Flow& flow, const Tensor& said, const Tensor& wanted, const Tensor& sigma_logits,
                       const Tensor& seen) {
  const auto keypoints = said.size(1);
  const auto tiny = said.scalar_type() == torch::kFloat64 ? std::numeric_limits<double>::min()
                                                          : static_cast<double>(std::numeric_limits<float>::min());
  auto sigma = sigma_logits.index({seen}).sigmoid().clamp_min(tiny);
  auto error = (said.index({seen}) - wanted.index({seen})) / (sigma + kTiny);
  const auto weights = keypoints == static_cast<int64_t>(kCocoWeights.size())
                           ? torch::tensor(kCocoWeights, torch::kFloat64).to(said.options())
                           : torch::ones({keypoints}, said.options());
  auto counts = weights.expand({said.size(0), -1}).index({seen});
  const auto finite = error.isfinite().all(-1);
  error = error.index({finite}).clamp(-kLargestError, kLargestError);
  sigma = sigma.index({finite});
  counts = counts.index({finite});
  if (error.size(0) == 0) return torch::zeros({}, said.options());
  const auto each = sigma.log() - flow.log_prob(error).unsqueeze(1) + (2 * sigma).log() + error.abs();
  return ((each * counts.unsqueeze(1)).sum() / static_cast<double>(error.size(0))).clamp_min(0);
}

}  // namespace

TensorsByName keypoint_losses(const Head& head, const Raw& raw, const Learning& learning, const Targets& targets) {
  const auto& shape = head.shape;
  const auto& who = learning.who;
  const auto options = raw.keypoints.options();
  const auto with_seen = shape.keypoint_dims > 2;
  TensorsByName out = {{"pose", torch::zeros({}, options)}, {"kobj", torch::zeros({}, options)}};
  if (shape.end_to_end) out.emplace_back("rle", torch::zeros({}, options));
  if (who.places.size(0) == 0) return out;

  const auto at = [&](const Tensor& values) { return values.transpose(1, 2).index({who.pictures, who.places}); };
  const auto truth = targets.keypoints.to(options).index_select(0, who.targets);  // (F, K, 3)
  const auto wanted = truth.slice(2, 0, 2) / learning.strides.unsqueeze(1);
  const auto seen = truth.select(2, 2) != 0;
  const auto said = at(raw.keypoints).view({-1, shape.keypoints, shape.keypoint_dims});
  const auto placed = keypoints_at(said, learning.points, shape.end_to_end).slice(2, 0, 2);
  const auto areas = (learning.boxes.slice(1, 2) - learning.boxes.slice(1, 0, 2)).prod(1, true);
  const auto squared = (placed - wanted).square().sum(2);
  const auto similar = (-squared / (spreads(shape.keypoints, options) * (areas + kTiny))).exp();
  const auto visible = seen.to(options);
  const auto factors = static_cast<double>(shape.keypoints) / (visible.sum(1, true) + kTiny);
  out[0].second = (factors * (1 - similar) * visible).mean() * kPoseGain;
  if (with_seen) out[1].second = torch::binary_cross_entropy_with_logits(said.select(2, 2), visible) * kSeenGain;
  if (raw.sigma.defined())
    out[2].second =
        likelihood_loss(*head.flow_model, placed, wanted, at(raw.sigma).view({-1, shape.keypoints, 2}), seen) *
        kLikelihoodGain;
  return out;
}

void rate_by_keypoints(Candidates& candidates, const Tensor& keypoints, const Targets& targets) {
  const auto truth = targets.keypoints[candidates.target].to(torch::kCPU, torch::kFloat64);  // (K, 3)
  const auto seen = (truth.select(1, 2) > 0).to(torch::kFloat64);
  if (seen.sum().item<double>() == 0) return;
  const auto box = targets.boxes[candidates.target].to(torch::kCPU, torch::kFloat64);
  const auto area = (box.slice(0, 2) - box.slice(0, 0, 2)).prod() * kBodyShare;
  const auto said = keypoints[candidates.picture].index_select(0, torch::tensor(candidates.places, torch::kInt64));
  const auto squared = (said - truth.slice(1, 0, 2)).square().sum(-1);  // (N, K)
  const auto similar = (-squared / (spreads(truth.size(0), truth.options()) * (area + kTiny))).exp();
  const auto rated = ((similar * seen).sum(1) / seen.sum()).contiguous();
  const auto* values = rated.const_data_ptr<double>();
  candidates.overlaps.assign(values, values + rated.numel());
}

}  // namespace hadal::yolo
