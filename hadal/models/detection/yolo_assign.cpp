#include "hadal/models/detection/yolo_assign.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "hadal/ops/boxes.h"

namespace hadal::yolo {
namespace {

constexpr double kEps = 1e-9;
/// Objects smaller than this are given more room for candidates: few cells' centres lie in them.
constexpr double kLeastSide = kStrides[1];
/// by_level: an object's size in strides must lie in between; the outer levels are open.
constexpr double kSmallest = 2, kLargest = 12;

struct Box {
  double x1, y1, x2, y2;
  double width() const { return x2 - x1; }
  double height() const { return y2 - y1; }
};

Box box_at(const Tensor& boxes, int64_t row) {
  const auto* values = boxes.const_data_ptr<double>() + 4 * row;
  return {values[0], values[1], values[2], values[3]};
}

/// The batch on the CPU in doubles.
struct Batch {
  Tensor boxes, points, strides;  // (B, A, 4), (A, 2) in pixels, (A)
  Tensor scores;                  // (T, A): of each object's class
  Tensor truth;                   // (T, 4)
  std::vector<int64_t> owner;
};

std::vector<int64_t> within(const Batch& batch, const Box& box, bool by_level) {
  auto room = box;
  if (box.width() < kLeastSide) {
    room.x1 = (box.x1 + box.x2 - kLeastSide) / 2;
    room.x2 = room.x1 + kLeastSide;
  }
  if (box.height() < kLeastSide) {
    room.y1 = (box.y1 + box.y2 - kLeastSide) / 2;
    room.y2 = room.y1 + kLeastSide;
  }
  const auto* points = batch.points.const_data_ptr<double>();
  std::vector<int64_t> all, suiting;
  const auto* strides = batch.strides.const_data_ptr<double>();
  const auto side = std::sqrt(std::max(box.width() * box.height(), 0.0));
  for (int64_t i = 0; i < batch.points.size(0); ++i) {
    const auto x = points[2 * i], y = points[2 * i + 1];
    if (x - room.x1 <= kEps || y - room.y1 <= kEps || room.x2 - x <= kEps || room.y2 - y <= kEps) continue;
    all.push_back(i);
    const auto stride = strides[i];
    if ((side >= kSmallest * stride || stride == kStrides.front()) &&
        (side <= kLargest * stride || stride == kStrides.back()))
      suiting.push_back(i);
  }
  return by_level && !suiting.empty() ? suiting : all;
}

Candidates candidates_of(const Batch& batch, int64_t target, const AssignOptions& options) {
  const auto picture = batch.owner[static_cast<size_t>(target)];
  const auto truth = box_at(batch.truth, target);
  Candidates out = {.target = target,
                    .picture = picture,
                    .places = within(batch, truth, options.by_level),
                    .scores = {},
                    .overlaps = {}};
  const auto places = torch::tensor(out.places, torch::kInt64);
  const auto overlaps =
      box_overlap(batch.truth[target].unsqueeze(0), batch.boxes[picture].index_select(0, places), Overlap::ciou)
          .clamp_min(0);
  const auto scores = batch.scores[target].index_select(0, places);
  const auto* overlap = overlaps.const_data_ptr<double>();
  const auto* score = scores.const_data_ptr<double>();
  out.overlaps.assign(overlap, overlap + out.places.size());
  out.scores.assign(score, score + out.places.size());
  if (options.rate && !out.places.empty()) options.rate(out);
  return out;
}

/// One picture's objects, their candidates, and which of them each takes.
class Picture {
 public:
  Picture(std::vector<Candidates> objects, int64_t places) : objects_(std::move(objects)), owners_(places) {
    for (const auto& object : objects_) {
      auto& worth = worth_.emplace_back();
      for (size_t i = 0; i < object.places.size(); ++i)
        worth.push_back(alignment(object.scores[i], object.overlaps[i]));
    }
  }

