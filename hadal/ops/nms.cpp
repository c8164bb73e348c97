#include "hadal/ops/nms.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "hadal/core/parallel.h"
#include "hadal/core/shape.h"

namespace hadal {
namespace {

void check(const Tensor& boxes, const Tensor& scores, const Tensor& classes) {
  const bool fits = boxes.dim() == 2 && boxes.size(1) == 4 && scores.dim() == 1 && scores.size(0) == boxes.size(0) &&
                    (!classes.defined() || classes.sizes() == scores.sizes());
  if (!fits)
    fail("[nms] wants boxes (N, 4) and scores and classes (N), got {}, {} and {}", shape_text(boxes),
         shape_text(scores), classes.defined() ? shape_text(classes) : "none");
}

/// On the CPU, contiguous, in a type that is computed with.
Tensor at_hand(const Tensor& t) {
  const auto type = t.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  return t.detach().to(torch::kCPU, type).contiguous();
}

/// Boxes in an order, coordinate by coordinate.
template <class T>
struct Columns {
  std::vector<T> x1, y1, x2, y2, area;

  Columns(const T* boxes, const std::vector<int64_t>& order)
      : x1(order.size()), y1(order.size()), x2(order.size()), y2(order.size()), area(order.size()) {
    for (size_t i = 0; i < order.size(); ++i) {
      const auto* box = boxes + 4 * order[i];
      x1[i] = box[0], y1[i] = box[1], x2[i] = box[2], y2[i] = box[3];
      area[i] = (x2[i] - x1[i]) * (y2[i] - y1[i]);
    }
  }

  T iou(size_t i, size_t j) const {
    const T width = std::max(T(0), std::min(x2[i], x2[j]) - std::max(x1[i], x1[j]));
    const T height = std::max(T(0), std::min(y2[i], y2[j]) - std::max(y1[i], y1[j]));
    const T both = width * height;
    return both / (area[i] + area[j] - both);
  }
};

/// Marks in `gone` what a better box of [first, last), which has one class and falling scores, suppresses.
template <class T>
void suppress(const Columns<T>& c, size_t first, size_t last, T limit, uint8_t* gone) {
  for (auto i = first; i < last; ++i) {
    if (gone[i]) continue;
    for (auto j = i + 1; j < last; ++j) gone[j] |= static_cast<uint8_t>(c.iou(i, j) > limit);
  }
}

/// Places from the best score to the worst; of equal ones the earlier first. NaN counts as best, as in sorting tensors.
template <class T>
std::vector<int64_t> by_score(const T* scores, int64_t n) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return scores[a] > scores[b] || (std::isnan(scores[a]) && !std::isnan(scores[b]));
  });
  return order;
}

template <class T>
std::vector<int64_t> kept(const Tensor& boxes, const Tensor& scores, const Tensor& classes, double iou) {
  const auto n = boxes.size(0);
  const auto ranked = by_score(scores.const_data_ptr<T>(), n);
  // A comparison in T that answers as one in double does.
  auto limit = static_cast<T>(iou);
  if (static_cast<double>(limit) > iou) limit = std::nextafter(limit, -std::numeric_limits<T>::infinity());

  // Class by class, each from its best to its worst: rank[k] is the place among all of the k-th.
  std::vector<size_t> rank(ranked.size()), starts{0};
  std::iota(rank.begin(), rank.end(), size_t{0});
  if (classes.defined()) {
    const auto* of = classes.const_data_ptr<int64_t>();
    std::stable_sort(rank.begin(), rank.end(), [&](size_t a, size_t b) { return of[ranked[a]] < of[ranked[b]]; });
    for (size_t k = 1; k < rank.size(); ++k)
      if (of[ranked[rank[k]]] != of[ranked[rank[k - 1]]]) starts.push_back(k);
  }
  starts.push_back(rank.size());
  std::vector<int64_t> order(ranked.size());
  for (size_t k = 0; k < rank.size(); ++k) order[k] = ranked[rank[k]];

  const Columns<T> columns(boxes.const_data_ptr<T>(), order);
  std::vector<uint8_t> gone(ranked.size(), 0);
  const auto groups = static_cast<int64_t>(starts.size()) - 1;
  parallel_for(0, groups, n < 2000 ? groups + 1 : 1, [&](int64_t first, int64_t last) {
    for (auto g = static_cast<size_t>(first); g < static_cast<size_t>(last); ++g)
      suppress(columns, starts[g], starts[g + 1], limit, gone.data());
  });

  std::vector<uint8_t> stays(ranked.size(), 0);
  for (size_t k = 0; k < rank.size(); ++k) stays[rank[k]] = !gone[k];
  std::vector<int64_t> out;
  for (size_t k = 0; k < ranked.size(); ++k)
    if (stays[k]) out.push_back(ranked[k]);
  return out;
}

