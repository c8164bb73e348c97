// Token ids as vectors.
#pragma once
#include "hadal/core/error.h"
#include "hadal/nn/init.h"

namespace hadal {

/// nn.Embedding's parameter, weight (rows, dim), begun as N(0, std^2).
struct EmbeddingImpl : nn::Module {
  EmbeddingImpl(int64_t rows, int64_t dim, double std = 1) {
    weight = register_parameter("weight", torch::empty({rows, dim}));
    init::normal(weight, std);
  }
  /// ids (...) int64 -> (..., dim). Throws Error for an id that has no row.
  Tensor forward(const Tensor& ids) {
    if (ids.numel() > 0 && ids.device().is_cpu()) {
      const auto [least, most] = at::aminmax(ids);
      const auto low = least.item<int64_t>(), high = most.item<int64_t>();
      if (low < 0 || high >= weight.size(0))
        fail("[embedding] there is no row for id {}; ids are 0 to {}", low < 0 ? low : high, weight.size(0) - 1);
    }
    return torch::embedding(weight, ids);
  }

  Tensor weight;
};
TORCH_MODULE(Embedding);

}  // namespace hadal
