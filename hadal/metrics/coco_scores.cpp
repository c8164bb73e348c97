#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <memory>

#include "hadal/metrics/coco.h"
#include "hadal/metrics/coco_cells.h"

namespace hadal {
namespace {

// Of a result in one range of areas, a bit a threshold.
struct Outcome {
  uint32_t matched = 0, ignored = 0;
};

bool outside(const CocoObject& object, const CocoRange& range) {
  return object.area < range.low || object.area > range.high;
}
bool ignored(const CocoObject& object, const CocoRange& range) {
  return object.ignore || object.crowd || outside(object, range);
}

class Scorer {
 public:
  Scorer(const CocoEvaluation& evaluation, CocoScores& out)
      : evaluation_(evaluation),
        settings_(out.settings),
        out_(out),
        ranges_(settings_.ranges.size()),
        thresholds_(settings_.thresholds.size()),
        most_(static_cast<size_t>(settings_.most.back())),
        all_(thresholds_ == 32 ? UINT32_MAX : (uint32_t{1} << thresholds_) - 1),
        cells_(coco_cells(evaluation, settings_.one_class ? CocoOrder::kPicturesByLabel : CocoOrder::kClasses)),
        outcomes_(cells_.found.size() * ranges_),
        ranks_(cells_.found.size()) {
    for (const auto threshold : settings_.thresholds) least_.push_back(std::min(threshold, 1 - 1e-10));
  }

  void run() {
    const auto classes = cells_.labels.size();
    out_.classes.resize(classes);
    out_.precision.assign(classes * ranges_ * thresholds_ * CocoScores::kRecalls, -1);
    out_.confidence.assign(out_.precision.size(), -1);
    out_.recall.assign(classes * ranges_ * settings_.most.size() * thresholds_, -1);
    parallel_each(static_cast<int64_t>(cells_.cells.size()), 64,
                  [&](int64_t i) { match(cells_.cells[static_cast<size_t>(i)]); });
    parallel_each(static_cast<int64_t>(classes), 1, [&](int64_t i) { score_class(static_cast<size_t>(i)); });
    summarize();
  }

 private:
  struct Room {  // a thread's, so that cells need no memory of their own
    std::vector<const CocoObject*> found, truth;
    std::vector<double> overlaps;
    std::vector<size_t> order;
    std::vector<uint32_t> taken;
  };

  void match(const CocoCell& cell) {
    static thread_local Room room;
    const auto count = cell.found_end - cell.found_begin;
    if (count == 0) return;
    room.found.clear(), room.truth.clear();
    for (auto i = cell.truth_begin; i < cell.truth_end; ++i)
      room.truth.push_back(&evaluation_.truth()[cells_.truth[i]]);
    for (uint32_t i = 0; i < count; ++i) {
      ranks_[cell.found_begin + i] = i;
      if (i < most_) room.found.push_back(&evaluation_.found()[cells_.found[cell.found_begin + i]]);
    }
    coco_overlaps(settings_, room.found.data(), room.found.size(), room.truth.data(), room.truth.size(), room.overlaps);
    for (size_t range = 0; range < ranges_; ++range) match_range(cell, range, room);
  }

  // The best result first takes the truth that it covers best, if that is not gone; what need not be found comes last.
  void match_range(const CocoCell& cell, size_t range, Room& room) {
    const auto& bounds = settings_.ranges[range];
    const auto count = room.truth.size();
    room.order.clear();
    for (size_t g = 0; g < count; ++g)
      if (!ignored(*room.truth[g], bounds)) room.order.push_back(g);
    const auto wanted = room.order.size();
    for (size_t g = 0; g < count; ++g)
      if (ignored(*room.truth[g], bounds)) room.order.push_back(g);
    room.taken.assign(count, 0);
    for (size_t d = 0; d < room.found.size(); ++d) {
      auto& outcome = outcomes_[(cell.found_begin + d) * ranges_ + range];
      const auto* overlaps = room.overlaps.data() + d * count;
      for (size_t t = 0; t < thresholds_ && count > 0; ++t) {
        const auto bit = uint32_t{1} << t;
        auto best = least_[t];
        auto match = count;
        for (size_t place = 0; place < count; ++place) {
          const auto g = room.order[place];
          if ((room.taken[g] & bit) && !room.truth[g]->crowd) continue;
          if (match < wanted && place >= wanted) break;  // a match among the wanted is not given up for others
          if (overlaps[g] < best) continue;
          best = overlaps[g], match = place;
        }
        if (match == count) continue;
        const auto g = room.order[match];
        room.taken[g] |= bit;
        if (match >= wanted) outcome.ignored |= bit;
        if (!room.truth[g]->never_found) outcome.matched |= bit;
      }
      if (outside(*room.found[d], bounds)) outcome.ignored |= all_ & ~outcome.matched;
    }
  }

