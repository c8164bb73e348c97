#include "hadal/metrics/coco_errors.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>

#include "hadal/metrics/coco_cells.h"

namespace hadal {
namespace {

constexpr int64_t kMost = 100;  // results a picture
constexpr size_t kNone = SIZE_MAX;

struct Point {
  double score = 0;
  bool right = false;
};

// One class's results and how many objects there are to find.
struct ClassPoints {
  std::vector<Point> points;
  int64_t truth = 0;

  bool empty() const { return points.empty() && truth == 0; }
  double ap() const {
    if (truth == 0) return 0;
    auto sorted = points;
    std::stable_sort(sorted.begin(), sorted.end(), [](const Point& a, const Point& b) { return a.score > b.score; });
    std::vector<double> precision;
    double right = 0, all = 0;
    for (const auto& point : sorted) {
      ++all;
      if (point.right) precision.push_back(++right / all);  // between those it only falls
    }
    for (auto i = precision.size(); i-- > 1;) precision[i - 1] = std::max(precision[i - 1], precision[i]);
    double sum = 0;
    size_t at = 0;
    for (int r = 0; r <= 100; ++r) {
      while (at < precision.size() && static_cast<double>(at + 1) / static_cast<double>(truth) < r / 100.0) ++at;
      sum += at < precision.size() ? precision[at] : 0;
    }
    return sum / 101;
  }
};

using Points = std::map<int64_t, ClassPoints>;

double mean_ap(const Points& points) {
  double sum = 0, count = 0;
  for (const auto& [label, of_class] : points)
    if (!of_class.empty()) sum += of_class.ap(), ++count;
  return count > 0 ? sum / count : 0;
}

// A mistake: of a result, or (missed) of an object.
struct Mistake {
  CocoErrorKind kind{};
  uint32_t found = 0, truth = UINT32_MAX;  // truth: the object that the result could have been
  bool excused = false;                    // by a crowd: it counts neither as right nor as wrong
};

class Tide {
 public:
  Tide(const CocoEvaluation& evaluation, double right, double background)
      : evaluation_(evaluation),
        right_(right),
        background_(background),
        cells_(coco_cells(evaluation, CocoOrder::kPictures)),
        used_(evaluation.truth().size()),
        usable_(evaluation.truth().size()),
        best_(evaluation.truth().size(), UINT32_MAX) {
    for (const auto& cell : cells_.cells) picture(cell);
  }

  CocoErrors errors() const {
    CocoErrors out;
    Points base;
    add_truth(base);
    for (const auto& [found, right] : results_) base[of(found).label].points.push_back({of(found).score, right});
    out.ap = mean_ap(base);
    for (size_t kind = 0; kind < out.lost.size(); ++kind)
      out.lost[kind] = std::max(0.0, mean_ap(without(static_cast<CocoErrorKind>(kind))) - out.ap);
    for (const auto& mistake : mistakes_) ++out.count[static_cast<size_t>(mistake.kind)];
    auto wrong = without({}, true), missed = without({}, true);
    for (auto& [label, of_class] : wrong)
      for (auto& point : of_class.points) point.score = point.right ? 1 : 0;
    for (size_t g = 0; g < used_.size(); ++g) missed[evaluation_.truth()[g].label].truth -= wanted(g) && !used_[g];
    out.lost_to_wrong = mean_ap(wrong) - out.ap;
    out.lost_to_missed = mean_ap(missed) - out.ap;
    return out;
  }

 private:
  const CocoObject& of(uint32_t found) const { return evaluation_.found()[found]; }
  bool wanted(size_t truth) const { return !evaluation_.truth()[truth].crowd && !evaluation_.truth()[truth].ignore; }

  void add_truth(Points& points) const {
    for (size_t g = 0; g < used_.size(); ++g)
      if (wanted(g)) ++points[evaluation_.truth()[g].label].truth;
  }

  // The best result first takes the object of its class that it covers best.
  void picture(const CocoCell& cell) {
    std::vector<uint32_t> truth, crowds;
    for (auto i = cell.truth_begin; i < cell.truth_end; ++i)
      (wanted(cells_.truth[i]) ? truth : crowds).push_back(cells_.truth[i]);
    const std::vector<uint32_t> found(
        cells_.found.begin() + cell.found_begin,
        cells_.found.begin() + std::min<int64_t>(cell.found_end, int64_t{cell.found_begin} + kMost));
    const auto overlaps = measure(found, truth, false);
    const auto same = [&](size_t d, size_t g) { return of(found[d]).label == evaluation_.truth()[truth[g]].label; };
    std::vector<size_t> match(found.size(), kNone);
    for (size_t d = 0; d < found.size() && !truth.empty(); ++d) {
      const auto [g, overlap] = largest(
          truth.size(), [&](size_t i) { return same(d, i) && !used_[truth[i]] ? overlaps[d * truth.size() + i] : 0; });
      if (overlap >= right_) match[d] = g, used_[truth[g]] = true;
    }
    std::vector<bool> excused(found.size());
    const auto on_crowds = measure(found, crowds, true);
    for (size_t d = 0; d < found.size(); ++d)
      for (size_t c = 0; c < crowds.size(); ++c)
        if (match[d] == kNone && on_crowds[d * crowds.size() + c] > right_ &&
            of(found[d]).label == evaluation_.truth()[crowds[c]].label)
          excused[d] = true;
    for (size_t d = 0; d < found.size(); ++d) {
      if (!excused[d]) results_.emplace_back(found[d], match[d] != kNone);
      if (match[d] == kNone) mistakes_.push_back(judge(found, truth, overlaps, d, excused[d]));
    }
    for (const auto g : truth)
      if (!used_[g] && !usable_[g]) mistakes_.push_back({CocoErrorKind::kMissed, 0, g, false});
  }

