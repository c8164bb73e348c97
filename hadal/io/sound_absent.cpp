#include "hadal/core/error.h"
#include "hadal/io/sound.h"

namespace hadal {
namespace {

constexpr auto kAbsent = "this build of Hadal reads and writes no sound (HADAL_CORE_ONLY); build it with libsndfile";

}  // namespace

bool has_sound_formats() { return false; }

Sound decode_sound(std::span<const std::byte>, std::string_view name, const SoundLimits&) {
  throw FileError(name, kAbsent);
}

struct SoundReader::File {
  std::string name;
};
SoundReader::SoundReader(const std::filesystem::path& path) { throw FileError(path.string(), kAbsent); }
SoundReader::SoundReader(std::span<const std::byte>, std::string_view name) { throw FileError(name, kAbsent); }
SoundReader::~SoundReader() = default;
SoundReader::SoundReader(SoundReader&&) noexcept = default;
const std::string& SoundReader::name() const { return file_->name; }
int64_t SoundReader::rate() const { return 0; }
int64_t SoundReader::channels() const { return 0; }
int64_t SoundReader::length() const { return 0; }
Tensor SoundReader::read(int64_t) { throw FileError(name(), kAbsent); }
void SoundReader::seek(int64_t) { throw FileError(name(), kAbsent); }

std::string encode_wav(const Tensor&, int64_t, WavSamples) { throw FileError("WAV", kAbsent); }

}  // namespace hadal