  struct Ranked {
    double score;
    uint32_t place;  // in cells_.found
  };

  void score_class(size_t k) {
    auto& score = out_.classes[k];
    score.label = cells_.labels[k], score.ap_by_range.assign(ranges_, -1);
    const auto first = std::lower_bound(cells_.cells.begin(), cells_.cells.end(), k,
                                        [](const CocoCell& cell, size_t label) { return cell.label_index < label; });
    const auto last = std::upper_bound(first, cells_.cells.end(), k,
                                       [](size_t label, const CocoCell& cell) { return label < cell.label_index; });
    if (first == last) return;
    const auto found_begin = first->found_begin, found_end = (last - 1)->found_end;
    std::vector<Ranked> ranked;
    ranked.reserve(found_end - found_begin);
    for (auto i = found_begin; i < found_end; ++i)
      if (ranks_[i] < most_) ranked.push_back({evaluation_.found()[cells_.found[i]].score, i});
    std::sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) {
      return a.score != b.score ? a.score > b.score : a.place < b.place;
    });
    score.found = static_cast<int64_t>(ranked.size());
    for (size_t range = 0; range < ranges_; ++range) {
      int64_t wanted = 0;
      for (auto i = first->truth_begin; i < (last - 1)->truth_end; ++i)
        wanted += !ignored(evaluation_.truth()[cells_.truth[i]], settings_.ranges[range]);
      if (range == 0) score.truth = wanted;
      if (wanted > 0) curve(k, range, ranked, static_cast<double>(wanted));
    }
  }

  // Precision changes for the better only where something right is found: those points make the curve.
  struct Curve {
    std::vector<double> precision, score;
    int64_t wrong = 0;
  };

  void curve(size_t k, size_t range, const std::vector<Ranked>& ranked, double wanted) {
    std::vector<Curve> curves(thresholds_);
    std::vector<int64_t> right(settings_.most.size() * thresholds_);
    int64_t wrong_at_all = 0;
    for (const auto& [score, place] : ranked) {
      const auto outcome = outcomes_[place * ranges_ + range];
      const auto counts = all_ & ~outcome.ignored;
      for (auto bits = outcome.matched & counts; bits; bits &= bits - 1) {
        const auto t = static_cast<size_t>(std::countr_zero(bits));
        auto& at = curves[t];
        const auto found = static_cast<double>(at.precision.size() + 1);
        const auto wrong = static_cast<double>(at.wrong + wrong_at_all);
        at.precision.push_back(found / (wrong + found + std::numeric_limits<double>::epsilon()));
        at.score.push_back(score);
        for (size_t m = 0; m < settings_.most.size(); ++m)
          right[m * thresholds_ + t] += ranks_[place] < settings_.most[m];
      }
      const auto wrong = counts & ~outcome.matched;
      if (wrong == all_) ++wrong_at_all;
      for (auto bits = wrong == all_ ? 0 : wrong; bits; bits &= bits - 1)
        ++curves[static_cast<size_t>(std::countr_zero(bits))].wrong;
    }
    const auto row = k * ranges_ + range;
    for (size_t i = 0; i < right.size(); ++i)
      out_.recall[row * right.size() + i] = static_cast<double>(right[i]) / wanted;
    for (size_t t = 0; t < thresholds_; ++t) {
      auto& precision = curves[t].precision;
      for (auto i = precision.size(); i-- > 1;) precision[i - 1] = std::max(precision[i - 1], precision[i]);
      const auto begin = (row * thresholds_ + t) * CocoScores::kRecalls;
      size_t at = 0;
      for (size_t r = 0; r < CocoScores::kRecalls; ++r) {
        const auto recall = r + 1 == CocoScores::kRecalls ? 1.0 : static_cast<double>(r) * .01;
        while (at < precision.size() && static_cast<double>(at + 1) / wanted < recall) ++at;
        const bool reached = at < precision.size();
        out_.precision[begin + r] = reached ? precision[at] : 0;
        out_.confidence[begin + r] = r == 0 && !ranked.empty() ? ranked[0].score : reached ? curves[t].score[at] : 0;
      }
    }
  }

