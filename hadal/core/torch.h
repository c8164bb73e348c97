// What nearly every file of Hadal needs of LibTorch: tensors and modules. Precompiled; far lighter than torch/torch.h.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <torch/nn/functional.h>
#include <torch/nn/init.h>
#include <torch/nn/module.h>
#include <torch/nn/modules.h>
#include <torch/types.h>

namespace hadal {

namespace nn = torch::nn;
namespace F = torch::nn::functional;
using torch::Tensor;
/// Tensors under their names, in order: a state dict.
using TensorsByName = std::vector<std::pair<std::string, Tensor>>;

}  // namespace hadal
