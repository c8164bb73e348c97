#include "hadal/tasks/batches.h"

#include "tests/support/support.h"

namespace hadal {
namespace {

struct Numbers {
  Tensor values, weights;
  auto tensors() { return std::tie(values, weights); }
};

Numbers numbers(const BatchPlan& plan) { return {torch::tensor(plan.indices, torch::kInt64), {}}; }

std::vector<int64_t> values(LoadedBatches<Numbers>& batches) {
  const auto at = batches.current().values;
  return {at.const_data_ptr<int64_t>(), at.const_data_ptr<int64_t>() + at.numel()};
}

TEST(Batches, WalkAnEpochFromAnyBatchOn) {
  LoadedBatches<Numbers> batches({.size = 8, .batch = 3}, 2, torch::kCPU, numbers);
  EXPECT_EQ(batches.per_epoch(), 3);
  for (const int64_t first : {0, 1, 3}) {
    batches.start(0, first);
    for (auto number = first; number < 3; ++number) {
      ASSERT_TRUE(batches.next());
      EXPECT_EQ(batches.size(), number < 2 ? 3 : 2);
      EXPECT_EQ(values(batches).front(), 3 * number);
    }
    EXPECT_FALSE(batches.next());
  }
}

TEST(Batches, ShuffledLeavesOutAShortLastBatchOnlyWhereThereIsAnother) {
  EXPECT_EQ(shuffled(7, 3, 1).batches(), 2);
  EXPECT_EQ(shuffled(3, 3, 1).batches(), 1);
  EXPECT_EQ(shuffled(2, 3, 1).batches(), 1);
  EXPECT_NE(shuffled(100, 3, 1).order(0), shuffled(100, 3, 1).order(1));
}

TEST(Batches, AreMovedButForWhatIsNotThere) {
  const auto meta = moved(Numbers{torch::ones({2}, torch::kInt64), {}}, torch::kMeta);
  EXPECT_TRUE(meta.values.is_meta());
  EXPECT_EQ(meta.values.scalar_type(), torch::kInt64);
  EXPECT_FALSE(meta.weights.defined());
}

TEST(Batches, WhatAWorkerThrowsComesOutOfNext) {
  LoadedBatches<Numbers> batches({.size = 4, .batch = 2}, 1, torch::kCPU,
                                 [](const BatchPlan&) -> Numbers { fail("[test] no such sample"); });
  batches.start(0, 0);
  EXPECT_ERROR(batches.next(), "no such sample");
}

}  // namespace
}  // namespace hadal
