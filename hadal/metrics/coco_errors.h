// What keeps a detector's score down: TIDE's kinds of error (Bolya et al. 2020, arXiv:2008.08115) and the confusion
// matrix.
#pragma once
#include <array>

#include "hadal/metrics/coco.h"

namespace hadal {

/// The order of TIDE's figures: a right place under a wrong class; a right class badly placed; both; found twice;
/// nothing is there; not found at all.
enum class CocoErrorKind { kClass, kLocation, kBoth, kDuplicate, kBackground, kMissed };
inline constexpr std::array<const char*, 6> kCocoErrorNames = {"class",     "location",   "both",
                                                               "duplicate", "background", "missed"};

/// Numbers as the authors' tidecv 1.0.1 gives them, but in [0, 1]: there classes that are found and not in the truth
/// count, with AP 0, and results of a picture are cut to 100 over all classes.
struct CocoErrors {
  double ap = 0;                   // at the one threshold
  std::array<double, 6> lost{};    // by how much AP would rise without this kind of error
  std::array<int64_t, 6> count{};  // how many of each; also of results that a crowd excuses
  double lost_to_wrong = 0;        // if nothing wrong were found
  double lost_to_missed = 0;       // if all truth were found
};
/// `right` is the IoU from which a result is right, up to `background` it has nothing to do with an object.
CocoErrors coco_errors(const CocoEvaluation& evaluation, double right = .5, double background = .1);

/// How often an object of one class was found as another.
struct CocoConfusion {
  std::vector<int64_t> labels;  // rising
  std::vector<int64_t> counts;  // (labels + 1, labels + 1): truth down, found across; last of all nothing
  int64_t at(size_t truth, size_t found) const { return counts[truth * (labels.size() + 1) + found]; }
};
/// Results of a score of at least `confidence` and truth are paired by falling IoU, from `overlap` up, whatever their
/// classes. Crowds and ignored truth count as nothing, nor does what lies on them unpaired.
CocoConfusion coco_confusion(const CocoEvaluation& evaluation, double confidence = .25, double overlap = .5);

}  // namespace hadal
