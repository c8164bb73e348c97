#include <algorithm>
#include <cstring>

#include <sndfile.h>

#include "hadal/core/error.h"
#include "hadal/io/bytes.h"
#include "hadal/io/sound.h"

namespace hadal {
namespace {

/// Bytes in memory as libsndfile reads a file.
struct Memory {
  std::span<const std::byte> bytes;
  sf_count_t at = 0;

  static Memory& of(void* user) { return *static_cast<Memory*>(user); }
  sf_count_t size() const { return static_cast<sf_count_t>(bytes.size()); }

  static sf_count_t length(void* user) { return of(user).size(); }
  static sf_count_t tell(void* user) { return of(user).at; }
  static sf_count_t seek(sf_count_t offset, int whence, void* user) {
    auto& m = of(user);
    const auto from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? m.at : m.size();
    return m.at = std::clamp<sf_count_t>(from + std::clamp<sf_count_t>(offset, -m.size(), m.size()), 0, m.size());
  }
  static sf_count_t read(void* target, sf_count_t count, void* user) {
    auto& m = of(user);
    const auto taken = std::clamp<sf_count_t>(count, 0, m.size() - m.at);
    if (taken > 0) std::memcpy(target, m.bytes.data() + m.at, static_cast<size_t>(taken));
    m.at += taken;
    return taken;
  }
  static sf_count_t write(const void*, sf_count_t, void*) { return 0; }
};

/// libsndfile takes a WAV that is cut short for a shorter one. Programs that write to a pipe leave a size that is none.
void check_whole_wav(std::span<const std::byte> bytes, std::string_view name) {
  constexpr size_t kHeader = 8;
  constexpr int64_t kNone = 0x7ff00000;
  if (bytes.size() < kHeader || std::memcmp(bytes.data(), "RIFF", 4) != 0) return;
  const auto claimed = int64_t{Cursor(bytes, name, 4).read<uint32_t>()},
             there = std::ssize(bytes) - static_cast<int64_t>(kHeader);
  if (claimed < kNone && claimed > there + 1)  // the last byte may be padding
    throw FileError(name, fmt::format("cut short: {} of {} bytes", there + 8, claimed + 8));
}

}  // namespace

Sound decode_sound(std::span<const std::byte> bytes, std::string_view name, const SoundLimits& limits) {
  check_whole_wav(bytes, name);
  Memory memory{bytes};
  SF_VIRTUAL_IO io{Memory::length, Memory::seek, Memory::read, Memory::write, Memory::tell};
  SF_INFO info{};
  const std::unique_ptr<SNDFILE, int (*)(SNDFILE*)> file(sf_open_virtual(&io, SFM_READ, &info, &memory), sf_close);
  if (!file) throw FileError(name, fmt::format("not a sound that can be read: {}", sf_strerror(nullptr)));
  const int64_t channels = info.channels, most = limits.max_samples / std::max<int64_t>(channels, 1);
  if (channels < 1 || info.samplerate < 1) throw FileError(name, "a sound without channels or rate");
  // What the header claims is not to be trusted: sound is taken piece by piece.
  constexpr int64_t kPiece = 1 << 16;
  std::vector<float> all, piece(static_cast<size_t>(kPiece * channels));
  int64_t frames = 0;
  while (true) {
    const auto got = sf_readf_float(file.get(), piece.data(), kPiece);
    if (got <= 0) break;
    frames += got;
    if (frames > most) throw FileError(name, fmt::format("more than {} samples of {} channels", most, channels));
    all.insert(all.end(), piece.begin(), piece.begin() + got * channels);
  }
  if (frames == 0) throw FileError(name, "a sound without a sample");
  if (info.frames > 0 && info.frames < (int64_t{1} << 60) && frames < info.frames)
    throw FileError(name, fmt::format("cut short: {} of {} samples", frames, info.frames));
  auto samples =
      torch::from_blob(all.data(), {frames, channels}, torch::kFloat32).t().clone(at::MemoryFormat::Contiguous);
  return {samples.isfinite().all().item<bool>() ? samples : samples.nan_to_num(0, 0, 0), info.samplerate};
}

}  // namespace hadal
