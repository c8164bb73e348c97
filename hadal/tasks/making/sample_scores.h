// What can be said of samples by what a classifier sees in them and in real ones, whatever they are samples of.
#pragma once
#include <optional>

#include "hadal/metrics/generative.h"
#include "hadal/tasks/task.h"

namespace hadal {

struct SamplesSeen {
  Tensor features;  // (N, D) float32
  Tensor logits;    // (N, classes)
};

std::vector<Score> sample_score_names(bool by_class);

/// `made` beside as many real ones of a split, and these beside as many of the training split (none: it is that split):
/// what a perfect generator would get. `class_true` is the share that shows the class that was asked for.
Metrics sample_scores(const SamplesSeen& made, const SamplesSeen& truth, const SamplesSeen* train, double confidence,
                      uint64_t seed, std::optional<double> class_true);

}  // namespace hadal
