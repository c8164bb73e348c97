// Settings as they come: from a TOML file, or as `key=value` words of the command line.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace hadal {

struct Value;
struct Entry;
using List = std::vector<Value>;

/// A word of the command line, not read yet: what it means depends on the setting that it is given to.
struct Word {
  std::string text;
  bool operator==(const Word&) const = default;
};

/// Named values in the order they were set.
class Table {
 public:
  Table();
  Table(std::initializer_list<Entry> entries);
  Table(const Table&);
  Table(Table&&) noexcept;
  Table& operator=(const Table&);
  Table& operator=(Table&&) noexcept;
  ~Table();

  const std::vector<Entry>& entries() const { return entries_; }
  bool empty() const { return entries_.empty(); }
  /// nullptr when there is none.
  const Value* find(std::string_view key) const;
  /// Adds, or replaces in place.
  void set(std::string_view key, Value value);
  void erase(std::string_view key);
  /// `a.b.c`: goes down, making tables on the way. A name or word in the way becomes {name = ...}, so that
  /// `optimizer = "sgd"` and `optimizer.lr=0.1` go together. Throws UsageError when a number is in the way.
  void set_path(std::string_view path, Value value);
  const Value* find_path(std::string_view path) const;
  /// Every entry of `other` over this one's; tables merge.
  void merge(const Table& other);
  bool operator==(const Table& other) const;

 private:
  std::vector<Entry> entries_;
};

struct Value : std::variant<bool, int64_t, double, std::string, Word, List, Table> {
  using variant::variant;
  Value(const char* text) : variant(std::string(text)) {}
  Value(int number) : variant(static_cast<int64_t>(number)) {}

  template <class T>
  const T* get_if() const {
    return std::get_if<T>(static_cast<const variant*>(this));
  }
  template <class T>
  T* get_if() {
    return std::get_if<T>(static_cast<variant*>(this));
  }
  /// As TOML writes it: 0.1, "text", [1, 2], {a = 1}.
  std::string text() const;
};

struct Entry {
  std::string key;
  Value value;
  bool operator==(const Entry&) const = default;
};

/// Reads TOML; `name` is the file's, for messages with line and column (UsageError).
Table parse_toml(std::string_view text, std::string_view name);
/// Reads one value as TOML writes it; false when it is none.
bool parse_value(std::string_view text, Value& value);
/// Writes TOML: plain values first, then tables as [sections].
std::string to_toml(const Table& table);

}  // namespace hadal
