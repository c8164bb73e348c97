// Scratch memory of a kernel, in pieces.
#pragma once
#include "hadal/ops/simd.h"

namespace hadal::HADAL_SIMD {

/// Hands out pieces of the memory at `base`; from null it only adds up what is needed.
struct Pieces {
  float* base;
  int64_t used = 0;

  float* take(int64_t floats) {
    auto* piece = base ? base + used : nullptr;
    used += up_to_multiple(floats, 16);
    return piece;
  }
};

}  // namespace hadal::HADAL_SIMD
