// What the attention kernels of one kind of CPU are handed and what they offer: plain addresses and numbers.
#pragma once
#include <cstddef>
#include <cstdint>

namespace hadal {

/// A tensor (B, H, T, D), its last dimension dense; steps in elements.
struct HeadsView {
  void* data = nullptr;
  int64_t batch = 0, head = 0, row = 0;
};

struct AttentionTask {
  int64_t batch, heads, groups, queries, keys, width;  // groups: heads of k and v
  HeadsView q, k, v, out;                              // fp32 or bf16, all the same
  float* normalizers;                                  // (B, H, Tq): log2 of the sum of 2^score, +inf without a key
  float* scores;  // null, or what the forward pass leaves to the backward pass: (B, H, Tq and Tk up to whole tiles)
  HeadsView dout, dq, dk, dv;  // backward alone
  float* dq_parts;             // (parts, B, H, Tq, D) when the keys are shared out, else null

  const void* mask;       // null, or
  bool mask_adds;         // float (added), or uint8 (0: not attended)
  int64_t mask_steps[4];  // of batch, head, query and key, in elements
  const float* slopes;    // (H), or null
  bool causal;
  int64_t window;  // 0: none
  float scale;
  uint32_t drop_below;  // a weight is dropped when its random word is below; 0: no dropout
  float keep_scale;     // 1 / (1 - dropout)
  uint64_t seed;

  int64_t parts;  // items that share the queries (forward) or the keys (backward) of one head of k and v

  int64_t place(int64_t query) const { return query + keys - queries; }
};

/// `run` does one item; `next` is the one that this thread is likely to do after it, or none below 0; `scratch` holds
/// `scratch_floats` floats at a multiple of 64 bytes.
struct AttentionKernel {
  int64_t (*scratch_floats)(const AttentionTask&);
  void (*run)(const AttentionTask&, int64_t item, int64_t next, float* scratch);
};

struct AttentionLanes {
  AttentionKernel forward, backward;
};

struct AttentionKernels {
  AttentionKernel forward, backward;  // any shape; B * groups * parts items
  AttentionKernel decode;             // few queries, forward alone; B * groups items
  int rows;                           // of a tile
  int lanes;                          // numbers in a vector; heads in an item of the following, which has
                                      // (B * H) / lanes items, rounded up
  AttentionLanes in_lanes[2];         // width 4, 8; groups = H, neither mask nor slopes
};

}  // namespace hadal
