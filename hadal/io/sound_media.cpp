#include <algorithm>
#include <cstring>
#include <vector>

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

/// A WAV with sizes that are true, for libsndfile takes one that is cut short for a shorter one and stops where the
/// file's own size ends; empty where they are. Only the size of the data counts: writers disagree on what the file's
/// holds, and those that write to a pipe, or were stopped, leave sizes that are none.
std::vector<std::byte> mended_wav(std::span<const std::byte> bytes, std::string_view name) {
  constexpr int64_t kNone = 0x7ff00000;
  if (bytes.size() < 12 || std::memcmp(bytes.data(), "RIFF", 4) != 0) return {};
  const auto end = std::ssize(bytes), whole = int64_t{Cursor(bytes, name, 4).read<uint32_t>()};
  Cursor cursor(bytes, name, 12);
  while (cursor.left() >= 8) {
    const auto kind = cursor.take_text(4);
    auto size = int64_t{cursor.read<uint32_t>()};
    const auto there = static_cast<int64_t>(cursor.left()), begin = end - there;
    if (kind != "data") {
      cursor.take(static_cast<uint64_t>(std::min(there, size + size % 2)));
      continue;
    }
    const bool open = size >= kNone || (size == 0 && (whole >= kNone || whole + 8 <= begin));
    if (open) size = there;
    if (size > there) throw FileError(name, fmt::format("cut short: {} of {} bytes", end, begin + size));
    if ((!open && whole + 8 == end) || end >= kNone) return {};
    std::vector<std::byte> out(bytes.begin(), bytes.end());
    const auto put = [&](int64_t at, int64_t value) {
      const auto number = static_cast<uint32_t>(value);
      std::memcpy(out.data() + at, &number, sizeof number);
    };
    put(4, end - 8), put(begin - 4, size);
    return out;
  }
  return {};
}

}  // namespace

Sound decode_sound(std::span<const std::byte> bytes, std::string_view name, const SoundLimits& limits) {
  const auto mended = mended_wav(bytes, name);
  Memory memory{mended.empty() ? bytes : std::span<const std::byte>(mended)};
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
