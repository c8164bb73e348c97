#include "hadal/data/loader.h"

#include <atomic>
#include <chrono>
#include <set>

#include "tests/support/support.h"

using namespace hadal;

namespace {

struct Numbers {
  std::vector<int64_t> indices;
  std::vector<uint64_t> draws;
  bool operator==(const Numbers&) const = default;
};

Numbers make_numbers(const BatchPlan& plan) {
  Numbers batch{plan.indices, {plan.whole().bits()}};
  for (const auto index : plan.indices) batch.draws.push_back(plan.sample(index).bits());
  if (plan.number % 3 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  return batch;
}

std::vector<Numbers> epoch_of(int64_t threads, int64_t epoch, int64_t first = 0) {
  Loader<Numbers> loader({.size = 103, .batch = 10, .shuffle = true, .seed = 5}, threads, make_numbers);
  loader.start(epoch, first);
  std::vector<Numbers> out;
  while (auto batch = loader.next()) out.push_back(*batch);
  return out;
}

}  // namespace

TEST(Loader, GivesEverySampleOnceInAnOrderThatThreadsDoNotChange) {
  const auto alone = epoch_of(0, 1);
  std::set<int64_t> seen;
  for (const auto& batch : alone) seen.insert(batch.indices.begin(), batch.indices.end());
  EXPECT_EQ(seen.size(), 103U);
  EXPECT_EQ(alone.size(), 11U);
  EXPECT_EQ(alone.back().indices.size(), 3U);
  for (const int64_t threads : {1, 2, 5}) EXPECT_EQ(epoch_of(threads, 1), alone);
  EXPECT_NE(epoch_of(2, 2), alone);
}

TEST(Loader, AnEpochCanBeginInTheMiddle) {
  auto whole = epoch_of(2, 4);
  whole.erase(whole.begin(), whole.begin() + 7);
  EXPECT_EQ(epoch_of(3, 4, 7), whole);
}

TEST(Loader, StartsOverWhileThreadsAreBusy) {
  Loader<Numbers> loader({.size = 100, .batch = 1, .shuffle = true, .seed = 5}, 3, make_numbers);
  for (int64_t epoch = 0; epoch < 20; ++epoch) {
    loader.start(epoch);
    EXPECT_EQ(loader.next()->indices.at(0),
              Sampler({.size = 100, .batch = 1, .shuffle = true, .seed = 5}).order(epoch).at(0));
  }
}

TEST(Loader, StaysAFewBatchesAhead) {
  std::atomic<int> made = 0;
  Loader<int> loader({.size = 100, .batch = 1}, 2, [&](const BatchPlan&) { return ++made; }, 3);
  loader.start(0);
  (void)loader.next();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_LE(made, 4);
  EXPECT_GE(made, 3);
}

TEST(Loader, AWorkersErrorComesOutAtItsBatch) {
  Loader<int> loader({.size = 10, .batch = 1}, 2, [](const BatchPlan& plan) -> int {
    if (plan.number == 3) fail("picture-{}.jpg: broken", plan.number);
    return int(plan.number);
  });
  loader.start(0);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(loader.next(), i);
  EXPECT_ERROR(loader.next(), "picture-3.jpg: broken");
}

TEST(Loader, WrongUseIsRefused) {
  const auto make = [](const BatchPlan& plan) { return plan.indices; };
  using Indices = std::vector<int64_t>;
  for (const int64_t batch : {0, -2})
    EXPECT_ERROR(Loader<Indices>({.size = 10, .batch = batch}, 0, make), "a batch wants at least one sample");
  EXPECT_ERROR(Loader<Indices>({.size = -3}, 0, make), "a data set of -3 samples");
  EXPECT_EQ(Loader<Indices>({.size = 10, .batch = INT64_MAX}, 0, make).batches(), 1);
  for (const int64_t threads : {0, 2}) {
    Loader<Indices> loader({.size = 10, .batch = 4}, threads, make);
    EXPECT_ERROR(loader.next(), "start() begins an epoch; call it before next()");
    EXPECT_ERROR(loader.start(0, -1), "there is no batch -1 of epoch 0");
  }
}

TEST(Loader, CanLeaveOutTheLastBatch) {
  EXPECT_EQ((Sampler{.size = 25, .batch = 10, .drop_last = true}.batches()), 2);
  EXPECT_EQ((Sampler{.size = 25, .batch = 10}.batches()), 3);
}

TEST(Sampler, TakesSomeOfASetEvenlySpread) {
  EXPECT_EQ(Sampler({.size = 4, .of = 12}).order(0), (std::vector<int64_t>{0, 3, 6, 9}));
  EXPECT_EQ(Sampler({.size = 3, .of = 3}).order(5), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(Sampler({.size = 3, .of = 5}).order(0), (std::vector<int64_t>{0, 1, 3}));
  EXPECT_ERROR(Sampler({.size = 3, .of = 2}).validate(), "3 samples cannot be spread over 2");
}
