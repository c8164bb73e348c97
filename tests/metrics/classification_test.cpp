#include "hadal/metrics/classification.h"

#include "hadal/io/safetensors.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

std::map<std::string, Tensor> golden_scores() {
  return read_safetensors(test::golden("classification_scores.safetensors")).index();
}

const Tensor kLogits = torch::tensor({{0.f, 1.f, 2.f}, {5.f, 1.f, 2.f}, {0.f, 9.f, 8.f}, {3.f, 1.f, 2.f}});
const Tensor kTargets = torch::tensor({2, 0, 2, 1});

}  // namespace

TEST(Classification, EqualsScikitLearn) {
  auto golden = golden_scores();
  EXPECT_DOUBLE_EQ(accuracy(golden["logits"], golden["targets"]), golden["top_1_3"][0].item<double>());
  EXPECT_DOUBLE_EQ(top_k_accuracy(golden["logits"], golden["targets"], 3), golden["top_1_3"][1].item<double>());
  const auto confusion = confusion_matrix(golden["targets"], golden["logits"].argmax(1), 7);
  EXPECT_TRUE(confusion.equal(golden["confusion"]));
  const auto scores = class_scores(confusion);
  EXPECT_LT(test::relative_error(scores.precision, golden["precision"]), 1e-12);
  EXPECT_LT(test::relative_error(scores.recall, golden["recall"]), 1e-12);
  EXPECT_LT(test::relative_error(scores.f1, golden["f1"]), 1e-12);
  EXPECT_TRUE(scores.support.equal(golden["support"]));
}

TEST(Classification, BatchesAddUpToTheWhole) {
  auto golden = golden_scores();
  ClassificationScore whole(7, 3), parts(7, 3);
  whole.add(golden["logits"], golden["targets"]);
  for (int64_t at = 0; at < 300; at += 77)
    parts.add(golden["logits"].slice(0, at, at + 77), golden["targets"].slice(0, at, at + 77));
  ASSERT_EQ(parts.metrics().size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(parts.metrics()[i].first, whole.metrics()[i].first);
    EXPECT_NEAR(parts.metrics()[i].second, whole.metrics()[i].second, 1e-12);
  }
  EXPECT_EQ(parts.metrics()[1].first, "top3_accuracy");
  EXPECT_TRUE(parts.confusion().equal(whole.confusion()));
  // The class that never occurs takes no part in the mean over classes.
  EXPECT_NEAR(whole.metrics()[2].second, golden["f1"].slice(0, 0, 6).mean().item<double>(), 1e-12);
}

TEST(Classification, ManyClassesInHalfPrecision) {
  EXPECT_DOUBLE_EQ(accuracy(kLogits.to(torch::kBFloat16), kTargets), 0.5);
  EXPECT_DOUBLE_EQ(top_k_accuracy(kLogits, kTargets, 2), 0.75);
  EXPECT_DOUBLE_EQ(top_k_accuracy(kLogits, kTargets, 10), 1);
}

TEST(Classification, NothingOfNaNCountsAsRight) {
  EXPECT_DOUBLE_EQ(accuracy(torch::full({4, 3}, NAN), torch::zeros(4, torch::kInt64)), 0);
  ClassificationScore score(3);
  score.add(torch::tensor({{NAN, NAN, NAN}, {0.f, 1.f, 0.f}}), torch::tensor({0, 1}));
  EXPECT_EQ(score.metrics(), (Metrics{{"accuracy", 0.5}, {"macro_f1", 1.0 / 3}}));
}

TEST(Classification, NoSamplesNoScores) {
  EXPECT_TRUE(ClassificationScore(3).metrics().empty());
  EXPECT_TRUE(std::isnan(Mean().value()));
  Mean mean;
  mean.add(1, 3), mean.add(5, 1);
  EXPECT_DOUBLE_EQ(mean.value(), 2);
}

TEST(Classification, MistakesSayWhatCame) {
  EXPECT_ERROR(accuracy(kLogits, torch::tensor({0, 1})), "logits must be (B, C) and targets (B); got (4, 3) and (2)");
  EXPECT_ERROR(accuracy(kLogits, torch::tensor({0, 1, 2, 3})), "targets must lie in 0 to 2 (3 classes); found 3");
  EXPECT_ERROR(accuracy(kLogits, torch::tensor({0, 1, 2, -1})), "found -1");
  EXPECT_ERROR(accuracy(kLogits, torch::tensor({0.f, 1.f, 2.f, 0.f})), "of an integer type; got (4) Float");
  EXPECT_ERROR(confusion_matrix({0}, {5}, 3), "predictions must lie in 0 to 2");
  EXPECT_ERROR(class_scores(torch::zeros({2, 3})), "square; got (2, 3)");
  ClassificationScore score(4);
  EXPECT_ERROR(score.add(kLogits, kTargets), "3 logits a sample for 4 classes");
}
