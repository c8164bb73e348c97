// Sounds that tests draw themselves, as WAV files.
#pragma once
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace hadal::test {

/// A WAV file of 16-bit samples.
inline std::string wav(const std::vector<int16_t>& samples, uint32_t rate = 8000, uint16_t channels = 1) {
  const auto number = [](uint64_t value, int bytes) {
    std::string out;
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
    return out;
  };
  const auto size = samples.size() * 2;
  auto out = "RIFF" + number(36 + size, 4) + "WAVEfmt " + number(16, 4) + number(1, 2) + number(channels, 2) +
             number(rate, 4) + number(rate * 2 * channels, 4) + number(2 * channels, 2) + number(16, 2) + "data" +
             number(size, 4);
  for (const auto sample : samples) out += number(static_cast<uint16_t>(sample), 2);
  return out;
}

inline std::string tone(double pitch, int64_t length = 2000) {
  std::vector<int16_t> samples;
  for (int64_t i = 0; i < length; ++i) samples.push_back(static_cast<int16_t>(8000 * std::sin(pitch * double(i))));
  return wav(samples);
}

}  // namespace hadal::test
