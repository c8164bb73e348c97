// PyTorch's own files (.pt, .pth, .th, .bin), read without running anything that they name.
#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "hadal/io/tensors.h"

namespace hadal {

/// Reads the zip format (PyTorch 1.6 and later) and the one before it. Tensors keep their type, strides and shared
/// storages; those of a zip point into the mapped file.
///
/// Which tensors: a dictionary gives its tensors, nested ones under joined names (`a.b`); a pickled module, of any
/// class, gives its state_dict: parameters and persistent buffers, by module. So do TorchScript's archives, which
/// LibTorch's torch::save writes too: every tensor among the attributes, by module. When the outermost dictionary is a
/// checkpoint, the first of `ema`, `model_ema`, `state_dict_ema`, `ema_state_dict`, `params_ema`, `model`,
/// `state_dict`, `model_state_dict`, `net`, `network`, `params`, `weights` that is a dictionary or an object (not None)
/// with tensors in it is taken alone. Plain values of the outermost dictionary (epoch, best score, ...) become
/// metadata.
///
/// Throws FileError for damaged files, for tensors that cannot be read (quantised, sparse, ...), for archives with
/// compressed tensors, and for a pickle that names globals that run code (eval, os.system, ...): see pickle.h.
NamedTensors read_pytorch(const std::filesystem::path& path);

/// The same from memory; tensors may point into `bytes`, which `keep_alive` holds (empty: the caller does).
NamedTensors read_pytorch(std::span<const std::byte> bytes, const std::string& name,
                          const std::shared_ptr<const void>& keep_alive = {});

/// Whether the bytes begin like a file that read_pytorch reads.
bool looks_like_pytorch(std::span<const std::byte> bytes);

/// Writes an ordinary state_dict in the zip format, all or nothing; torch.load(weights_only=True) reads it. Views of
/// one storage stay views of one storage. Metadata has no place in the format and is left out.
void write_pytorch(const std::filesystem::path& path, const NamedTensors& tensors);

}  // namespace hadal
