#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include <sndfile.h>

#include "hadal/core/shape.h"
#include "hadal/io/bytes.h"
#include "hadal/io/file.h"
#include "hadal/io/sound.h"

namespace hadal {
namespace {

constexpr int64_t kPiece = 1 << 16;

/// Bytes in memory as libsndfile reads a file; `head` stands before them in place of the first ones.
struct Memory {
  std::span<const std::byte> bytes;
  std::vector<std::byte> head;
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
    const auto first = std::clamp<sf_count_t>(std::ssize(m.head) - m.at, 0, taken);
    auto* out = static_cast<std::byte*>(target);
    if (first > 0) std::memcpy(out, m.head.data() + m.at, static_cast<size_t>(first));
    if (taken > first) std::memcpy(out + first, m.bytes.data() + m.at + first, static_cast<size_t>(taken - first));
    m.at += taken;
    return taken;
  }
  static sf_count_t write(const void*, sf_count_t, void*) { return 0; }
};

/// What libsndfile writes into a string.
struct Sink {
  std::string bytes;
  sf_count_t at = 0;

  static Sink& of(void* user) { return *static_cast<Sink*>(user); }
  static sf_count_t length(void* user) { return std::ssize(of(user).bytes); }
  static sf_count_t tell(void* user) { return of(user).at; }
  static sf_count_t seek(sf_count_t offset, int whence, void* user) {
    auto& s = of(user);
    return s.at = offset + (whence == SEEK_SET ? 0 : whence == SEEK_CUR ? s.at : std::ssize(s.bytes));
  }
  static sf_count_t read(void*, sf_count_t, void*) { return 0; }
  static sf_count_t write(const void* source, sf_count_t count, void* user) {
    auto& s = of(user);
    if (s.at + count > std::ssize(s.bytes)) s.bytes.resize(static_cast<size_t>(s.at + count));
    std::memcpy(s.bytes.data() + s.at, source, static_cast<size_t>(count));
    s.at += count;
    return count;
  }
};

/// The beginning of a WAV, up to its samples, with sizes that are true, for libsndfile takes one that is cut short for
/// a shorter one and stops where the file's own size ends; empty where they are. Only the size of the data counts:
/// writers disagree on what the file's holds, and those that write to a pipe, or were stopped, leave sizes that are
/// none.
std::vector<std::byte> mended_head(std::span<const std::byte> bytes, std::string_view name) {
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
    std::vector<std::byte> out(bytes.begin(), bytes.begin() + begin);
    const auto put = [&](int64_t at, int64_t value) {
      const auto number = static_cast<uint32_t>(value);
      std::memcpy(out.data() + at, &number, sizeof number);
    };
    put(4, end - 8), put(begin - 4, size);
    return out;
  }
  return {};
}

using OpenSound = std::unique_ptr<SNDFILE, int (*)(SNDFILE*)>;

}  // namespace

bool has_sound_formats() { return true; }

struct SoundReader::File {
  File(std::span<const std::byte> bytes, std::string_view called)
      : name(called), memory{bytes, mended_head(bytes, called)}, open(nullptr, sf_close) {
    SF_VIRTUAL_IO io{Memory::length, Memory::seek, Memory::read, Memory::write, Memory::tell};
    open.reset(sf_open_virtual(&io, SFM_READ, &info, &memory));
    if (!open) throw FileError(name, fmt::format("not a sound that can be read: {}", sf_strerror(nullptr)));
    if (info.channels < 1 || info.samplerate < 1) throw FileError(name, "a sound without channels or rate");
  }

  std::string name;
  std::optional<MappedFile> mapped;
  Memory memory;
  SF_INFO info{};
  OpenSound open;
  int64_t at = 0;
};

SoundReader::SoundReader(std::span<const std::byte> bytes, std::string_view name)
    : file_(std::make_unique<File>(bytes, name)) {}
SoundReader::SoundReader(const std::filesystem::path& path) {
  MappedFile mapped(path);
  file_ = std::make_unique<File>(mapped.bytes(), mapped.name());
  file_->mapped = std::move(mapped);
}
SoundReader::~SoundReader() = default;
SoundReader::SoundReader(SoundReader&&) noexcept = default;

const std::string& SoundReader::name() const { return file_->name; }
int64_t SoundReader::rate() const { return file_->info.samplerate; }
int64_t SoundReader::channels() const { return file_->info.channels; }
int64_t SoundReader::length() const {
  const int64_t said = file_->info.frames;
  return said > 0 && said < (int64_t{1} << 60) ? said : -1;
}

