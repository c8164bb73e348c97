#include "hadal/nn/mlp.h"

#include "hadal/core/error.h"
#include "hadal/ops/tokens.h"

namespace hadal {

const std::vector<std::string>& activations() {
  static const std::vector<std::string> names = {"gelu", "gelu_tanh", "relu", "silu", "swiglu", "geglu"};
  return names;
}

bool is_gated(const std::string& activation) { return activation == "swiglu" || activation == "geglu"; }

MlpLayersImpl::MlpLayersImpl(int64_t dim, int64_t hidden, const std::string& activation, bool bias,
                             double inner_dropout, double dropout)
    : activation_(activation), inner_dropout_(inner_dropout), dropout_(dropout) {
  const auto& known = activations();
  require(std::find(known.begin(), known.end(), activation) != known.end(), "[mlp] unknown activation \"{}\"{}",
          activation, suggest(activation, known));
  widen = register_module("0", Linear(dim, is_gated(activation) ? 2 * hidden : hidden, bias));
  narrow = register_module("3", Linear(hidden, dim, bias));
  for (const auto& layer : {widen, narrow}) {
    init::xavier_uniform(layer->weight);
    if (bias) init::normal(layer->bias, 1e-6);
  }
}

Tensor MlpLayersImpl::activate(const Tensor& x) const {
  if (activation_ == "gelu") return torch::gelu(x);
  if (activation_ == "gelu_tanh") return torch::gelu(x, "tanh");
  if (activation_ == "relu") return torch::relu(x);
  if (activation_ == "silu") return torch::silu(x);
  const auto halves = x.chunk(2, -1);
  return (activation_ == "swiglu" ? torch::silu(halves[0]) : torch::gelu(halves[0])) * halves[1];
}

Tensor MlpLayersImpl::forward(const Tensor& x, const Tensor& residual) {
  const auto wide = dropped(activate(widen(x)), inner_dropout_, is_training());
  return add_dropout(narrow(wide), residual, is_training() ? dropout_ : 0);
}

}  // namespace hadal
