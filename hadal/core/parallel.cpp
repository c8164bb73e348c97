#include "hadal/core/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>

#include <ATen/Parallel.h>

// LibTorch runs its loops on GNU OpenMP. Clang would bring its own OpenMP run time and with it a second set of spinning
// threads, so the loop is handed to libgomp by its stable entry point instead of through a pragma.
#ifdef HADAL_HAVE_GOMP
extern "C" {
void GOMP_parallel(void (*body)(void*), void* data, unsigned threads, unsigned flags);
int omp_get_thread_num();
int omp_get_num_threads();
int omp_in_parallel();
void omp_set_num_threads(int);
}
#endif

namespace hadal {
namespace {

struct Loop {
  int64_t begin, end;
  int64_t pieces;
  const std::function<void(int64_t, int64_t)>& body;
  std::atomic_flag failed = ATOMIC_FLAG_INIT;
  std::exception_ptr error;

  void run_piece(int64_t piece) {
    const auto size = (end - begin + pieces - 1) / pieces;
    const auto first = begin + piece * size, last = std::min(end, first + size);
    if (first >= last) return;
    try {
      body(first, last);
    } catch (...) {
      if (!failed.test_and_set()) error = std::current_exception();
    }
  }
};

#ifdef HADAL_HAVE_GOMP
void run_thread(void* data) {
  auto& loop = *static_cast<Loop*>(data);
  for (int64_t piece = omp_get_thread_num(); piece < loop.pieces; piece += omp_get_num_threads()) loop.run_piece(piece);
}
#endif

thread_local bool single_thread = false;

}  // namespace

void stay_on_this_thread() {
  at::init_num_threads();  // LibTorch sets a thread's count at its first loop; ours must come after
#ifdef HADAL_HAVE_GOMP
  omp_set_num_threads(1);
#endif
  single_thread = true;
}

void parallel_for(int64_t begin, int64_t end, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  if (begin >= end) return;
  if (single_thread) return body(begin, end);
  const auto most = (end - begin + std::max<int64_t>(grain, 1) - 1) / std::max<int64_t>(grain, 1);
  const auto pieces = std::min<int64_t>(at::get_num_threads(), most);
#ifdef HADAL_HAVE_GOMP
  if (pieces > 1 && !omp_in_parallel()) {
    Loop loop{begin, end, pieces, body};
    GOMP_parallel(run_thread, &loop, static_cast<unsigned>(pieces), 0);
    if (loop.error) std::rethrow_exception(loop.error);
    return;
  }
  body(begin, end);
#else
  at::parallel_for(begin, end, (end - begin + pieces - 1) / pieces, body);
#endif
}

}  // namespace hadal
