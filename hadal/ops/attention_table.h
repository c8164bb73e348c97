// The kernels of one kind of CPU, for its source to hand out.
#pragma once
#include "hadal/ops/attention_backward.h"
#include "hadal/ops/attention_decode.h"
#include "hadal/ops/attention_forward.h"
#include "hadal/ops/attention_lanes.h"

namespace hadal::HADAL_SIMD {

/// A kernel that makes a Worker for the task and has it do the item.
template <class Worker, auto kRun>
AttentionKernel kernel() {
  return {[](const AttentionTask& t) { return Worker(t, nullptr).floats(); },
          [](const AttentionTask& t, int64_t item, int64_t next, float* scratch) {
            (Worker(t, scratch).*kRun)(item, next);
          }};
}

template <class T, int kWidth>
AttentionLanes in_lanes() {
  using Worker = InLanes<T, kWidth>;
  return {kernel<Worker, &Worker::forward>(), kernel<Worker, &Worker::backward>()};
}

/// For q, k and v of type T, computed by Math.
template <class Math, class T>
AttentionKernels kernels() {
  return {.forward = kernel<Forward<Math>, &Forward<Math>::template run<T>>(),
          .backward = kernel<Backward<Math>, &Backward<Math>::template run<T>>(),
          .decode = kernel<Decode<Math>, &Decode<Math>::template run<T>>(),
          .rows = kRows,
          .lanes = kLanes,
          .in_lanes = {in_lanes<T, 4>(), in_lanes<T, 8>()}};
}

}  // namespace hadal::HADAL_SIMD
