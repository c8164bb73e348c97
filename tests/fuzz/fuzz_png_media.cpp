#include <zlib.h>

#include "tests/fuzz/picture.h"

namespace {

/// Gives each chunk its right checksum, so that mutations reach what lies behind the check.
std::string with_checksums(std::span<const std::byte> input) {
  std::string bytes(reinterpret_cast<const char*>(input.data()), input.size());
  const auto byte = [&](size_t at) { return static_cast<uint8_t>(bytes[at]); };
  for (size_t at = 8; at + 12 <= bytes.size();) {
    const size_t size = size_t{byte(at)} << 24 | byte(at + 1) << 16 | byte(at + 2) << 8 | byte(at + 3);
    if (size > bytes.size() - at - 12) break;
    const auto sum = crc32(0, reinterpret_cast<const Bytef*>(bytes.data() + at + 4), static_cast<uInt>(size + 4));
    for (size_t i = 0; i < 4; ++i) bytes[at + 8 + size + i] = static_cast<char>(sum >> (24 - 8 * i));
    at += 12 + size;
  }
  return bytes;
}

}  // namespace

FUZZ(input, hadal::fuzz::read_picture(std::as_bytes(std::span<const char>(with_checksums(input))), "\x89PNG\r\n\x1A\n"))