  // Of what is there at all; -1 when nothing is. `t` < 0 takes all thresholds.
  double mean_precision(size_t begin_class, size_t end_class, size_t range, int64_t t) const {
    double sum = 0, count = 0;
    for (auto k = begin_class; k < end_class; ++k)
      for (size_t i = 0; i < thresholds_; ++i) {
        const auto* values = out_.curve(k, i, range);
        if (values[0] < 0 || (t >= 0 && i != static_cast<size_t>(t))) continue;
        for (int64_t r = 0; r < CocoScores::kRecalls; ++r) sum += values[r];
        count += CocoScores::kRecalls;
      }
    return count > 0 ? sum / count : -1;
  }
  double mean_recall(size_t begin_class, size_t end_class, size_t range, size_t m, int64_t t) const {
    double sum = 0, count = 0;
    for (auto k = begin_class; k < end_class; ++k)
      for (size_t i = 0; i < thresholds_; ++i) {
        const auto value = out_.recall[((k * ranges_ + range) * settings_.most.size() + m) * thresholds_ + i];
        if (value < 0 || (t >= 0 && i != static_cast<size_t>(t))) continue;
        sum += value, ++count;
      }
    return count > 0 ? sum / count : -1;
  }
  int64_t threshold_at(double value) const {
    for (size_t t = 0; t < thresholds_; ++t)
      if (std::abs(settings_.thresholds[t] - value) < 1e-9) return static_cast<int64_t>(t);
    return static_cast<int64_t>(thresholds_);  // none: such a mean is -1
  }

  void summarize() {
    const auto classes = out_.classes.size(), last = settings_.most.size() - 1;
    const auto t50 = threshold_at(.5), t75 = threshold_at(.75);
    const bool points = settings_.kind == CocoKind::kKeypoints;
    auto& summary = out_.summary;
    summary = {{"AP", mean_precision(0, classes, 0, -1)},
               {"AP50", mean_precision(0, classes, 0, t50)},
               {"AP75", mean_precision(0, classes, 0, t75)}};
    for (size_t range = 1; range < ranges_; ++range)
      summary.emplace_back(std::string("AP_") + settings_.ranges[range].name, mean_precision(0, classes, range, -1));
    if (points) {
      summary.emplace_back("AR", mean_recall(0, classes, 0, last, -1));
      summary.emplace_back("AR50", mean_recall(0, classes, 0, last, t50));
      summary.emplace_back("AR75", mean_recall(0, classes, 0, last, t75));
    }
    for (size_t m = 0; m <= last && !points; ++m)
      summary.emplace_back("AR" + std::to_string(settings_.most[m]), mean_recall(0, classes, 0, m, -1));
    for (size_t range = 1; range < ranges_; ++range)
      summary.emplace_back(std::string("AR_") + settings_.ranges[range].name, mean_recall(0, classes, range, last, -1));
    for (size_t k = 0; k < classes; ++k) {
      auto& score = out_.classes[k];
      for (size_t range = 0; range < ranges_; ++range) score.ap_by_range[range] = mean_precision(k, k + 1, range, -1);
      score.ap = score.ap_by_range[0];
      score.ap_50 = mean_precision(k, k + 1, 0, t50), score.ap_75 = mean_precision(k, k + 1, 0, t75);
      score.ar = mean_recall(k, k + 1, 0, last, -1);
    }
  }

  const CocoEvaluation& evaluation_;
  const CocoSettings& settings_;
  CocoScores& out_;
  size_t ranges_, thresholds_, most_;
  uint32_t all_;
  CocoCells cells_;
  std::vector<double> least_;
  std::vector<Outcome> outcomes_;  // (found, ranges)
  std::vector<uint32_t> ranks_;    // of a result in its cell
};

}  // namespace

CocoScores CocoEvaluation::scores() const {
  CocoScores out;
  out.settings = settings_;
  Scorer(*this, out).run();
  return out;
}

}  // namespace hadal
