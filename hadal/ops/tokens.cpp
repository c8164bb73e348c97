#include "hadal/ops/tokens.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/autocast_mode.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/custom_function.h>

#include "hadal/core/error.h"
#include "hadal/core/parallel.h"
#include "hadal/ops/linear.h"
#include "hadal/ops/tokens_kernels.h"

namespace hadal {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

const TokenKernels& token_kernels() {
  static const auto found = [] {
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
      return token_kernels_avx512();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return token_kernels_avx2();
#endif
    return TokenKernels{};
  }();
  return found;
}

// A block of weights and a block of rows have to share the first cache.
constexpr int64_t kWidest = 64, kMostHidden = 512, kGrain = 256;

bool plain_rows(const Tensor& t) {
  return t.device().is_cpu() && t.scalar_type() == torch::kFloat32 && t.layout() == torch::kStrided;
}

bool has_kernel(const Tensor& x) {
  return token_kernels().lanes > 0 && plain_rows(x) && x.numel() > 0 && !at::autocast::is_autocast_enabled(at::kCPU);
}

int64_t draw_seed() {
  auto generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard lock(generator.mutex());
  return static_cast<int64_t>(at::check_generator<at::CPUGeneratorImpl>(generator)->random64());
}

/// All of it would need a scale of infinity.
void check_share(double share) {
  if (!(share >= 0 && share < 1)) fail("[dropout] drops a share from 0 to below 1, got {}", share);
}

DropoutTask task_of(double share, int64_t seed) {
  DropoutTask task;
  if (share <= 0) return task;
  task.active = true;
  task.seed = static_cast<uint64_t>(seed);
  task.threshold = static_cast<uint32_t>((1 - share) * 4294967295.0);
  task.scale = static_cast<float>(1 / (1 - share));
  return task;
}

const float* values_of(const Tensor& t) { return t.defined() ? t.const_data_ptr<float>() : nullptr; }

/// Everything of a task but y, dy and dx. The tensors must live as long as it does.
struct Mlp {
  Tensor x, w1, b1, w2, b2, w1_turned, w2_turned;
  MlpTask task;

  Mlp(const Tensor& x_, const Tensor& w1_, const Tensor& b1_, const Tensor& w2_, const Tensor& b2_, double inner,
      double outer, int64_t seed)
      : x(x_.contiguous()),
        w1(w1_.contiguous()),
        b1(b1_.contiguous()),
        w2(w2_.contiguous()),
        b2(b2_.contiguous()),
        w1_turned(w1.t().contiguous()),
        w2_turned(w2.t().contiguous()) {
    task.dim = w1.size(1), task.hidden = w1.size(0);
    task.x = values_of(x), task.w1 = values_of(w1), task.b1 = values_of(b1), task.w2 = values_of(w2),
    task.b2 = values_of(b2);
    task.w1_turned = values_of(w1_turned), task.w2_turned = values_of(w2_turned);
    task.inner = task_of(inner, seed);
    task.outer = task_of(outer, seed ^ 0x5851f42d4c957f2d);
  }
  int64_t rows() const { return x.numel() / task.dim; }
  Tensor scratch() const { return torch::empty({token_kernels().mlp_scratch(task)}); }
};

struct GeluMlp : torch::autograd::Function<GeluMlp> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& w1, const Tensor& b1, const Tensor& w2,
                        const Tensor& b2, const std::optional<Tensor>& residual, double inner, double outer,
                        int64_t seed) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({x, w1, b1, w2, b2});
    context->saved_data["inner"] = inner;
    context->saved_data["outer"] = outer;
    context->saved_data["seed"] = seed;
    context->saved_data["residual"] = residual.has_value();
    Mlp mlp(x, w1, b1, w2, b2, inner, outer, seed);
    const auto added = residual ? residual->contiguous() : Tensor();
    mlp.task.residual = values_of(added);
    auto y = torch::empty_like(mlp.x);
    mlp.task.y = y.mutable_data_ptr<float>();
    parallel_for(0, mlp.rows(), kGrain, [&](int64_t first, int64_t last) {
      const auto scratch = mlp.scratch();
      token_kernels().mlp_forward(mlp.task, first, last, scratch.mutable_data_ptr<float>());
    });
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    require(!at::GradMode::is_enabled(), "[gelu_mlp] has no second derivative");
    const auto saved = context->get_saved_variables();
    Mlp mlp(saved[0], saved[1], saved[2], saved[3], saved[4], context->saved_data["inner"].toDouble(),
            context->saved_data["outer"].toDouble(), context->saved_data["seed"].toInt());
    const auto dy = gradients[0].contiguous();
    auto dx = torch::empty_like(mlp.x);
    mlp.task.dy = values_of(dy);
    mlp.task.dx = dx.mutable_data_ptr<float>();
    // Sums of pieces that depend on the thread count alone, added up in their order.
    const auto pieces = std::clamp<int64_t>(mlp.rows() / kGrain, 1, at::get_num_threads());
    const auto size = mlp.task.dim * mlp.task.hidden;
    const auto sums = torch::zeros({pieces, 2 * size + mlp.task.hidden + mlp.task.dim});
    parallel_for(0, pieces, 1, [&](int64_t begin, int64_t end) {
      for (auto piece = begin; piece < end; ++piece) {
        const auto scratch = mlp.scratch();
        auto* at = sums.mutable_data_ptr<float>() + piece * sums.size(1);
        token_kernels().mlp_backward(mlp.task, mlp.rows() * piece / pieces, mlp.rows() * (piece + 1) / pieces,
                                     scratch.mutable_data_ptr<float>(),
                                     {at, at + 2 * size, at + size, at + 2 * size + mlp.task.hidden});
      }
    });
    const auto residual = context->saved_data["residual"].toBool() ? gradients[0] : Tensor();
    const auto parts = sums.sum(0).split_with_sizes({size, size, mlp.task.hidden, mlp.task.dim});
    return {dx,       parts[0].view({mlp.task.dim, mlp.task.hidden}).t(),
            parts[2], parts[1].view({mlp.task.dim, mlp.task.hidden}),
            parts[3], residual,
            Tensor(), Tensor(),
            Tensor()};
  }
};

