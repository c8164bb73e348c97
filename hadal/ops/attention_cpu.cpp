#include "hadal/ops/attention_cpu.h"

#include <atomic>
#include <memory>

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "hadal/core/error.h"
#include "hadal/core/parallel.h"
#include "hadal/ops/attention_cpus.h"

namespace hadal {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

AttentionKernels kernels_of(AttentionCpu cpu, bool bf16) {
#ifdef __x86_64__
  switch (cpu) {
    case AttentionCpu::kAvx512Bf16:
      if (bf16) return attention_avx512bf16();
      [[fallthrough]];
    case AttentionCpu::kAvx512:
      return attention_avx512(bf16);
    case AttentionCpu::kAvx2:
      return attention_avx2(bf16);
    case AttentionCpu::kNone:
      break;
  }
#endif
  throw std::logic_error("[attention] no kernels for this CPU");
}

// The kernels read the width at unit steps.
Tensor dense_rows(const Tensor& t) { return t.size(3) == 1 || t.stride(3) == 1 ? t : t.contiguous(); }

HeadsView view_of(const Tensor& t) { return {t.data_ptr(), t.stride(0), t.stride(1), t.stride(2)}; }

// With fewer heads than threads, or odd numbers of them, the threads share one.
int64_t parts_of(const AttentionTask& t, int64_t blocks) {
  const int64_t heads = t.batch * t.groups, threads = at::get_num_threads();
  if (heads >= 4 * threads || heads % threads == 0) return 1;
  return std::min((2 * threads + heads - 1) / heads, blocks);
}

struct Settings {
  Tensor mask, slopes;  // as the kernels read them, or undefined
  bool causal;
  int64_t window;
  double scale, dropout;
  int64_t seed;
};

AttentionTask task_of(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out, const Tensor& normalizers,
                      const Settings& s) {
  AttentionTask t{};
  t.batch = q.size(0), t.heads = q.size(1), t.groups = k.size(1);
  t.queries = q.size(2), t.keys = k.size(2), t.width = q.size(3);
  t.q = view_of(q), t.k = view_of(k), t.v = view_of(v), t.out = view_of(out);
  t.normalizers = normalizers.data_ptr<float>();
  if (s.mask.defined()) {
    const auto mask = s.mask.expand({t.batch, t.heads, t.queries, t.keys});
    t.mask = mask.data_ptr(), t.mask_adds = mask.scalar_type() != at::kBool;
    std::copy_n(mask.strides().begin(), 4, t.mask_steps);
  }
  if (s.slopes.defined()) t.slopes = s.slopes.data_ptr<float>();
  t.causal = s.causal, t.window = s.window, t.scale = static_cast<float>(s.scale);
  t.drop_below = static_cast<uint32_t>(s.dropout * 0x1p32);
  t.keep_scale = static_cast<float>(1 / (1 - s.dropout));
  t.seed = static_cast<uint64_t>(s.seed), t.parts = 1;
  return t;
}

// Many short sequences of narrow heads; longer ones would not stay in the cache, wider ones fill vectors by themselves.
const AttentionLanes* in_lanes(const AttentionKernels& kernels, const AttentionTask& t) {
  constexpr int64_t kMost = 1024;  // numbers a head in each operand
  if (t.mask || t.slopes || t.groups != t.heads || t.batch * t.heads < 4 * kernels.lanes ||
      std::max(t.queries, t.keys) * t.width > kMost)
    return nullptr;
  return t.width == 4 ? &kernels.in_lanes[0] : t.width == 8 ? &kernels.in_lanes[1] : nullptr;
}

// So few that packing the keys would take longer than reading them.
bool few_queries(const AttentionTask& t) { return t.heads / t.groups * t.queries <= 8; }

// Each thread takes the next item when it is through with one: nothing depends on which thread that is, and one that
// starts late or is held up delays nobody.
void run(const AttentionKernel& kernel, const AttentionTask& task, int64_t items) {
  const auto floats = kernel.scratch_floats(task);
  std::atomic<int64_t> next = 0;
  parallel_for(0, std::min<int64_t>(items, at::get_num_threads()), 1, [&](int64_t, int64_t) {
    constexpr size_t kAlign = 64;
    const std::unique_ptr<float[]> scratch(new float[floats + kAlign / sizeof(float)]);
    void* at = scratch.get();
    size_t space = (floats + kAlign / sizeof(float)) * sizeof(float);
    std::align(kAlign, floats * sizeof(float), at, space);
    for (int64_t item = next++, following; item < items; item = following) {
      following = next++;
      kernel.run(task, item, following < items ? following : -1, static_cast<float*>(at));
    }
  });
}

// Computing the scores again is one product of the backward pass's five. They are kept where they take no more room
// than q, k, v and the result do.
Tensor room_for_scores(const AttentionKernels& kernels, const AttentionTask& t) {
  if (in_lanes(kernels, t) || t.keys > 4 * t.width) return {};
  const auto up = [](int64_t n, int64_t of) { return (n + of - 1) / of * of; };
  return at::empty({t.batch, t.heads, up(t.queries, kernels.rows), up(t.keys, kernels.lanes)}, at::kFloat);
}

void run_forward(const AttentionKernels& kernels, AttentionTask& task, bool with_gradients) {
  if (!with_gradients && few_queries(task)) return run(kernels.decode, task, task.batch * task.groups);
  if (const auto* lanes = in_lanes(kernels, task))
    return run(lanes->forward, task, (task.batch * task.heads + kernels.lanes - 1) / kernels.lanes);
  task.parts = parts_of(task, (task.queries + 95) / 96);
  run(kernels.forward, task, task.batch * task.groups * task.parts);
}

void run_backward(const AttentionKernels& kernels, AttentionTask& task, const Tensor& dq) {
  if (const auto* lanes = in_lanes(kernels, task))
    return run(lanes->backward, task, (task.batch * task.heads + kernels.lanes - 1) / kernels.lanes);
  task.parts = parts_of(task, (task.keys + 63) / 64);
  Tensor parts;
  if (task.parts > 1) {
    parts = at::empty({task.parts, task.batch, task.heads, task.queries, task.width}, dq.options().dtype(at::kFloat));
    task.dq_parts = parts.data_ptr<float>();
  }
  run(kernels.backward, task, task.batch * task.groups * task.parts);
  if (parts.defined()) dq.copy_(parts.sum(0));
}

struct KernelAttention : torch::autograd::Function<KernelAttention> {
  static Tensor forward(AutogradContext* context, const Tensor& q0, const Tensor& k0, const Tensor& v0,
                        const AttentionOptions& options, int64_t cpu, bool with_gradients) {
    const at::AutoDispatchBelowADInplaceOrView no_graph;
    const auto q = dense_rows(q0), k = dense_rows(k0), v = dense_rows(v0);
    const Settings s{
        options.mask.defined() && options.mask.scalar_type() != at::kBool ? options.mask.to(at::kFloat) : options.mask,
        options.slopes.defined() ? options.slopes.to(at::kFloat).contiguous() : Tensor(),
        options.causal,
        options.window,
        options.scale.value_or(1 / std::sqrt(static_cast<double>(q.size(3)))),
        options.dropout,
        options.dropout > 0 ? at::randint(1LL << 53, {1}, at::kLong).item<int64_t>() : 0};
    // Laid out as (B, T, H, D), so that joining the heads again costs no copy.
    const auto out = at::empty({q.size(0), q.size(2), q.size(1), q.size(3)}, q.options()).transpose(1, 2);
    const auto normalizers = at::empty({q.size(0), q.size(1), q.size(2)}, q.options().dtype(at::kFloat));
    auto task = task_of(q, k, v, out, normalizers, s);
    const auto kernels = kernels_of(static_cast<AttentionCpu>(cpu), q.scalar_type() == at::kBFloat16);
    const auto scores = with_gradients ? room_for_scores(kernels, task) : Tensor();
    if (scores.defined()) task.scores = scores.data_ptr<float>();
    run_forward(kernels, task, with_gradients);
    if (!with_gradients) return out;

    context->save_for_backward({q, k, v, out, normalizers, s.mask, s.slopes, scores});
    auto& saved = context->saved_data;
    saved["causal"] = s.causal, saved["window"] = s.window, saved["scale"] = s.scale, saved["dropout"] = s.dropout;
    saved["seed"] = s.seed, saved["cpu"] = cpu;
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    require(!at::GradMode::is_enabled(),
            "[attention] has no gradient of its gradient on the CPU; use at::scaled_dot_product_attention");
    const at::AutoDispatchBelowADInplaceOrView no_graph;
    const auto tensors = context->get_saved_variables();
    const auto &q = tensors[0], &k = tensors[1], &v = tensors[2], &out = tensors[3];
    auto& saved = context->saved_data;
    const Settings s{tensors[5],
                     tensors[6],
                     saved["causal"].toBool(),
                     saved["window"].toInt(),
                     saved["scale"].toDouble(),
                     saved["dropout"].toDouble(),
                     saved["seed"].toInt()};
    const auto dout = dense_rows(gradients[0]);
    const auto dq = at::empty_like(q), dk = at::empty_like(k), dv = at::empty_like(v);  // in the inputs' order
    auto task = task_of(q, k, v, out, tensors[4], s);
    if (tensors[7].defined()) task.scores = tensors[7].data_ptr<float>();
    task.dout = view_of(dout), task.dq = view_of(dq), task.dk = view_of(dk), task.dv = view_of(dv);
    const auto cpu = static_cast<AttentionCpu>(saved["cpu"].toInt());
    run_backward(kernels_of(cpu, q.scalar_type() == at::kBFloat16), task, dq);
    return {dq, dk, dv, {}, {}, {}};
  }
};

AttentionCpu find_cpu() {
#ifdef __x86_64__
  const auto has = [](auto... yes) { return (... && (yes != 0)); };
  if (!has(__builtin_cpu_supports("avx2"), __builtin_cpu_supports("fma"))) return AttentionCpu::kNone;
  if (!has(__builtin_cpu_supports("avx512f"), __builtin_cpu_supports("avx512bw"), __builtin_cpu_supports("avx512dq"),
           __builtin_cpu_supports("avx512vl")))
    return AttentionCpu::kAvx2;
  return __builtin_cpu_supports("avx512bf16") ? AttentionCpu::kAvx512Bf16 : AttentionCpu::kAvx512;
#else
  return AttentionCpu::kNone;
#endif
}

}  // namespace

AttentionCpu attention_cpu() {
  static const auto cpu = find_cpu();
  return cpu;
}

Tensor cpu_attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
                     AttentionCpu cpu) {
  const bool with_gradients =
      at::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad());
  return KernelAttention::apply(q, k, v, options, static_cast<int64_t>(cpu), with_gradients);
}

}  // namespace hadal
