#include "hadal/io/bytes.h"

#include <algorithm>
#include <array>

#include "hadal/core/utf8.h"

namespace hadal {

std::string shown(std::string_view text) {
  constexpr size_t kMost = 80;
  // Not control characters, nor those that turn what stands around them.
  const auto harmless = [](char32_t c) {
    return (c >= 0x20 && c < 0x7f) || (c >= 0xa0 && (c < 0x200b || c > 0x206f) && c != 0x061c && c != 0xfeff &&
                                       (c < 0xfff0 || c > 0xfffb) && c < 0xe0000);
  };
  std::string out = "\"";
  size_t at = 0;
  for (size_t count = 0; at < text.size() && count < kMost; ++count) {
    const auto [code, length] = character_at(text, at);
    if (length > 0 && harmless(code))
      out += text.substr(at, length);
    else
      for (const unsigned char c : text.substr(at, std::max<size_t>(length, 1))) out += fmt::format("\\x{:02x}", c);
    at += std::max<size_t>(length, 1);
  }
  return out + (at < text.size() ? "...\"" : "\"");
}

namespace {

// Eight bytes a step: table[k][b] is the checksum of byte b followed by k zero bytes.
using Tables = std::array<std::array<uint32_t, 256>, 8>;
constexpr Tables make_tables() {
  Tables tables{};
  for (uint32_t b = 0; b < 256; ++b) {
    uint32_t value = b;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (value & 1 ? 0xEDB88320u : 0u);
    tables[0][b] = value;
  }
  for (size_t k = 1; k < 8; ++k)
    for (size_t b = 0; b < 256; ++b) tables[k][b] = (tables[k - 1][b] >> 8) ^ tables[0][tables[k - 1][b] & 255];
  return tables;
}
constexpr Tables kTables = make_tables();

}  // namespace

uint32_t crc32(std::span<const std::byte> bytes) {
  uint32_t crc = ~0u;
  size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + i, 8);
    word ^= crc;
    crc = 0;
    for (size_t k = 0; k < 8; ++k) crc ^= kTables[7 - k][(word >> (8 * k)) & 255];
  }
  for (; i < bytes.size(); ++i) crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<uint32_t>(bytes[i])) & 255];
  return ~crc;
}

}  // namespace hadal
