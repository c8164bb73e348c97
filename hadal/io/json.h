// JSON from files that nobody vouches for: every value is looked at before it is used, and a message says where it
// stands.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace hadal {

/// Throws FileError with the file's name and the byte where it stops being JSON. An escaped half of a character
/// ("\ud83d" alone) becomes U+FFFD.
nlohmann::json parse_json(std::string_view text, std::string_view name);

/// A value and the way to it, "model.vocab". What it is not throws FileError: "f.json: model.vocab wants a table, got a
/// number". The value and the name must outlive it.
class JsonValue {
 public:
  JsonValue(const nlohmann::json& value, std::string_view name, std::string path = "")
      : value_(value), name_(name), path_(std::move(path)) {}

  const nlohmann::json& raw() const { return value_; }
  std::string_view name() const { return name_; }
  bool has(const std::string& key) const {
    return value_.is_object() && value_.contains(key) && !value_[key].is_null();
  }
  /// A member that must be there.
  JsonValue at(const std::string& key) const;
  JsonValue at(size_t index) const;
  size_t size() const { return value_.size(); }
  const JsonValue& table() const { return want(value_.is_object(), "a table"); }
  const JsonValue& list() const { return want(value_.is_array(), "a list"); }
  const std::string& text() const;
  int64_t integer(int64_t low, int64_t high) const;
  bool flag() const;
  std::string text_or(const std::string& key, const std::string& otherwise) const;
  bool flag_or(const std::string& key, bool otherwise) const;
  [[noreturn]] void fail_here(std::string_view what) const;

 private:
  const JsonValue& want(bool holds, std::string_view kind) const;

  const nlohmann::json& value_;
  std::string_view name_;
  std::string path_;
};

}  // namespace hadal
