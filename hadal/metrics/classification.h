// How well classes are told apart. Logits are (B, C), targets (B) int64 in [0, C).
#pragma once
#include "hadal/core/torch.h"
#include "hadal/metrics/metrics.h"

namespace hadal {

/// A running mean of values that each stand for `weight` samples.
class Mean {
 public:
  void add(double value, double weight = 1) { sum_ += value * weight, weight_ += weight; }
  /// NaN before the first value.
  double value() const { return sum_ / weight_; }
  double weight() const { return weight_; }

 private:
  double sum_ = 0, weight_ = 0;
};

/// The share of samples whose target is among the k highest logits, in [0, 1]; k is capped at C. A row with a NaN
/// counts as wrong. Throws Error on shapes that do not match and on targets outside [0, C).
double top_k_accuracy(const Tensor& logits, const Tensor& targets, int64_t k);
inline double accuracy(const Tensor& logits, const Tensor& targets) { return top_k_accuracy(logits, targets, 1); }

/// Counts (C, C) int64, truth down, prediction across, on the CPU. `targets` and `predicted` are class numbers (B).
Tensor confusion_matrix(const Tensor& targets, const Tensor& predicted, int64_t classes);
inline Tensor confusion_matrix(const std::vector<int64_t>& targets, const std::vector<int64_t>& predicted,
                               int64_t classes) {
  return confusion_matrix(torch::tensor(targets, torch::kInt64), torch::tensor(predicted, torch::kInt64), classes);
}

/// Per class (C) float64; 0 where a class was never predicted (precision) or never there (recall), as scikit-learn
/// does.
struct ClassScores {
  Tensor precision, recall, f1;
  Tensor support;  // (C) int64: how many samples are of this class
};
ClassScores class_scores(const Tensor& confusion);

/// Sums a whole split up, batch by batch.
class ClassificationScore {
 public:
  /// `top_k` > 1 also reports "top5_accuracy" (for 5) when there are more classes than that.
  explicit ClassificationScore(int64_t classes, int64_t top_k = 5);
  void add(const Tensor& logits, const Tensor& targets);
  /// "accuracy", "top5_accuracy", "macro_f1" (mean over the classes that occur); empty before the first batch.
  Metrics metrics() const;
  const Tensor& confusion() const { return confusion_; }
  /// What a classifier of so many classes is scored by: "loss" and what metrics() will give.
  static std::vector<std::string> names_beside_loss(int64_t classes, int64_t top_k = 5);

 private:
  int64_t classes_, top_k_;
  Mean top_1_, top_several_;
  Tensor confusion_;
};

}  // namespace hadal
