#include "hadal/core/format.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

namespace hadal {
namespace {

template <size_t N>
std::string with_unit(double number, double step, const std::array<const char*, N>& units) {
  size_t unit = 0;
  // 999.5 and more would print as 1000 in three digits.
  while (unit + 1 < N && std::abs(number) >= (step == 1000 ? 999.5 : step)) number /= step, ++unit;
  const auto digits = unit == 0 || std::abs(number) >= 99.95 ? 0 : std::abs(number) >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f}{}{}", number, digits, *units[unit] ? " " : "", units[unit]);
}

/// The character that starts at text[at], and how many bytes it takes; a broken byte counts as one character.
std::pair<char32_t, size_t> character(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto first = byte(at);
  const size_t length = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 1;
  if (length == 1 || at + length > text.size()) return {first, 1};
  char32_t code = first & (0xff >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if (byte(at + i) >> 6 != 2) return {first, 1};
    code = code << 6 | (byte(at + i) & 0x3f);
  }
  return {code, length};
}

size_t columns(char32_t c) {
  if (c >= 0x300 && c <= 0x36f) return 0;
  const bool wide = (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) || (c >= 0xac00 && c <= 0xd7a3) ||
                    (c >= 0xf900 && c <= 0xfaff) || (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
                    (c >= 0x1f300 && c <= 0x1faff) || (c >= 0x20000 && c <= 0x3fffd);
  return wide ? 2 : 1;
}

}  // namespace

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "-";
  if (seconds < 0.995) return fmt::format("{:.2f} s", seconds);
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  // Past a hundred thousand years the figure means nothing, and it must not overflow.
  const auto whole = std::llround(std::min(seconds, 3e12));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  const auto minutes = (whole + 30) / 60;
  if (minutes < 24 * 60) return fmt::format("{} h {:02} min", minutes / 60, minutes % 60);
  const auto hours = (minutes + 30) / 60;
  return fmt::format("{} d {} h", hours / 24, hours % 24);
}

std::string format_count(int64_t count) {
  const auto text = fmt::format("{}", count);
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool digit_before = i > 0 && text[i - 1] != '-';
    if (digit_before && (text.size() - i) % 3 == 0) out += ',';
    out += text[i];
  }
  return out;
}

std::string format_short(double number) { return with_unit(number, 1000, std::array{"", "k", "M", "G", "T", "P"}); }

std::string format_bytes(double bytes) {
  return with_unit(bytes, 1024, std::array{"B", "KiB", "MiB", "GiB", "TiB", "PiB"});
}

std::string format_value(double value) {
  if (!std::isfinite(value)) return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
  const auto size = std::abs(value);
  if (size == 0) return "0";
  if (size >= 99999.5 || size < 0.00099995) return fmt::format("{:.2e}", value);
  if (size < 0.99995) return fmt::format("{:.{}f}", value, size < 0.0099995 ? 6 : size < 0.099995 ? 5 : 4);
  return fmt::format("{:.{}f}", value, size >= 999.95 ? 0 : size >= 99.995 ? 1 : size >= 9.9995 ? 2 : 3);
}

double tick_step(double span, int wanted) {
  const auto rough = span / wanted, power = std::pow(10, std::floor(std::log10(rough)));
  const auto lead = rough / power;
  return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
}

std::string format_tick(double value, double step) {
  if (!std::isfinite(value) || !(step > 0)) return format_value(value);
  if (std::abs(value) < step * 1e-6) return "0";
  const auto size = std::max(std::abs(value), step);
  const auto decimals = static_cast<int>(std::ceil(-std::log10(step) - 1e-9));
  const auto digits = std::clamp(static_cast<int>(std::floor(std::log10(size) + 1e-9)) + 1 + decimals, 3, 17);
  if (size >= 1e9 || size < 1e-4) return fmt::format("{:.{}g}", value, digits);
  if (size >= 1e4)
    return fmt::format("{:.{}g}{}", value / (size >= 1e6 ? 1e6 : 1e3), std::max(digits, 6), size >= 1e6 ? " M" : " k");
  return fmt::format("{:.{}f}", value, std::max(0, decimals));
}

size_t display_width(std::string_view text) {
  size_t width = 0;
  for (size_t at = 0; at < text.size();) {
    const auto [code, length] = character(text, at);
    width += columns(code), at += length;
  }
  return width;
}

std::string_view fit_width(std::string_view text, size_t width) {
  size_t used = 0, at = 0;
  while (at < text.size()) {
    const auto [code, length] = character(text, at);
    if (used + columns(code) > width) break;
    used += columns(code), at += length;
  }
  return text.substr(0, at);
}

}  // namespace hadal
