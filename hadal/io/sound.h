// Sound files: WAV, FLAC, Ogg Vorbis, told apart by content, through libsndfile; and WAV to write.
#pragma once
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "hadal/core/torch.h"

namespace hadal {

/// Whether this build reads and writes sounds.
bool has_sound_formats();

struct Sound {
  Tensor samples;    // (channels, T) float32 in [-1, 1]
  int64_t rate = 0;  // samples a second
};

struct SoundLimits {
  int64_t max_samples = int64_t{1} << 28;  // of all channels together
};

/// Throws FileError with `name` for what is no sound, is cut short or is longer than the limit.
Sound decode_sound(std::span<const std::byte> bytes, std::string_view name, const SoundLimits& limits = {});

/// A sound piece by piece: what is decoded is what is asked for, so that one of hours is never held. Throws FileError
/// for what is no sound, and, where a piece is asked for that the file lacks, for one that is cut short.
class SoundReader {
 public:
  explicit SoundReader(const std::filesystem::path& path);
  /// Bytes that stay where they are.
  SoundReader(std::span<const std::byte> bytes, std::string_view name);
  ~SoundReader();
  SoundReader(SoundReader&&) noexcept;

  const std::string& name() const;
  int64_t rate() const;
  int64_t channels() const;
  /// How many samples a channel the file says it has; -1 where it does not say.
  int64_t length() const;
  /// The next `count` samples, (channels, count) float32, fewer at the end; none behind it.
  Tensor read(int64_t count);
  /// The next read() begins with sample `first`. Throws FileError where the file has no such place.
  void seek(int64_t first);

 private:
  struct File;
  std::unique_ptr<File> file_;
};

enum class WavSamples { int16, float32 };

/// A whole WAV file of samples (T) or (channels, T). As int16, what is beyond [-1, 1] is cut off there; float32 keeps
/// it. Throws UsageError for a rate below 1, and Error for no sample or one that is not finite.
std::string encode_wav(const Tensor& samples, int64_t rate, WavSamples kind = WavSamples::int16);

}  // namespace hadal