  Mistake judge(const std::vector<uint32_t>& found, const std::vector<uint32_t>& truth,
                const std::vector<double>& overlaps, size_t d, bool excused) {
    Mistake out{CocoErrorKind::kBackground, found[d], UINT32_MAX, excused};
    if (truth.empty()) return out;
    const auto over = [&](size_t g) { return overlaps[d * truth.size() + g]; };
    const auto same = [&](size_t g) { return of(found[d]).label == evaluation_.truth()[truth[g]].label; };
    const auto near = largest(truth.size(), [&](size_t g) { return same(g) ? over(g) : 0; });
    const auto other = largest(truth.size(), [&](size_t g) { return same(g) ? 0 : over(g); });
    if (background_ <= near.second && near.second <= right_) {
      out.kind = CocoErrorKind::kLocation, out.truth = truth[near.first];
    } else if (other.second >= right_) {
      out.kind = CocoErrorKind::kClass, out.truth = truth[other.first];
    } else if (largest(truth.size(), [&](size_t g) { return same(g) && used_[truth[g]] ? over(g) : 0; }).second >=
               right_) {
      out.kind = CocoErrorKind::kDuplicate;
    } else if (largest(truth.size(), over).second > background_) {
      out.kind = CocoErrorKind::kBoth;
    }
    if (out.truth != UINT32_MAX && !used_[out.truth]) {
      usable_[out.truth] = true;
      auto& best = best_[out.truth];
      if (best == UINT32_MAX ? of(found[d]).score > -1 : of(found[d]).score > of(best).score) best = found[d];
    }
    return out;
  }

  // All results, with one kind of mistake mended. Of several results that could have been one object the best one is.
  Points without(CocoErrorKind kind, bool none = false) const {
    Points out;
    add_truth(out);
    for (const auto& mistake : mistakes_) {
      const bool mend = !none && mistake.kind == kind;
      if (mistake.kind == CocoErrorKind::kMissed) {
        if (mend) --out[evaluation_.truth()[mistake.truth].label].truth;
        continue;
      }
      const auto& found = of(mistake.found);
      if (!mend) {
        if (!mistake.excused) out[found.label].points.push_back({found.score, false});
      } else if (mistake.truth != UINT32_MAX && !used_[mistake.truth] && best_[mistake.truth] == mistake.found) {
        out[evaluation_.truth()[mistake.truth].label].points.push_back({found.score, true});
      }
    }
    for (const auto& [found, right] : results_)
      if (right) out[of(found).label].points.push_back({of(found).score, true});
    return out;
  }

  std::vector<double> measure(const std::vector<uint32_t>& found, const std::vector<uint32_t>& truth,
                              bool crowds) const {
    std::vector<const CocoObject*> a, b;
    for (const auto i : found) a.push_back(&of(i));
    for (const auto i : truth) b.push_back(&evaluation_.truth()[i]);
    std::vector<double> out;
    coco_overlaps(evaluation_.settings(), a.data(), a.size(), b.data(), b.size(), out, crowds);
    return out;
  }
  template <class Value>
  static std::pair<size_t, double> largest(size_t count, Value value) {
    std::pair<size_t, double> out{0, value(0)};
    for (size_t i = 1; i < count; ++i)
      if (const auto v = value(i); v > out.second) out = {i, v};
    return out;
  }

  const CocoEvaluation& evaluation_;
  double right_, background_;
  CocoCells cells_;
  std::vector<char> used_, usable_;                 // truth that a result took; that a mended result could take
  std::vector<uint32_t> best_;                      // which result that is
  std::vector<std::pair<uint32_t, bool>> results_;  // without those that crowds excuse: whether right
  std::vector<Mistake> mistakes_;
};

}  // namespace

CocoErrors coco_errors(const CocoEvaluation& evaluation, double right, double background) {
  return Tide(evaluation, right, background).errors();
}

}  // namespace hadal
