// What every model is, whatever its kind: a module whose weights have names of their own.
#pragma once
#include <string>
#include <vector>

#include "hadal/core/torch.h"

namespace hadal {

struct Model : torch::nn::Module {
  /// Layers that begin anew where training starts from weights of another class count; empty: none does.
  virtual std::vector<std::string> heads() const { return {}; }
  /// Weights as other libraries name them -> as this model does; unknown names stay.
  virtual TensorsByName own_names(const TensorsByName& weights) const { return weights; }
};

}  // namespace hadal
