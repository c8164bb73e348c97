// What the evaluations of all classifiers share: scores, the confusion matrix, and which samples to show.
#pragma once
#include "hadal/metrics/classification.h"
#include "hadal/tasks/figure.h"
#include "hadal/tasks/task.h"

namespace hadal {

class ClassJudge {
 public:
  explicit ClassJudge(std::vector<std::string> names)
      : names_(std::move(names)), score_(static_cast<int64_t>(names_.size())) {}

  /// logits (B, C) float32, labels (B): the next B samples.
  void add(const Tensor& logits, const Tensor& labels);
  /// "loss" (cross entropy) and what ClassificationScore gives.
  Metrics metrics() const;
  MatrixFigure matrix() const { return {"Confusion matrix", names_, score_.confusion()}; }

  size_t size() const { return labels_.size(); }  // samples so far
  bool right(int64_t place) const { return labels_.at(place) == said_.at(place); }
  /// "cat 93 %", or "dog, said cat 93 %".
  std::string caption(int64_t place) const;
  /// At most `most` places among the samples, in the order they were added: some of all, drawn by `seed`; or the
  /// mistakes, the most confident first.
  std::vector<int64_t> some(uint64_t seed, size_t most = 24) const;
  std::vector<int64_t> mistakes(size_t most = 24) const;

  static std::vector<Score> scores(int64_t classes);

 private:
  std::vector<std::string> names_;
  ClassificationScore score_;
  Mean loss_;
  std::vector<int64_t> labels_, said_;
  std::vector<float> confidence_;
};

}  // namespace hadal
