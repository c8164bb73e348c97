#include "hadal/metrics/classification.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "hadal/core/error.h"
#include "hadal/core/shape.h"

namespace hadal {
namespace {

void expect_classes(const char* what, const Tensor& labels, int64_t classes) {
  if (labels.dim() != 1 || at::isFloatingType(labels.scalar_type()))
    fail("[metrics] {} must be class numbers (B) of an integer type; got {} {}", what, shape_text(labels),
         c10::toString(labels.scalar_type()));
  if (labels.numel() == 0) return;
  const auto low = labels.min().item<int64_t>(), high = labels.max().item<int64_t>();
  if (low < 0 || high >= classes)
    fail("[metrics] {} must lie in 0 to {} ({} classes); found {}", what, classes - 1, classes, low < 0 ? low : high);
}

void expect_logits(const Tensor& logits, const Tensor& targets) {
  if (logits.dim() != 2 || targets.dim() != 1 || logits.size(0) != targets.size(0))
    fail("[metrics] logits must be (B, C) and targets (B); got {} and {}", shape_text(logits), shape_text(targets));
  expect_classes("targets", targets, logits.size(1));
}

}  // namespace

double top_k_accuracy(const Tensor& logits, const Tensor& targets, int64_t k) {
  expect_logits(logits, targets);
  const auto best = std::get<1>(logits.topk(std::clamp<int64_t>(k, 1, logits.size(1)), 1));  // (B, k)
  const auto hit = (best == targets.to(logits.device()).unsqueeze(1)).any(1) & ~logits.isnan().any(1);
  return hit.to(torch::kFloat64).mean().item<double>();
}

Tensor confusion_matrix(const Tensor& targets, const Tensor& predicted, int64_t classes) {
  expect_classes("predictions", predicted, classes);
  expect_classes("targets", targets, classes);
  if (predicted.size(0) != targets.size(0))
    fail("[metrics] {} predictions for {} targets", predicted.size(0), targets.size(0));
  const auto cell = targets.to(torch::kCPU, torch::kInt64) * classes + predicted.to(torch::kCPU, torch::kInt64);
  return torch::bincount(cell, {}, classes * classes).view({classes, classes});
}

ClassScores class_scores(const Tensor& confusion) {
  if (confusion.dim() != 2 || confusion.size(0) != confusion.size(1))
    fail("[metrics] a confusion matrix is square; got {}", shape_text(confusion));
  const auto right = confusion.diagonal().to(torch::kFloat64);
  const auto support = confusion.sum(1), predicted = confusion.sum(0);
  const auto share = [&](const Tensor& of) { return right / of.clamp_min(1); };
  // 2 PR / (P + R) = 2 right / (predicted + support)
  return {share(predicted), share(support), 2 * right / (predicted + support).clamp_min(1), support};
}

ClassificationScore::ClassificationScore(int64_t classes, int64_t top_k)
    : classes_(classes), top_k_(top_k), confusion_(torch::zeros({classes, classes}, torch::kInt64)) {}

void ClassificationScore::add(const Tensor& logits, const Tensor& targets) {
  expect_logits(logits, targets);
  if (logits.size(1) != classes_) fail("[metrics] {} logits a sample for {} classes", logits.size(1), classes_);
  if (logits.size(0) == 0) return;
  const auto samples = static_cast<double>(logits.size(0));
  top_1_.add(accuracy(logits, targets), samples);
  if (top_k_ > 1 && top_k_ < classes_) top_several_.add(top_k_accuracy(logits, targets, top_k_), samples);
  // Logits that are no numbers are no answer: a wrong one, as for the accuracy.
  const auto wrong = (targets + 1).remainder(classes_);
  confusion_ += confusion_matrix(targets, torch::where(logits.isnan().any(1), wrong, logits.argmax(1)), classes_);
}

Metrics ClassificationScore::metrics() const {
  if (top_1_.weight() == 0) return {};
  Metrics out = {{"accuracy", top_1_.value()}};
  if (top_several_.weight() > 0) out.emplace_back(fmt::format("top{}_accuracy", top_k_), top_several_.value());
  const auto scores = class_scores(confusion_);
  out.emplace_back("macro_f1", scores.f1.index({scores.support > 0}).mean().item<double>());
  return out;
}

std::vector<std::string> ClassificationScore::names_beside_loss(int64_t classes, int64_t top_k) {
  std::vector<std::string> names = {"loss", "accuracy", "macro_f1"};
  if (classes > top_k) names.push_back(fmt::format("top{}_accuracy", top_k));
  return names;
}

}  // namespace hadal
