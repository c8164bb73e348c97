#include "hadal/core/memory.h"

#include <cstdlib>

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include "hadal/core/error.h"
#include "hadal/core/format.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace hadal {
namespace {

/// As LibTorch's own, but for what happens when there is none.
class CpuAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    constexpr size_t kAlignment = 64;
    void* memory = nullptr;
    if (bytes > 0 && posix_memalign(&memory, kAlignment, bytes) != 0)
      fail("out of memory: {} more were wanted; a smaller batch, model or picture size helps",
           format_bytes(static_cast<double>(bytes)));
    return {memory, memory, &std::free, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &std::free; }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }
};

}  // namespace

void throw_when_out_of_memory() {
  static CpuAllocator allocator;
  c10::SetCPUAllocator(&allocator, 1);
}

void tune_allocator() {
#ifdef __GLIBC__
  // 1 GB: anything larger is rare enough to be mapped on its own.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_TOP_PAD, 64 << 20);
#endif
}

void trim_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace hadal
