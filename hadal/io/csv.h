// Tables of text: CSV as RFC 4180 has it, and its cousins with tabs or semicolons.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

struct CsvOptions {
  char separator = 0;  // 0: the most frequent of , ; tab and | in the first record, outside quotes
  bool quotes = true;  // false: a quote is a character like any other (many TSV files)
};

/// Reads records one by one. A record ends with LF, CRLF or CR; fields in quotes may hold all of them, and "" for a
/// quote. Blank lines are passed over, as is a UTF-8 byte-order mark. Bytes are given as they are, whatever their
/// encoding. Throws FileError with the file's name and line: a quote that is never closed, text behind a closing quote,
/// a NUL byte, a record with more or fewer fields than the first one.
class CsvReader {
 public:
  /// `text` must outlive the reader; `name` is for messages.
  CsvReader(std::string_view text, std::string name, const CsvOptions& options = {});

  /// The next record's fields; false at the end. They are valid until the next call.
  bool next(std::vector<std::string_view>& fields);
  /// The line on which the last record began, from 1.
  int64_t line() const { return record_line_; }
  char separator() const { return separator_; }
  /// "prices.csv line 7", for messages about the last record.
  std::string place() const;

 private:
  std::string_view quoted();
  std::string_view plain();
  void end_line();
  bool at_end_of_line() const;
  void refuse_nul(char c) const;

  std::string_view text_;
  std::string name_;
  char separator_;
  bool quotes_;
  size_t position_ = 0, columns_ = 0;
  int64_t line_ = 1, record_line_ = 0;
  std::deque<std::string> unescaped_;  // a deque: views into it stay valid while it grows
};

/// A field as it is written: in quotes where it holds the separator, a quote or a line's end.
std::string csv_field(std::string_view text, char separator = ',');

}  // namespace hadal
