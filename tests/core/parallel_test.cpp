#include "hadal/core/parallel.h"

#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include <ATen/Parallel.h>

#include "tests/support/support.h"

using namespace hadal;

TEST(Parallel, CoversTheRangeOnceOnSeveralThreads) {
  std::vector<std::atomic<int>> seen(1003);
  std::set<std::thread::id> threads;
  std::mutex mutex;
  parallel_for(0, 1003, 10, [&](int64_t first, int64_t last) {
    for (auto i = first; i < last; ++i) ++seen[i];
    std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  for (const auto& count : seen) EXPECT_EQ(count, 1);
  EXPECT_EQ(threads.size(), static_cast<size_t>(at::get_num_threads()));
}

TEST(Parallel, SmallRangesStayOnTheCaller) {
  parallel_for(0, 5, 10, [&, caller = std::this_thread::get_id()](int64_t first, int64_t last) {
    EXPECT_EQ(first, 0);
    EXPECT_EQ(last, 5);
    EXPECT_EQ(std::this_thread::get_id(), caller);
  });
}

TEST(Parallel, NestedLoopsAndErrors) {
  std::atomic<int> total = 0;
  parallel_for(0, 4, 1, [&](int64_t first, int64_t last) {
    for (auto i = first; i < last; ++i)
      parallel_for(0, 3, 1, [&](int64_t a, int64_t b) { total += static_cast<int>(b - a); });
  });
  EXPECT_EQ(total, 12);
  EXPECT_ERROR(parallel_for(0, 8, 1,
                            [](int64_t first, int64_t) {
                              if (first) fail("piece {}", first);
                            }),
               "piece 4");
}

TEST(Parallel, AThreadCanStayAlone) {
  std::thread([] {
    stay_on_this_thread();
    parallel_for(0, 1000, 1, [caller = std::this_thread::get_id()](int64_t first, int64_t last) {
      EXPECT_EQ(last - first, 1000);
      EXPECT_EQ(std::this_thread::get_id(), caller);
    });
  }).join();
  EXPECT_EQ(at::get_num_threads(), 2);
}
