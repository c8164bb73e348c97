// Sound files: WAV, FLAC, Ogg Vorbis, told apart by content, through libsndfile.
#pragma once
#include <span>
#include <string_view>

#include "hadal/core/torch.h"

namespace hadal {

struct Sound {
  Tensor samples;    // (channels, T) float32 in [-1, 1]
  int64_t rate = 0;  // samples a second
};

struct SoundLimits {
  int64_t max_samples = int64_t{1} << 28;  // of all channels together
};

/// Throws FileError with `name` for what is no sound, is cut short or is longer than the limit.
Sound decode_sound(std::span<const std::byte> bytes, std::string_view name, const SoundLimits& limits = {});

}  // namespace hadal
