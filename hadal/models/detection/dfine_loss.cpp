#include <algorithm>
#include <array>
#include <cmath>

#include "hadal/models/detection/dfine_train.h"
#include "hadal/ops/assignment.h"
#include "hadal/ops/boxes.h"

namespace hadal {
namespace {

constexpr double kTiny = 1e-16;  // in denominators

/// Rows of a batch's (B Q) predictions beside the rows of all objects that they stand for.
struct Pairs {
  Tensor rows, objects;
};

struct Truth {
  Tensor boxes, labels;        // (T, 4) centre and sides, (T): all pictures' below each other
  std::vector<int64_t> first;  // of each picture's, and T
};

Truth joined(const std::vector<PictureTargets>& pictures) {
  Truth out{{}, {}, {0}};
  std::vector<Tensor> boxes, labels;
  for (const auto& picture : pictures) {
    boxes.push_back(picture.boxes);
    labels.push_back(picture.labels);
    out.first.push_back(out.first.back() + picture.labels.size(0));
  }
  out.boxes = torch::cat(boxes);
  out.labels = torch::cat(labels);
  return out;
}

Pairs pairs_of(const std::vector<Tensor>& queries, const std::vector<Tensor>& objects, const Truth& truth,
               int64_t count) {
  std::vector<Tensor> rows, picked;
  for (size_t i = 0; i < queries.size(); ++i) {
    rows.push_back(queries[i] + static_cast<int64_t>(i) * count);
    picked.push_back(objects[i] + truth.first[i]);
  }
  return {torch::cat(rows).to(truth.labels.device()), torch::cat(picked).to(truth.labels.device())};
}

/// The cheapest one-to-one matching of each picture's objects with its queries (Carion et al. 2020, arXiv:2005.12872).
Pairs matched(const Tensor& logits, const Tensor& boxes, const Truth& truth) {
  constexpr double kAlpha = 0.25, kClass = 2, kL1 = 5, kGiou = 2, kEps = 1e-8;
  const torch::NoGradGuard no_grad;
  std::vector<Tensor> queries, objects;
  for (int64_t i = 0; i < logits.size(0); ++i) {
    const auto first = truth.first[static_cast<size_t>(i)], count = truth.first[static_cast<size_t>(i) + 1] - first;
    const auto own = truth.boxes.narrow(0, first, count);
    const auto p = logits[i].sigmoid().index_select(1, truth.labels.narrow(0, first, count));  // (Q, T)
    const auto yes = kAlpha * (1 - p).square() * -(p + kEps).log();
    const auto no = (1 - kAlpha) * p.square() * -(1 - p + kEps).log();
    const auto apart = (boxes[i].unsqueeze(1) - own).abs().sum(2);
    const auto overlap =
        box_overlap(xyxy_from_cxcywh(boxes[i]).unsqueeze(1), xyxy_from_cxcywh(own), Overlap::giou, kTiny);
    // What is not finite is matched last.
    const double last = 1e30;
    const auto cost = (kL1 * apart + kClass * (yes - no) - kGiou * overlap).nan_to_num(last, last, last);
    const auto column = least_cost_pairs(cost.to(torch::kCPU));
    std::vector<int64_t> row, object;
    for (size_t q = 0; q < column.size(); ++q)
      if (column[q] >= 0) row.push_back(static_cast<int64_t>(q)), object.push_back(column[q]);
    queries.push_back(torch::tensor(row, torch::kInt64));
    objects.push_back(torch::tensor(object, torch::kInt64));
  }
  return pairs_of(queries, objects, truth, logits.size(1));
}

/// One set of predictions that losses look at.
struct Output {
  Tensor logits, boxes, corners;              // corners may be undefined: they learn nothing here
  Tensor moved;                               // (B, Q, 4): the boxes that corners move
  const DfineLayerOutput* teacher = nullptr;  // whose distributions are to be had; none
};

class Losses {
 public:
  Losses(const DfineSeen& seen, const Truth& truth, const Tensor& class_weights)
      : truth_(truth), class_weights_(class_weights), steps_(seen.steps), reach_(seen.reach) {
    for (auto& sum : sums_) sum = 0 * seen.picked_logits.sum();
  }

