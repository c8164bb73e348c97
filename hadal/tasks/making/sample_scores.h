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

/// Whether a judge's classes are just those of the data, so that shares of them are counted. Throws UsageError for one
/// that can be asked for (`by_class`) and that the judge does not know.
bool same_classes(const std::string& judge, const std::vector<std::string>& judges,
                  const std::vector<std::string>& data, bool by_class);

/// Without `counted` nothing of shares of classes.
std::vector<Score> sample_score_names(bool by_class, bool counted);

/// What eval says of samples that nobody judges.
inline constexpr auto kNoJudge =
    "; nobody judges its samples: judge.weights=RUN, a classifier of such data, gives Fréchet distance and more";

/// `made` beside as many real ones of a split, and these beside as many of the training split (none: it is that split):
/// what a perfect generator would get. `class_true` is the share that shows the class that was asked for; without
/// `counted` classes are not looked at otherwise.
Metrics sample_scores(const SamplesSeen& made, const SamplesSeen& truth, const SamplesSeen* train, double confidence,
                      uint64_t seed, std::optional<double> class_true, bool counted);

}  // namespace hadal
