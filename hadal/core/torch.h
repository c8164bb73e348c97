// What nearly every file of Hadal needs of LibTorch: tensors and modules. Precompiled; far lighter than torch/torch.h.
#pragma once
#include <torch/nn/functional.h>
#include <torch/nn/init.h>
#include <torch/nn/module.h>
#include <torch/nn/modules.h>
#include <torch/types.h>

namespace hadal {

namespace nn = torch::nn;
namespace F = torch::nn::functional;
using torch::Tensor;

}  // namespace hadal
