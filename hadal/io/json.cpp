#include "hadal/io/json.h"

#include <charconv>

#include "hadal/core/error.h"

namespace hadal {
namespace {

/// The code unit of an escape such as \u00e9 at `at`; 0 where there is none.
uint32_t escape_at(std::string_view text, size_t at) {
  if (text.substr(at, 2) != "\\u" || text.size() < at + 6) return 0;
  uint32_t unit = 0;
  const auto* end = text.data() + at + 6;
  return std::from_chars(text.data() + at + 2, end, unit, 16).ptr == end ? unit : 0;
}

bool is_high(uint32_t unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool is_low(uint32_t unit) { return unit >= 0xDC00 && unit < 0xE000; }

/// Halves of a character that stand alone become U+FFFD, as long as they are: Python writes them where a text was cut,
/// and UTF-8 has no place for them.
std::string without_halves(std::string_view text) {
  std::string out(text);
  for (auto at = text.find('\\'); at != std::string_view::npos; at = text.find('\\', at)) {
    const auto unit = escape_at(text, at);
    const bool whole = is_high(unit) && is_low(escape_at(text, at + 6));
    if (!whole && (is_high(unit) || is_low(unit))) out.replace(at, 6, "\\ufffd");
    at += whole ? 12 : unit ? 6 : 2;
  }
  return out;
}

bool may_have_halves(std::string_view text) {
  return text.find("\\ud") != std::string_view::npos || text.find("\\uD") != std::string_view::npos;
}

}  // namespace

nlohmann::json parse_json(std::string_view text, std::string_view name) {
  try {
    return may_have_halves(text) ? nlohmann::json::parse(without_halves(text)) : nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    throw FileError(fmt::format("{} at byte {}", name, error.byte), "this is no JSON, or the file is cut off");
  } catch (const nlohmann::json::exception&) {
    throw FileError(std::string(name), "a number in this JSON is too large");
  }
}

void JsonValue::fail_here(std::string_view what) const {
  throw FileError(name_, path_.empty() ? std::string(what) : fmt::format("{} {}", path_, what));
}

const JsonValue& JsonValue::want(bool holds, std::string_view kind) const {
  if (!holds) fail_here(fmt::format("wants {}, got {}", kind, value_.type_name()));
  return *this;
}

JsonValue JsonValue::at(const std::string& key) const {
  table();
  const auto found = value_.find(key);
  if (found == value_.end()) fail_here(fmt::format("has no \"{}\"", key));
  return {*found, name_, path_.empty() ? key : path_ + "." + key};
}

JsonValue JsonValue::at(size_t index) const {
  list();
  if (index >= value_.size()) fail_here(fmt::format("has {} entries, wanted number {}", value_.size(), index));
  return {value_[index], name_, fmt::format("{}[{}]", path_, index)};
}

const std::string& JsonValue::text() const {
  want(value_.is_string(), "a text");
  return value_.get_ref<const std::string&>();
}

int64_t JsonValue::integer(int64_t low, int64_t high) const {
  want(value_.is_number_integer(), "a whole number");
  const bool beyond = value_.is_number_unsigned() && value_.get<uint64_t>() > static_cast<uint64_t>(high);
  if (beyond || value_.get<int64_t>() < low || value_.get<int64_t>() > high)
    fail_here(fmt::format("is {}, expected {} to {}", value_.dump(), low, high));
  return value_.get<int64_t>();
}

bool JsonValue::flag() const {
  want(value_.is_boolean(), "true or false");
  return value_.get<bool>();
}

std::string JsonValue::text_or(const std::string& key, const std::string& otherwise) const {
  return has(key) ? at(key).text() : otherwise;
}

bool JsonValue::flag_or(const std::string& key, bool otherwise) const { return has(key) ? at(key).flag() : otherwise; }

}  // namespace hadal