Tensor SoundReader::read(int64_t count) {
  require(count >= 0, "[sound] a piece of {} samples", count);
  // What the header claims is not to be trusted: memory is taken for what comes.
  std::vector<float> all, piece(static_cast<size_t>(std::min(count, kPiece) * channels()));
  int64_t frames = 0;
  while (frames < count) {
    const auto got = sf_readf_float(file_->open.get(), piece.data(), std::min(count - frames, kPiece));
    if (got <= 0) break;
    frames += got;
    all.insert(all.end(), piece.begin(), piece.begin() + got * channels());
  }
  file_->at += frames;
  if (frames < count && file_->at < length())
    throw FileError(name(), fmt::format("cut short: {} of {} samples", file_->at, length()));
  const auto samples =
      torch::from_blob(all.data(), {frames, channels()}, torch::kFloat32).t().clone(at::MemoryFormat::Contiguous);
  return samples.isfinite().all().item<bool>() ? samples : samples.nan_to_num(0, 0, 0);
}

void SoundReader::seek(int64_t first) {
  if (first == file_->at) return;
  if (first < 0 || sf_seek(file_->open.get(), first, SEEK_SET) != first)
    throw FileError(name(), fmt::format("there is no sample {}", first));
  file_->at = first;
}

Sound decode_sound(std::span<const std::byte> bytes, std::string_view name, const SoundLimits& limits) {
  SoundReader reader(bytes, name);
  const auto most = limits.max_samples / reader.channels();
  std::vector<Tensor> pieces;
  for (int64_t frames = 0; pieces.empty() || pieces.back().size(1) > 0;) {
    pieces.push_back(reader.read(kPiece));
    frames += pieces.back().size(1);
    if (frames > most)
      throw FileError(name, fmt::format("more than {} samples of {} channels", most, reader.channels()));
  }
  const auto samples = torch::cat(pieces, 1);
  if (samples.size(1) == 0) throw FileError(name, "a sound without a sample");
  return {samples, reader.rate()};
}

std::string encode_wav(const Tensor& samples, int64_t rate, WavSamples kind) {
  require(rate >= 1 && rate <= 655350, "[sound] a WAV has a rate from 1 to 655350, got {}", rate);
  if ((samples.dim() != 1 && samples.dim() != 2) || samples.numel() == 0 || !samples.is_floating_point())
    fail("[sound] a WAV wants samples (T) or (channels, T), got {}", shape_text(samples));
  const auto frames = (samples.dim() == 1 ? samples.unsqueeze(0) : samples).detach().cpu().to(torch::kFloat32).t();
  require(frames.size(1) <= 64 && frames.numel() <= int64_t{1} << 29,
          "[sound] a WAV has up to 64 channels and {} samples, got {}", int64_t{1} << 29, shape_text(samples));
  if (!frames.isfinite().all().item<bool>()) fail("[sound] a sample is not a finite number");
  const bool whole = kind == WavSamples::int16;
  Sink sink;
  SF_VIRTUAL_IO io{Sink::length, Sink::seek, Sink::read, Sink::write, Sink::tell};
  SF_INFO info{};
  info.samplerate = static_cast<int>(rate), info.channels = static_cast<int>(frames.size(1));
  info.format = SF_FORMAT_WAV | (whole ? SF_FORMAT_PCM_16 : SF_FORMAT_FLOAT);
  OpenSound file(sf_open_virtual(&io, SFM_WRITE, &info, &sink), sf_close);
  if (!file) fail("[sound] libsndfile writes no such WAV: {}", sf_strerror(nullptr));
  sf_command(file.get(), SFC_SET_ADD_PEAK_CHUNK, nullptr, SF_FALSE);  // it would hold the time of day
  sf_count_t written = 0;
  if (whole) {
    // By the same 2^15 as readers divide by, so that what was read is written as it was.
    const auto rounded = (frames * 32768).round().clamp(-32768, 32767).to(torch::kInt16).contiguous();
    written = sf_writef_short(file.get(), rounded.const_data_ptr<int16_t>(), rounded.size(0));
  } else {
    written = sf_writef_float(file.get(), frames.contiguous().const_data_ptr<float>(), frames.size(0));
  }
  file.reset();
  if (written != frames.size(0)) fail("[sound] {} of {} samples were written", written, frames.size(0));
  return std::move(sink.bytes);
}

}  // namespace hadal
