#include "hadal/ops/group_norm.h"

#include <optional>

#include <ATen/record_function.h>
#include <torch/csrc/autograd/custom_function.h>

#include "hadal/core/parallel.h"
#include "hadal/core/shape.h"
#include "hadal/ops/group_norm_kernels.h"

namespace hadal {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr auto kInnermost = at::MemoryFormat::ChannelsLast;
constexpr int64_t kScratch = 6;  // floats a channel

const GroupNormKernels& group_norm_kernels() {
  static const auto found = [] {
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
      return group_norm_kernels_avx512();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return group_norm_kernels_avx2();
#endif
    return GroupNormKernels{};
  }();
  return found;
}

bool has_kernel(const Tensor& x, const Tensor& gain) {
  return group_norm_kernels().lanes > 0 && x.size(1) % group_norm_kernels().lanes == 0 && x.numel() > 0 && x.is_cpu() &&
         gain.is_cpu() && (x.scalar_type() == torch::kFloat32 || x.scalar_type() == torch::kBFloat16) &&
         x.is_contiguous(kInnermost);
}

Tensor by_operators(const Tensor& x, int64_t groups, const Tensor& gain, const Tensor& bias, double eps,
                    const Tensor& added) {
  const auto each = [](const Tensor& numbers) { return numbers.unsqueeze(-1).unsqueeze(-1); };
  const auto moved = added.defined() ? x + each(added) : x;
  if (gain.dim() == 1) return torch::silu(torch::group_norm(moved, groups, gain, bias, eps));
  return torch::silu(torch::group_norm(moved, groups, {}, {}, eps) * each(gain) + each(bias)).to(x.scalar_type());
}

bool is_half(const Tensor& x) { return x.scalar_type() == torch::kBFloat16; }

const float* data(const Tensor& t) { return t.defined() ? t.const_data_ptr<float>() : nullptr; }

GroupNormTask task_of(const Tensor& x, int64_t groups, const Tensor& gain, const Tensor& bias, double eps,
                      const Tensor& added) {
  GroupNormTask task;
  task.channels = x.size(1), task.pixels = x.size(2) * x.size(3), task.groups = groups;
  task.step = gain.dim() == 1 ? 0 : x.size(1);
  task.eps = eps;
  task.x = x.const_data_ptr(), task.added = data(added), task.gain = data(gain), task.bias = data(bias);
  return task;
}

void run(GroupNormKernels::Kernel kernel, const GroupNormTask& task, int64_t samples) {
  parallel_for(0, samples, 1, [&](int64_t first, int64_t last) {
    std::vector<float> scratch(kScratch * task.channels);
    kernel(task, first, last, scratch.data());
  });
}

struct GroupNormSilu : torch::autograd::Function<GroupNormSilu> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& gain, const Tensor& bias,
                        const std::optional<Tensor>& added, int64_t groups, double eps) {
    at::AutoDispatchBelowADInplaceOrView below;
    const auto samples = x.size(0);
    const auto moved = added.value_or(Tensor());
    auto mean = torch::empty({samples, groups}), over_deviation = torch::empty({samples, groups});
    auto y = torch::empty_like(x, kInnermost);
    auto task = task_of(x, groups, gain, bias, eps, moved);
    task.mean = mean.mutable_data_ptr<float>();
    task.over_deviation = over_deviation.mutable_data_ptr<float>();
    task.y = y.mutable_data_ptr();
    run(group_norm_kernels().forward[is_half(x)], task, samples);
    context->save_for_backward({x, gain, bias, moved, mean, over_deviation});
    context->saved_data["groups"] = groups;
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    require(!at::GradMode::is_enabled(), "[group_norm_silu] has no second derivative");
    auto saved = context->get_saved_variables();
    const auto &x = saved[0], &gain = saved[1], &bias = saved[2], &added = saved[3];
    const auto samples = x.size(0), channels = x.size(1);
    const auto dy = gradients[0].to(x.scalar_type()).contiguous(kInnermost);
    auto dx = torch::empty_like(x, kInnermost), dgain = torch::empty({samples, channels}, gain.options());
    auto dbias = torch::empty_like(dgain), dadded = added.defined() ? torch::empty_like(dgain) : Tensor();
    auto task = task_of(x, context->saved_data["groups"].toInt(), gain, bias, 0, added);
    task.mean = saved[4].mutable_data_ptr<float>();
    task.over_deviation = saved[5].mutable_data_ptr<float>();
    task.dy = dy.const_data_ptr();
    task.dx = dx.mutable_data_ptr();
    task.dgain = dgain.mutable_data_ptr<float>();
    task.dbias = dbias.mutable_data_ptr<float>();
    if (dadded.defined()) task.dadded = dadded.mutable_data_ptr<float>();
    run(group_norm_kernels().backward[is_half(x)], task, samples);
    const bool own = gain.dim() == 2;
    return {dx, own ? dgain : dgain.sum(0), own ? dbias : dbias.sum(0), dadded, Tensor(), Tensor()};
  }
};

}  // namespace

Tensor group_norm_silu(const Tensor& x, int64_t groups, const Tensor& gain, const Tensor& bias, double eps,
                       const Tensor& added) {
  if (x.dim() != 4) fail("[group_norm_silu] wants (N, C, H, W), got {}", shape_text(x));
  const auto count = x.size(0), channels = x.size(1);
  require(groups > 0 && channels % groups == 0, "[group_norm_silu] {} channels do not make {} groups", channels,
          groups);
  expect_shape("group_norm_silu gain", gain, gain.dim() == 1 ? std::vector{channels} : std::vector{count, channels});
  expect_shape("group_norm_silu bias", bias, gain.sizes().vec());
  if (added.defined()) expect_shape("group_norm_silu added", added, {count, channels});
  if (!has_kernel(x, gain)) return by_operators(x, groups, gain, bias, eps, added);
  RECORD_FUNCTION("hadal::group_norm_silu", std::vector<c10::IValue>({x}));
  const auto wide = [](const Tensor& numbers) { return numbers.to(torch::kFloat32).contiguous(); };
  return GroupNormSilu::apply(x, wide(gain), wide(bias), added.defined() ? std::optional(wide(added)) : std::nullopt,
                              groups, eps);
}

}  // namespace hadal