bool is_bf16(at::ScalarType type) { return type == torch::kBFloat16; }

bool has_dropout_kernel(const Tensor& x, const Tensor& residual) {
  return token_kernels().lanes > 0 && x.numel() > 0 &&
         (plain_rows(x) || (x.device().is_cpu() && is_bf16(x.scalar_type()))) &&
         (!residual.defined() || (plain_rows(residual) && residual.sizes() == x.sizes()));
}

/// The sum with an fp32 residual is fp32.
Tensor drop(const Tensor& x, const Tensor& residual, double share, int64_t seed, at::ScalarType type) {
  const auto from = x.contiguous(), added = residual.defined() ? residual.contiguous() : residual;
  auto y = torch::empty_like(from, from.options().dtype(type));
  const auto task = task_of(share, seed);
  const auto lanes = token_kernels().lanes, count = from.numel();
  const auto dropout = token_kernels().dropout[is_bf16(from.scalar_type())][is_bf16(type)];
  parallel_for(0, (count + lanes - 1) / lanes, 2048, [&](int64_t first, int64_t last) {
    dropout(task, from.const_data_ptr(), values_of(added), y.mutable_data_ptr(), first * lanes,
            std::min(count, last * lanes));
  });
  return y;
}

struct AddDropout : torch::autograd::Function<AddDropout> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const std::optional<Tensor>& residual, double share,
                        int64_t seed) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->saved_data["share"] = share;
    context->saved_data["seed"] = seed;
    context->saved_data["residual"] = residual.has_value();
    context->saved_data["type"] = static_cast<int64_t>(x.scalar_type());
    return drop(x, residual.value_or(Tensor()), share, seed, residual ? residual->scalar_type() : x.scalar_type());
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    require(!at::GradMode::is_enabled(), "[dropout] has no second derivative");
    const auto& saved = context->saved_data;
    return {drop(gradients[0], {}, saved.at("share").toDouble(), saved.at("seed").toInt(),
                 static_cast<at::ScalarType>(saved.at("type").toInt())),
            saved.at("residual").toBool() ? gradients[0] : Tensor(), Tensor(), Tensor()};
  }
};

std::optional<Tensor> maybe(const Tensor& t) { return t.defined() ? std::optional(t) : std::nullopt; }

}  // namespace

Tensor gelu_mlp(const Tensor& x, const Tensor& w1, const Tensor& b1, const Tensor& w2, const Tensor& b2,
                const Tensor& residual, double inner, double outer) {
  check_share(inner), check_share(outer);
  const auto lanes = std::max<int64_t>(token_kernels().lanes, 1), dim = w1.size(1), hidden = w1.size(0);
  if (x.size(-1) != dim || w2.size(0) != dim || w2.size(1) != hidden || b1.numel() != hidden || b2.numel() != dim ||
      (residual.defined() && residual.sizes() != x.sizes()))
    fail("[gelu_mlp] x ({}), w1 ({}) and w2 ({}) do not fit each other", fmt::join(x.sizes(), ", "),
         fmt::join(w1.sizes(), ", "), fmt::join(w2.sizes(), ", "));
  const bool fits = has_kernel(x) && plain_rows(w1) && dim % lanes == 0 && dim % 4 == 0 && hidden % lanes == 0 &&
                    dim <= kWidest && hidden <= kMostHidden && (!residual.defined() || plain_rows(residual));
  if (!fits) {
    const auto h = add_dropout(torch::gelu(linear(x, w1, b1)), {}, inner);
    return add_dropout(linear(h, w2, b2), residual, outer);
  }
  RECORD_FUNCTION("hadal::gelu_mlp", std::vector<c10::IValue>({x, w1, w2}));
  const auto seed = inner > 0 || outer > 0 ? draw_seed() : 0;
  return GeluMlp::apply(x, w1, b1, w2, b2, maybe(residual), inner, outer, seed);
}

Tensor add_dropout(const Tensor& x, const Tensor& residual, double share) {
  check_share(share);
  if (share == 0) return residual.defined() ? residual + x : x;
  if (!has_dropout_kernel(x, residual)) {
    const auto dropped = torch::dropout(x, share, true);
    return residual.defined() ? residual + dropped : dropped;
  }
  return AddDropout::apply(x, maybe(residual), share, draw_seed());
}

}  // namespace hadal