template <class T>
std::pair<Tensor, Tensor> softened(const Tensor& boxes, const Tensor& scores, const Tensor& classes,
                                   const SoftNms& how) {
  const auto n = static_cast<size_t>(boxes.size(0));
  auto left = by_score(scores.const_data_ptr<T>(), boxes.size(0));
  std::vector<int64_t> all(n);
  std::iota(all.begin(), all.end(), 0);
  const Columns<T> columns(boxes.const_data_ptr<T>(), all);
  std::vector<T> score(scores.const_data_ptr<T>(), scores.const_data_ptr<T>() + n);
  const auto* of = classes.defined() ? classes.const_data_ptr<int64_t>() : nullptr;
  std::vector<int64_t> places;
  std::vector<T> lowered;
  const auto worse = [&](int64_t a, int64_t b) {
    const auto s = score[static_cast<size_t>(a)], t = score[static_cast<size_t>(b)];
    return s < t || (s == t && a > b);
  };
  std::erase_if(left, [&](int64_t i) { return score[static_cast<size_t>(i)] < how.least; });
  while (!left.empty()) {
    const auto best = std::max_element(left.begin(), left.end(), worse);
    const auto i = *best;
    left.erase(best);
    places.push_back(i);
    lowered.push_back(score[static_cast<size_t>(i)]);
    std::erase_if(left, [&](int64_t j) {
      if (of && of[i] != of[j]) return false;
      auto& s = score[static_cast<size_t>(j)];
      const double o = columns.iou(static_cast<size_t>(i), static_cast<size_t>(j));
      if (!(o > 0)) return false;  // apart, or NaN: two boxes without area
      if (how.kind == SoftNms::Kind::gaussian)
        s *= static_cast<T>(std::exp(-o * o / how.sigma));
      else if (o > how.iou)
        s *= static_cast<T>(1 - o);
      return s < how.least;
    });
  }
  return {torch::tensor(places, torch::kInt64), torch::tensor(lowered, scores.options())};
}

Tensor kept_anywhere(const Tensor& boxes, const Tensor& scores, const Tensor& classes, double iou) {
  check(boxes, scores, classes);
  const auto b = at_hand(boxes), s = at_hand(scores).to(b.scalar_type());
  const auto c = classes.defined() ? classes.to(torch::kCPU, torch::kInt64).contiguous() : Tensor();
  const auto places = b.scalar_type() == torch::kFloat64 ? kept<double>(b, s, c, iou) : kept<float>(b, s, c, iou);
  return torch::tensor(places, torch::kInt64).to(boxes.device());
}

}  // namespace

Tensor nms(const Tensor& boxes, const Tensor& scores, double iou) { return kept_anywhere(boxes, scores, {}, iou); }

Tensor nms(const Tensor& boxes, const Tensor& scores, const Tensor& classes, double iou) {
  return kept_anywhere(boxes, scores, classes, iou);
}

std::pair<Tensor, Tensor> soft_nms(const Tensor& boxes, const Tensor& scores, const Tensor& classes,
                                   const SoftNms& how) {
  check(boxes, scores, classes);
  require(how.sigma > 0, "[soft_nms] sigma must be above 0, got {}", how.sigma);
  const auto b = at_hand(boxes), s = at_hand(scores).to(b.scalar_type());
  const auto c = classes.defined() ? classes.to(torch::kCPU, torch::kInt64).contiguous() : Tensor();
  auto [places, lowered] =
      b.scalar_type() == torch::kFloat64 ? softened<double>(b, s, c, how) : softened<float>(b, s, c, how);
  return {places.to(boxes.device()), lowered.to(scores.device(), scores.scalar_type())};
}

}  // namespace hadal