  /// `count`: of objects that the sums are divided by.
  void add(const Output& out, const Pairs& pairs, double count) {
    const auto logits = out.logits.flatten(0, 1);
    const auto boxes = out.boxes.clamp(0, 1).flatten(0, 1).index_select(0, pairs.rows);
    const auto wanted = truth_.boxes.index_select(0, pairs.objects);
    const auto box = xyxy_from_cxcywh(boxes), goal = xyxy_from_cxcywh(wanted);
    const auto overlap = box_overlap(box.detach(), goal, Overlap::iou, kTiny);
    sums_[0] = sums_[0] + varifocal(logits, pairs, overlap) / count;
    sums_[1] = sums_[1] + kL1 * (boxes - wanted).abs().sum() / count;
    sums_[2] = sums_[2] + kGiou * (1 - box_overlap(box, goal, Overlap::giou, kTiny)).sum() / count;
    if (!out.corners.defined()) return;
    sums_[3] = sums_[3] + kFgl * located(out, pairs, goal, overlap) / count;
    if (out.teacher) sums_[4] = sums_[4] + kDdf * distilled(out, pairs, overlap);
  }

  TensorsByName named() const {
    return {{"vfl", sums_[0]}, {"l1", sums_[1]}, {"giou", sums_[2]}, {"fgl", sums_[3]}, {"ddf", sums_[4]}};
  }

 private:
  static constexpr double kL1 = 5, kGiou = 2, kFgl = 0.15, kDdf = 1.5;

  /// Right classes are to be as sure as the box fits; the others count by how sure they are (Zhang et al. 2021,
  /// arXiv:2008.13367).
  Tensor varifocal(const Tensor& logits, const Pairs& pairs, const Tensor& overlap) const {
    constexpr double kAlpha = 0.75;
    const auto labels = truth_.labels.index_select(0, pairs.objects);
    auto score = torch::zeros_like(logits), right = torch::zeros_like(logits);
    score.index_put_({pairs.rows, labels}, overlap.to(logits.scalar_type()));
    right.index_put_({pairs.rows, labels}, 1);
    auto weight = kAlpha * logits.detach().sigmoid().square() * (1 - right) + score;
    if (class_weights_.defined()) weight = weight * class_weights_;
    return torch::binary_cross_entropy_with_logits(logits, score, weight, {}, at::Reduction::Sum);
  }

  /// The cross entropy of each edge's distribution with the two steps around where the object's edge lies.
  Tensor located(const Output& out, const Pairs& pairs, const Tensor& goal, const Tensor& overlap) const {
    const auto from = out.moved.detach().flatten(0, 1).index_select(0, pairs.rows);
    const auto centre = from.narrow(1, 0, 2), unit = from.narrow(1, 2, 2) / reach_ + kTiny;
    const auto distance =
        torch::cat({(centre - goal.narrow(1, 0, 2)) / unit, (goal.narrow(1, 2, 2) - centre) / unit}, 1) - 0.5 * reach_;
    const auto bins = steps_.size(0) - 1;
    const auto place = torch::searchsorted(steps_, distance.contiguous(), /*out_int32=*/false, /*right=*/true) - 1;
    const auto left = place.clamp(0, bins - 1);
    const auto before = (distance - steps_.index({left})).abs(), after = (steps_.index({left + 1}) - distance).abs();
    auto right_share = before / (before + after);
    right_share = right_share.masked_fill(place < 0, 0).masked_fill(place >= bins, 1);
    const auto logs = out.corners.flatten(0, 1).index_select(0, pairs.rows).unflatten(1, {4, -1}).log_softmax(2);
    const auto at = [&](const Tensor& bin) { return logs.gather(2, bin.unsqueeze(2)).squeeze(2); };
    const auto entropy = -at(left) * (1 - right_share) - at(left + 1) * right_share;
    return (entropy * overlap.unsqueeze(1)).sum();
  }

