#include "hadal/report/tensorboard.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <protozero/pbf_writer.hpp>
#include <unistd.h>

#include "hadal/core/error.h"

namespace hadal {
namespace {

using protozero::pbf_writer;

// Field numbers of event.proto, summary.proto and tensor.proto.
namespace event_field {
enum : protozero::pbf_tag_type { wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7 };
}
namespace value_field {
enum : protozero::pbf_tag_type { tag = 1, simple_value = 2, image = 4, sound = 6, tensor = 8, metadata = 9 };
}
constexpr int32_t kSessionStart = 1, kString = 7;
constexpr std::string_view kPrefix = "events.out.tfevents.";

constexpr auto kCrcTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0u);
    table[i] = crc;
  }
  return table;
}();

// A checksum of data that holds checksums is a trap, hence the rotation and the constant.
uint32_t masked_crc(std::string_view bytes) {
  const auto crc = crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

template <class T>
void append_little_endian(std::string& out, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

double system_clock() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// "0001763895360" of a name like events.out.tfevents.1763895360.host.123.0; 0 where it is none of ours.
int64_t second_in_name(std::string_view name) {
  int64_t second = 0;
  if (name.starts_with(kPrefix)) std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), second);
  return second;
}

/// TensorBoard reads a folder's files in the order of their names: a resumed run's file must come last, also when it
/// starts within the same second or after the clock was set back.
std::filesystem::path next_file(const std::filesystem::path& folder, double now) {
  auto second = static_cast<int64_t>(now);
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    second = std::max(second, second_in_name(entry.path().filename().string()) + 1);
  char host[256] = "localhost";
  ::gethostname(host, sizeof host - 1);
  return folder / fmt::format("{}{:010}.{}.{}.hadal", kPrefix, second, host, ::getpid());
}

/// An event of one summary value; `fill` writes what the value holds.
template <class Fill>
std::string summary_event(double wall_time, int64_t step, std::string_view tag, const Fill& fill) {
  std::string out;
  pbf_writer event(out);
  event.add_double(event_field::wall_time, wall_time);
  event.add_int64(event_field::step, step);
  pbf_writer summary(event, event_field::summary);
  pbf_writer value(summary, 1);
  value.add_string(value_field::tag, tag.data(), tag.size());
  fill(value);
  value.commit();
  summary.commit();
  return out;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (const char c : bytes) crc = crc >> 8 ^ kCrcTable[(crc ^ static_cast<unsigned char>(c)) & 0xff];
  return ~crc;
}

std::string tfrecord(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + 16);
  append_little_endian<uint64_t>(out, bytes.size());
  append_little_endian(out, masked_crc(out));
  out += bytes;
  append_little_endian(out, masked_crc(bytes));
  return out;
}

TensorBoard::TensorBoard(const std::filesystem::path& folder, std::optional<int64_t> purge_step,
                         std::function<double()> clock)
    : clock_(clock ? std::move(clock) : system_clock) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw FileError(folder.string(), fmt::format("cannot make the folder: {}", error.message()));
  file_ = next_file(folder, clock_());
  descriptor_ = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0) throw FileError(file_.string(), fmt::format("cannot write: {}", std::strerror(errno)));

  std::string version;
  pbf_writer first(version);
  first.add_double(event_field::wall_time, clock_());
  first.add_string(event_field::file_version, "brain.Event:2");
  write(version);
  if (!purge_step) return;
  std::string start;
  pbf_writer event(start);
  event.add_double(event_field::wall_time, clock_());
  event.add_int64(event_field::step, *purge_step);
  pbf_writer(event, event_field::session_log).add_enum(1, kSessionStart);
  write(start);
}

TensorBoard::~TensorBoard() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void TensorBoard::scalars(int64_t step, const Metrics& values) {
  if (values.empty()) return;
  std::string out;
  pbf_writer event(out);
  event.add_double(event_field::wall_time, clock_());
  event.add_int64(event_field::step, step);
  {
    pbf_writer summary(event, event_field::summary);
    for (const auto& [tag, number] : values) {
      pbf_writer value(summary, 1);
      value.add_string(value_field::tag, tag);
      value.add_float(value_field::simple_value, static_cast<float>(number));
    }
  }
  write(out);
}

void TensorBoard::image(int64_t step, std::string_view tag, std::string_view png, int64_t height, int64_t width,
                        int64_t channels) {
  write(summary_event(clock_(), step, tag, [&](pbf_writer& value) {
    pbf_writer image(value, value_field::image);
    image.add_int32(1, static_cast<int32_t>(height));
    image.add_int32(2, static_cast<int32_t>(width));
    image.add_int32(3, static_cast<int32_t>(channels));
    image.add_bytes(4, png.data(), png.size());
  }));
}

void TensorBoard::sound(int64_t step, std::string_view tag, std::string_view wav, int64_t rate, int64_t channels,
                        int64_t samples) {
  write(summary_event(clock_(), step, tag, [&](pbf_writer& value) {
    pbf_writer sound(value, value_field::sound);
    sound.add_float(1, static_cast<float>(rate));
    sound.add_int64(2, channels);
    sound.add_int64(3, samples);
    sound.add_bytes(4, wav.data(), wav.size());
    sound.add_string(5, "audio/wav");
  }));
}

void TensorBoard::text(int64_t step, std::string_view tag, std::string_view markdown) {
  write(summary_event(clock_(), step, tag, [&](pbf_writer& value) {
    {
      pbf_writer tensor(value, value_field::tensor);
      tensor.add_enum(1, kString);
      {
        pbf_writer shape(tensor, 2);
        pbf_writer dimension(shape, 2);
        dimension.add_int64(1, 1);
      }
      tensor.add_bytes(8, markdown.data(), markdown.size());
    }
    pbf_writer metadata(value, value_field::metadata);
    pbf_writer plugin(metadata, 1);
    plugin.add_string(1, "text");
  }));
}

void TensorBoard::verbatim(int64_t step, std::string_view tag, std::string_view content) {
  // Indented by four spaces, Markdown leaves text alone, whatever characters it holds.
  std::string markdown = "    ";
  for (const char c : content) {
    markdown += c;
    if (c == '\n') markdown += "    ";
  }
  text(step, tag, markdown);
}

void TensorBoard::write(std::string_view event) {
  const auto record = tfrecord(event);
  std::string_view rest = record;
  while (!rest.empty()) {
    const auto count = ::write(descriptor_, rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw FileError(file_.string(), fmt::format("cannot write: {}", std::strerror(errno)));
    rest.remove_prefix(static_cast<size_t>(count));
  }
}

}  // namespace hadal
