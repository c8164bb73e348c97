#include "hadal/io/json.h"

#include "hadal/core/error.h"

namespace hadal {

nlohmann::json parse_json(std::string_view text, std::string_view name) {
  try {
    return nlohmann::json::parse(text);
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