  /// How far all distributions are from the last layer's, softened; matched ones count by their overlap.
  Tensor distilled(const Output& out, const Pairs& pairs, const Tensor& overlap) const {
    constexpr double kSoft = 5;
    const auto logs = (out.corners.flatten(0, 1).unflatten(1, {4, -1}) / kSoft).log_softmax(2);
    const auto goal = (out.teacher->corners.detach().flatten(0, 1).unflatten(1, {4, -1}) / kSoft).log_softmax(2);
    auto weight = out.teacher->logits.detach().sigmoid().amax(2).flatten();
    weight = weight.index_put({pairs.rows}, overlap.to(weight.scalar_type()));
    const auto apart = weight.unsqueeze(1) * kSoft * kSoft * (goal.exp() * (goal - logs)).sum(2);  // (B Q, 4)
    auto with = torch::zeros_like(weight, torch::kBool);
    with.index_fill_(0, pairs.rows, 1);
    const auto some = pairs.rows.size(0), none = with.size(0) - some;
    const auto batch = static_cast<double>(out.logits.size(0));
    const auto high = std::sqrt(static_cast<double>(4 * some) / batch);
    const auto low = std::sqrt(static_cast<double>(4 * none) / batch);
    auto sum = 0 * apart.sum();
    if (some > 0) sum = sum + high * apart.index({with}).mean();
    if (none > 0) sum = sum + low * apart.index({with.logical_not()}).mean();
    return sum / (high + low);
  }

  const Truth& truth_;
  Tensor class_weights_, steps_;
  double reach_;
  std::array<Tensor, 5> sums_;
};

/// What the losses look at besides the last layer: each layer's boxes beside its own distributions, or, as transformers
/// has it, beside those of the layer after, which leaves out the boxes of the layer before the last.
std::vector<Output> outputs_of(const DfineDecoded& decoded, bool shifted, bool noise) {
  const auto& layers = decoded.layers;
  const auto* last = &layers.back();
  const auto& moved = decoded.first.boxes;
  std::vector<Output> out;
  if (!shifted) out.push_back({decoded.first.logits, moved, {}, {}, nullptr});
  for (size_t i = 0; i + (noise ? 0 : 1) < layers.size(); ++i) {
    const auto& boxes = !shifted ? layers[i] : i == 0 ? decoded.first : layers[i - 1];
    out.push_back({boxes.logits, boxes.boxes, layers[i].corners, moved, &layers[i] == last ? nullptr : last});
  }
  return out;
}

}  // namespace

TensorsByName dfine_losses(const DfineSeen& seen, const DfineNoise& noise, const std::vector<PictureTargets>& pictures,
                           const Tensor& class_weights, const DfineConfig& config) {
  const bool shifted = config.pairing == "transformers";
  const auto truth = joined(pictures);
  const auto count = static_cast<double>(std::max<int64_t>(truth.first.back(), 1));
  Losses losses(seen, truth, class_weights);
  const auto& last = seen.decoded.layers.back();
  auto outputs = outputs_of(seen.decoded, shifted, false);
  outputs.push_back({last.logits, last.boxes, shifted ? Tensor() : last.corners, seen.decoded.first.boxes, nullptr});
  outputs.push_back({seen.picked_logits, seen.picked_boxes, {}, {}, nullptr});
  for (const auto& output : outputs) losses.add(output, matched(output.logits, output.boxes.clamp(0, 1), truth), count);
  if (!seen.noise.layers.empty()) {
    std::vector<Tensor> objects;
    for (size_t i = 0; i < pictures.size(); ++i)
      objects.push_back(torch::arange(truth.first[i + 1] - truth.first[i], torch::kInt64)
                            .repeat({noise.groups})
                            .to(truth.labels.device()));
    const auto pairs = pairs_of(noise.objects, objects, truth, noise.count);
    for (const auto& output : outputs_of(seen.noise, shifted, true))
      losses.add(output, pairs, count * static_cast<double>(noise.groups));
  }
  return losses.named();
}

}  // namespace hadal
