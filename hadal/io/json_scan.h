// Reading large JSON without building it in memory: the reader asks for what it expects, in the order it stands there.
//
//   JsonScanner json(text, "f.json");
//   json.table([&](std::string_view key) {
//     if (key == "id") id = json.integer();
//     else json.skip();
//   });
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "hadal/core/error.h"
#include "hadal/core/utf8.h"

namespace hadal {

/// Every mistake throws FileError with the file's name and the byte. The text and the name must outlive it.
class JsonScanner {
 public:
  JsonScanner(std::string_view text, std::string_view name)
      : text_(text), name_(name), at_(text.size() - without_mark(text).size()) {}

  /// Calls member(key) for each member; it must read or skip the value. The key is valid until then.
  template <class Member>
  void table(Member member) {
    begin('{', "a table");
    if (take('}')) return;
    std::string room;
    do {
      const auto name = key(room);
      if (!take(':')) fail_here("expected \":\" behind a key");
      member(name);
    } while (take(','));
    if (!take('}')) fail_here("expected \",\" or \"}\"");
  }
  /// Calls entry() for each entry; it must read or skip the value.
  template <class Entry>
  void list(Entry entry) {
    begin('[', "a list");
    if (take(']')) return;
    do entry();
    while (take(','));
    if (!take(']')) fail_here("expected \",\" or \"]\"");
  }
  double number();
  /// Also what is written as 3.0 or 3e2.
  int64_t integer();
  /// true, false, 0 or 1.
  bool flag();
  std::string text();
  /// Takes a null when there is one.
  bool null();
  void skip();
  /// The first letter of the next value: '{', '[', '"', a digit, '-', 't', 'f', 'n'; 0 at the end.
  char peek() {
    white();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  /// Nothing but white space may follow.
  void end();

  size_t position() const { return at_; }
  std::string_view name() const { return name_; }
  [[noreturn]] void fail_here(std::string_view what) const;

 private:
  void begin(char bracket, std::string_view kind);
  bool take(char wanted) {
    if (peek() != wanted) return false;
    ++at_;
    if (wanted == '}' || wanted == ']') --depth_;
    return true;
  }
  bool take_word(std::string_view word);
  void white() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
      ++at_;
  }
  // Plain text as it stands in the file; else unescaped into `room`, which must outlive it.
  std::string_view key(std::string& room);
  bool short_number(double& value);
  std::string_view digits();
  void escape(std::string& out);
  uint32_t four_digits();
  [[noreturn]] void fail_kind(std::string_view wanted);

  std::string_view text_, name_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace hadal
