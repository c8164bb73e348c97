#include "hadal/io/darknet_cfg.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "hadal/core/utf8.h"
#include "hadal/io/bytes.h"

namespace hadal {
namespace {

constexpr size_t kMostBytes = 1 << 20, kMostSections = 4097, kMostNumbers = 4096;

/// Darknet drops every blank of a line, also within it.
std::string squeezed(std::string_view line) {
  std::string out;
  for (const char c : line.substr(0, line.find('#')))
    if (c != ' ' && c != '\t' && c != '\r') out.push_back(c);
  return out.starts_with(';') ? "" : out;
}

/// The whole text as a number; false where it is none, or not a finite one.
template <class Number>
bool parse(std::string_view text, Number& number) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return false;
  if constexpr (std::is_floating_point_v<Number>) return std::isfinite(number);
  return true;
}

template <class Number>
Number parsed(const CfgSection& section, const CfgSection::Entry& entry, std::string_view text) {
  Number number{};
  if (!parse(text, number))
    section.refuse_at(entry.line, fmt::format("{} wants {}, got {}", entry.key,
                                              std::is_integral_v<Number> ? "a whole number" : "a number", shown(text)));
  return number;
}

template <class Number>
Number bounded(const CfgSection& section, std::string_view key, Number otherwise, Number low, Number high) {
  const auto* entry = section.find(key);
  if (!entry) return otherwise;
  const auto number = parsed<Number>(section, *entry, entry->value);
  if (number < low || number > high)
    section.refuse_at(entry->line, fmt::format("{} must be from {} to {}, got {}", key, low, high, number));
  return number;
}

template <class Number>
std::vector<Number> listed(const CfgSection& section, std::string_view key) {
  std::vector<Number> out;
  const auto* entry = section.find(key);
  if (!entry) return out;
  std::string_view rest = entry->value;
  while (!rest.empty()) {
    if (out.size() == kMostNumbers)
      section.refuse_at(entry->line, fmt::format("{} has more than {} numbers", key, kMostNumbers));
    const auto comma = rest.find(',');
    out.push_back(parsed<Number>(section, *entry, rest.substr(0, comma)));
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return out;
}

}  // namespace

void CfgSection::refuse_at(int64_t at, const std::string& text) const {
  throw FileError(fmt::format("{}, line {}", file, at), fmt::format("[{}] {}", kind, text));
}

const CfgSection::Entry* CfgSection::find(std::string_view key) const {
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.key == key; });
  return found == entries.end() ? nullptr : &*found;
}

int64_t CfgSection::integer(std::string_view key, int64_t otherwise, int64_t low, int64_t high) const {
  return bounded(*this, key, otherwise, low, high);
}
double CfgSection::number(std::string_view key, double otherwise, double low, double high) const {
  return bounded(*this, key, otherwise, low, high);
}
std::string CfgSection::text(std::string_view key, std::string_view otherwise) const {
  const auto* entry = find(key);
  return entry ? entry->value : std::string(otherwise);
}
std::vector<int64_t> CfgSection::integers(std::string_view key) const { return listed<int64_t>(*this, key); }
std::vector<double> CfgSection::numbers(std::string_view key) const { return listed<double>(*this, key); }

std::vector<CfgSection> read_darknet_cfg(std::string_view text, const std::string& name) {
  const auto refuse = [&](int64_t line, const std::string& what) {
    throw FileError(fmt::format("{}, line {}", name, line), what);
  };
  if (text.size() > kMostBytes)
    throw FileError(name, fmt::format("{} bytes; a .cfg has at most {}", text.size(), kMostBytes));
  text = without_mark(text);
  std::vector<CfgSection> sections;
  for (int64_t number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    const auto line = squeezed(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (line.empty()) continue;
    if (line.front() == '[') {
      if (line.back() != ']' || line.size() < 3)
        refuse(number, fmt::format("a section is [name], got {}", shown(line)));
      const auto kind = line.substr(1, line.size() - 2);
      if (!std::all_of(kind.begin(), kind.end(), [](unsigned char c) { return std::isalnum(c) || c == '_'; }))
        refuse(number, fmt::format("a section's name has letters, digits and _, got {}", shown(line)));
      if (sections.size() == kMostSections) refuse(number, fmt::format("more than {} layers", kMostSections - 1));
      sections.push_back({name, kind, number, {}});
      continue;
    }
    const auto equals = line.find('=');
    if (equals == std::string::npos || equals == 0)
      refuse(number, fmt::format("a line is key=value or [section], got {}", shown(line)));
    if (sections.empty())
      refuse(number, fmt::format("{} stands before any section; a .cfg begins with [net]", shown(line)));
    sections.back().entries.push_back({line.substr(0, equals), line.substr(equals + 1), number});
  }
  if (sections.empty()) throw FileError(name, "no section; a .cfg begins with [net]");
  if (sections.front().kind != "net" && sections.front().kind != "network")
    sections.front().refuse("comes first; a .cfg begins with [net]");
  if (sections.size() == 1) throw FileError(name, "no layer after [net]");
  return sections;
}

std::string darknet_cfg_text(const std::vector<CfgSection>& sections) {
  std::string out;
  for (const auto& section : sections) {
    out += fmt::format("[{}]\n", section.kind);
    for (const auto& entry : section.entries) out += fmt::format("{}={}\n", entry.key, entry.value);
  }
  return out;
}

}  // namespace hadal
