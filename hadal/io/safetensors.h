// Hugging Face's safetensors (https://github.com/huggingface/safetensors#format): eight bytes of header length, a JSON
// header with dtype, shape and place of each tensor, then the tensors' bytes.
#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "hadal/io/tensors.h"

namespace hadal {

/// Maps the file; tensors point into the mapping, keep it alive, and may be written to (a private copy of the page is
/// made then, the file stays). Order of the header. Throws FileError with the file's name for anything that is not
/// well formed.
NamedTensors read_safetensors(const std::filesystem::path& path);

/// The same from memory; tensors point into `bytes`, which `keep_alive` holds (empty: the caller does).
NamedTensors read_safetensors(std::span<const std::byte> bytes, const std::string& name,
                              const std::shared_ptr<const void>& keep_alive = {});

/// Writes all or nothing, one tensor at a time. Any strides, any device. Throws Error for a name that comes twice and
/// for a type of element that the format has not.
void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors);
/// The same into memory.
std::string encode_safetensors(const NamedTensors& tensors);

}  // namespace hadal
