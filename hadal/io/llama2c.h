// Weights as llama2.c writes them (https://github.com/karpathy/llama2.c, export version 0): seven int32 - dim, hidden
// width, layers, heads, key and value heads, vocabulary (negative: the head has weights of its own), context - then
// float32 matrices, kind by kind.
#pragma once
#include <cstddef>
#include <span>
#include <string>

#include "hadal/io/tensors.h"

namespace hadal {

/// Whether the header makes sense and the bytes are as many as it asks for; the format has no magic number.
bool is_llama2c(std::span<const std::byte> bytes);

/// Tensors under the names of Hugging Face's LlamaForCausalLM, rotary features in its order; metadata "config" holds
/// the recipe's lines that make the model. Throws FileError for anything else than is_llama2c() takes.
NamedTensors read_llama2c(std::span<const std::byte> bytes, const std::string& name);

}  // namespace hadal