  void take(const AssignOptions& options) {
    std::vector<std::vector<size_t>> taken(objects_.size());
    std::vector<int64_t> times(owners_.size());
    for (size_t o = 0; o < objects_.size(); ++o) {
      std::vector<size_t> all(objects_[o].places.size());
      std::iota(all.begin(), all.end(), 0);
      taken[o] = best(o, all, options.most);
      for (const auto i : taken[o]) ++times[static_cast<size_t>(objects_[o].places[i])];
    }
    for (size_t o = 0; o < objects_.size(); ++o)
      for (const auto i : taken[o]) owners_[static_cast<size_t>(objects_[o].places[i])] = {o, i, true};
    // Where two want one prediction, it is whose it overlaps most, be it a third.
    std::vector<double> most(owners_.size());
    for (size_t o = 0; o < objects_.size(); ++o)
      for (size_t i = 0; i < objects_[o].places.size(); ++i) {
        const auto place = static_cast<size_t>(objects_[o].places[i]);
        if (times[place] < 2 || objects_[o].overlaps[i] <= most[place]) continue;
        most[place] = objects_[o].overlaps[i];
        owners_[place] = {o, i, true};
      }
    if (options.most_final == 0) return;
    std::vector<std::vector<size_t>> kept(objects_.size());
    for (const auto& owner : owners_)
      if (owner.taken) kept[owner.object].push_back(owner.index);
    for (auto& owner : owners_) owner.taken = false;
    for (size_t o = 0; o < objects_.size(); ++o)
      for (const auto i : best(o, kept[o], options.most_final))
        owners_[static_cast<size_t>(objects_[o].places[i])] = {o, i, true};
  }

  /// (place, target, weight) of each prediction that is taken: an object's best is worth its greatest overlap.
  template <class Add>
  void each(const Add& add) const {
    std::vector<double> top(objects_.size()), overlap(objects_.size());
    for (const auto& owner : owners_) {
      if (!owner.taken) continue;
      const auto o = owner.object;
      top[o] = std::max(top[o], worth_[o][owner.index]);
      overlap[o] = std::max(overlap[o], objects_[o].overlaps[owner.index]);
    }
    for (const auto& owner : owners_) {
      if (!owner.taken) continue;
      const auto o = owner.object;
      add(objects_[o].places[owner.index], objects_[o].target, worth_[o][owner.index] * overlap[o] / (top[o] + kEps));
    }
  }

 private:
  struct Owner {
    size_t object = 0, index = 0;
    bool taken = false;
  };

  std::vector<size_t> best(size_t object, std::vector<size_t> among, int64_t most) const {
    const auto& worth = worth_[object];
    std::erase_if(among, [&](size_t i) { return worth[i] <= 0; });
    std::stable_sort(among.begin(), among.end(), [&](size_t a, size_t b) { return worth[a] > worth[b]; });
    among.resize(std::min(among.size(), static_cast<size_t>(most)));
    return among;
  }

  std::vector<Candidates> objects_;
  std::vector<std::vector<double>> worth_;
  std::vector<Owner> owners_;  // of each prediction
};

}  // namespace

double alignment(double score, double overlap) {
  const auto squared = overlap * overlap;
  return std::sqrt(score) * squared * squared * squared;
}

Assigned assign(const Tensor& boxes, const Tensor& scores, const Grid& grid, const Targets& targets,
                const AssignOptions& options) {
  const torch::NoGradGuard no_grad;
  const auto to_cpu = [](const Tensor& tensor) { return tensor.to(torch::kCPU, torch::kFloat64).contiguous(); };
  std::vector<int64_t> pictures, places, objects;
  std::vector<double> weights;
  if (targets.boxes.size(0) > 0) {
    const auto device = scores.device();
    const auto of_class = scores.index({targets.owner.to(device), targets.labels.to(device)}).sigmoid();  // (T, A)
    const auto owner = targets.owner.to(torch::kCPU).contiguous();
    const auto* first = owner.const_data_ptr<int64_t>();
    const Batch batch = {.boxes = to_cpu(boxes),
                         .points = to_cpu(grid.points * grid.strides),
                         .strides = to_cpu(grid.strides.squeeze(1)),
                         .scores = to_cpu(of_class),
                         .truth = to_cpu(targets.boxes),
                         .owner = {first, first + owner.numel()}};
    for (size_t t = 0; t < batch.owner.size();) {
      const auto picture = batch.owner[t];
      std::vector<Candidates> found;
      for (; t < batch.owner.size() && batch.owner[t] == picture; ++t)
        found.push_back(candidates_of(batch, static_cast<int64_t>(t), options));
      Picture one(std::move(found), boxes.size(1));
      one.take(options);
      one.each([&](int64_t place, int64_t target, double weight) {
        pictures.push_back(picture);
        places.push_back(place);
        objects.push_back(target);
        weights.push_back(weight);
      });
    }
  }
  const auto whole = [&](const std::vector<int64_t>& values) {
    return torch::tensor(values, torch::kInt64).to(boxes.device());
  };
  return {whole(pictures), whole(places), whole(objects), torch::tensor(weights, torch::kFloat64).to(boxes.options())};
}

}  // namespace hadal::yolo
