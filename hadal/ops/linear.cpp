#include "hadal/ops/linear.h"

#include <ATen/TracerMode.h>
#include <ATen/autocast_mode.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/custom_function.h>

#include "hadal/ops/product.h"

namespace hadal {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

Tensor rows(const Tensor& x) { return x.reshape({-1, x.size(-1)}); }

Tensor forward(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  auto shape = x.sizes().vec();
  shape.back() = weight.size(0);
  return product_nt(rows(x), weight, bias).view(shape);
}

struct FastLinear : torch::autograd::Function<FastLinear> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                        const std::optional<Tensor>& bias) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({x, weight});
    context->saved_data["bias"] = bias.has_value();
    return hadal::forward(x, weight, bias.value_or(Tensor()));
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &weight = saved[1];
    const auto dy = rows(gradients[0]);
    // Gradients of gradients go through ordinary operators, which autograd can follow.
    const bool graph = at::GradMode::is_enabled();
    Tensor dx, dw, db;
    if (context->needs_input_grad(0)) dx = (graph ? at::mm(dy, weight) : product_nt(dy, weight.t())).view(x.sizes());
    if (context->needs_input_grad(1)) dw = graph ? at::mm(dy.t(), rows(x)) : product_nt(dy.t(), rows(x).t());
    if (context->saved_data["bias"].toBool() && context->needs_input_grad(2)) db = dy.sum(0);
    return {dx, dw, db};
  }
};

// Elsewhere at::linear is as good: bf16 already goes to oneDNN, under autocast it casts, and a trace keeps its name.
bool fast(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return x.dim() >= 2 && weight.dim() == 2 && x.size(-1) == weight.size(1) && has_fast_product(x, weight) &&
         x.numel() / std::max<int64_t>(x.size(-1), 1) * weight.numel() >= (1 << 20) &&
         (!bias.defined() || (bias.dim() == 1 && bias.size(0) == weight.size(0) && has_fast_product(bias, weight))) &&
         !at::autocast::is_autocast_enabled(at::kCPU) && !at::tracer::impl::is_dispatch_enabled();
}

bool wants_gradient(const Tensor& t) { return t.defined() && t.requires_grad(); }

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const auto maybe_bias = bias.defined() ? std::optional(bias) : std::nullopt;
  if (!fast(x, weight, bias)) return at::linear(x, weight, maybe_bias);
  RECORD_FUNCTION("hadal::linear", std::vector<c10::IValue>({x, weight}));  // for nn/costs.h, as in attention
  if (at::GradMode::is_enabled() && (wants_gradient(x) || wants_gradient(weight) || wants_gradient(bias)))
    return FastLinear::apply(x, weight, maybe_bias);
  at::AutoDispatchBelowADInplaceOrView below;
  return forward(x, weight, bias);
}

std::string linear_path() { return product_path(); }

}  // namespace hadal
