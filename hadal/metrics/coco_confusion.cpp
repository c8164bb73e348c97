#include <algorithm>

#include "hadal/metrics/coco_cells.h"
#include "hadal/metrics/coco_errors.h"

namespace hadal {
namespace {

struct Pair {
  double overlap;
  size_t found, truth;
};

}  // namespace

CocoConfusion coco_confusion(const CocoEvaluation& evaluation, double confidence, double overlap) {
  CocoConfusion out;
  for (const auto* objects : {&evaluation.truth(), &evaluation.found()})
    for (const auto& object : *objects)
      if (out.labels.empty() || out.labels.back() != object.label) out.labels.push_back(object.label);
  std::sort(out.labels.begin(), out.labels.end());
  out.labels.erase(std::unique(out.labels.begin(), out.labels.end()), out.labels.end());
  const auto classes = out.labels.size();
  out.counts.assign((classes + 1) * (classes + 1), 0);
  const auto place = [&](const CocoObject* object) {
    return static_cast<size_t>(std::lower_bound(out.labels.begin(), out.labels.end(), object->label) -
                               out.labels.begin());
  };
  const auto cells = coco_cells(evaluation, CocoOrder::kPictures);
  std::vector<const CocoObject*> truth, found;
  std::vector<double> overlaps;
  std::vector<Pair> pairs;
  for (const auto& cell : cells.cells) {
    truth.clear(), found.clear(), pairs.clear();
    for (auto i = cell.truth_begin; i < cell.truth_end; ++i) truth.push_back(&evaluation.truth()[cells.truth[i]]);
    for (auto i = cell.found_begin; i < cell.found_end; ++i) {
      const auto& object = evaluation.found()[cells.found[i]];
      if (object.score >= confidence) found.push_back(&object);
    }
    coco_overlaps(evaluation.settings(), found.data(), found.size(), truth.data(), truth.size(), overlaps);
    const auto wanted = [&](size_t g) { return !truth[g]->crowd && !truth[g]->ignore; };
    for (size_t d = 0; d < found.size(); ++d)
      for (size_t g = 0; g < truth.size(); ++g)
        if (overlaps[d * truth.size() + g] >= overlap) pairs.push_back({overlaps[d * truth.size() + g], d, g});
    std::stable_sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) { return a.overlap > b.overlap; });
    std::vector<bool> found_used(found.size()), truth_used(truth.size());
    for (const auto& pair : pairs) {
      if (!wanted(pair.truth) || found_used[pair.found] || truth_used[pair.truth]) continue;
      found_used[pair.found] = truth_used[pair.truth] = true;
      ++out.counts[place(truth[pair.truth]) * (classes + 1) + place(found[pair.found])];
    }
    for (const auto& pair : pairs)
      if (!wanted(pair.truth)) found_used[pair.found] = true;
    for (size_t d = 0; d < found.size(); ++d)
      if (!found_used[d]) ++out.counts[classes * (classes + 1) + place(found[d])];
    for (size_t g = 0; g < truth.size(); ++g)
      if (wanted(g) && !truth_used[g]) ++out.counts[place(truth[g]) * (classes + 1) + classes];
  }
  return out;
}

}  // namespace hadal
