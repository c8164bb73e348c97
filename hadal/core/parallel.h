// Parallel loops on LibTorch's own threads, whichever compiler builds Hadal.
#pragma once
#include <cstdint>
#include <functional>

namespace hadal {

/// Calls body(first, last) on disjoint pieces that cover [begin, end), on at most at::get_num_threads() threads and
/// with at least `grain` items a piece. The pieces depend on the range, the grain and the thread count alone. Nested
/// calls run on the caller's thread. An exception of a piece reaches the caller.
void parallel_for(int64_t begin, int64_t end, int64_t grain, const std::function<void(int64_t, int64_t)>& body);

/// From now on LibTorch's and Hadal's loops run on the calling thread alone when called from it: for threads that
/// already share the work among themselves, such as the loader's.
void stay_on_this_thread();

}  // namespace hadal
