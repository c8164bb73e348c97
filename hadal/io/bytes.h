// What the readers of binary formats share: a cursor that never leaves its bytes, names fit for a message, checksums.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "hadal/core/error.h"

namespace hadal {

static_assert(std::endian::native == std::endian::little, "Hadal's file formats are read as little-endian memory");

/// Text from a file, in quotes, at most 80 characters, with anything unprintable as \xNN: safe to show.
std::string shown(std::string_view text);

/// CRC-32 as zip has it (polynomial 0xEDB88320).
uint32_t crc32(std::span<const std::byte> bytes);

/// Reads forward through bytes. Every read past the end throws FileError with the file's name and the offset.
class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, std::string_view name, size_t position = 0)
      : bytes_(bytes), name_(name), position_(position) {}

  size_t position() const { return position_; }
  size_t left() const { return bytes_.size() - position_; }
  std::span<const std::byte> take(uint64_t count) {
    if (count > left()) fail_here(fmt::format("cut short: {} bytes wanted, {} left", count, left()));
    const auto out = bytes_.subspan(position_, count);
    position_ += count;
    return out;
  }
  std::string_view take_text(uint64_t count) {
    const auto out = take(count);
    return {reinterpret_cast<const char*>(out.data()), out.size()};
  }
  /// The text up to the next newline, which is passed over.
  std::string_view take_line() {
    const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + position_, left());
    const auto end = rest.find('\n');
    if (end == std::string_view::npos) fail_here("cut short in a line of text");
    position_ += end + 1;
    return rest.substr(0, end);
  }
  /// A little-endian number.
  template <class T>
  T read() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  [[noreturn]] void fail_here(std::string_view what) const {
    throw FileError(fmt::format("{} at byte {}", name_, position_), what);
  }

 private:
  std::span<const std::byte> bytes_;
  std::string_view name_;
  size_t position_;
};

}  // namespace hadal
