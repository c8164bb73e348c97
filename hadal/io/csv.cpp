#include "hadal/io/csv.h"

#include <algorithm>
#include <array>

#include "hadal/core/error.h"
#include "hadal/core/utf8.h"
#include "hadal/io/bytes.h"

namespace hadal {
namespace {

/// The one that stands most often in the first line. Of several, the one that stands as often in the second; a comma
/// last, which may be one of decimals or of words.
char find_separator(std::string_view text, bool quotes) {
  static constexpr std::array candidates = {';', '\t', '|', ','};
  using Counts = std::array<int64_t, candidates.size()>;
  std::array<Counts, 2> lines = {};
  size_t line = 0;
  bool inside = false, empty = true;
  for (const char c : text) {
    if (quotes && c == '"') inside = !inside;
    if (!inside && (c == '\n' || c == '\r')) {
      if (!empty && ++line == lines.size()) break;
      empty = true;
      continue;
    }
    empty = false;
    if (inside) continue;
    for (size_t i = 0; i < candidates.size(); ++i) lines[line][i] += c == candidates[i];
  }
  const auto& first = lines[0];
  const auto most = *std::max_element(first.begin(), first.end());
  if (most == 0) return ',';
  for (size_t i = 0; i < candidates.size(); ++i)
    if (first[i] == most && lines[1][i] == most) return candidates[i];
  return candidates[static_cast<size_t>(std::find(first.begin(), first.end(), most) - first.begin())];
}

}  // namespace

CsvReader::CsvReader(std::string_view text, std::string name, const CsvOptions& options)
    : text_(without_mark(text)), name_(std::move(name)), quotes_(options.quotes) {
  const auto first = std::min(text_.find_first_not_of("\r\n"), text_.size());
  separator_ = options.separator ? options.separator : find_separator(text_.substr(first), quotes_);
}

std::string CsvReader::place() const { return fmt::format("{} line {}", name_, record_line_); }

void CsvReader::refuse_nul(char c) const {
  if (c == '\0') throw FileError(fmt::format("{} line {}", name_, line_), "holds a NUL byte: this is not a text file");
}

bool CsvReader::at_end_of_line() const {
  return position_ == text_.size() || text_[position_] == '\n' || text_[position_] == '\r';
}

void CsvReader::end_line() {
  if (position_ == text_.size()) return;
  const bool two = text_[position_] == '\r' && position_ + 1 < text_.size() && text_[position_ + 1] == '\n';
  position_ += two ? 2 : 1;
  ++line_;
}

std::string_view CsvReader::plain() {
  const auto begin = position_;
  while (!at_end_of_line() && text_[position_] != separator_) {
    refuse_nul(text_[position_]);
    ++position_;
  }
  return text_.substr(begin, position_ - begin);
}

std::string_view CsvReader::quoted() {
  const auto opened = line_;
  auto begin = ++position_;
  std::string* whole = nullptr;  // only where "" has to become one quote
  while (true) {
    const auto quote = text_.find('"', position_);
    if (quote == std::string_view::npos)
      throw FileError(fmt::format("{} line {}", name_, opened), "a quote is opened here and never closed");
    for (auto i = position_; i < quote; ++i) {
      refuse_nul(text_[i]);
      line_ += text_[i] == '\n' || (text_[i] == '\r' && text_[i + 1] != '\n');
    }
    position_ = quote + 1;
    if (position_ < text_.size() && text_[position_] == '"') {
      if (!whole) whole = &unescaped_.emplace_back();
      whole->append(text_.substr(begin, position_ - begin));  // with the first of the two quotes
      begin = ++position_;
      continue;
    }
    const auto rest = text_.substr(begin, quote - begin);
    if (!at_end_of_line() && text_[position_] != separator_) {
      const auto behind = text_.substr(position_, std::min<size_t>(20, text_.size() - position_));
      throw FileError(fmt::format("{} line {}", name_, line_),
                      fmt::format("{} stands behind a closing quote; a quote inside a field is written \"\"",
                                  shown(behind.substr(0, behind.find_first_of("\r\n")))));
    }
    if (!whole) return rest;
    whole->append(rest);
    return *whole;
  }
}

bool CsvReader::next(std::vector<std::string_view>& fields) {
  fields.clear();
  unescaped_.clear();
  while (position_ < text_.size() && at_end_of_line()) end_line();
  if (position_ == text_.size()) return false;
  record_line_ = line_;
  while (true) {
    const bool opens = quotes_ && position_ < text_.size() && text_[position_] == '"';
    fields.push_back(opens ? quoted() : plain());
    if (at_end_of_line()) break;
    ++position_;  // the separator
  }
  end_line();
  if (columns_ == 0) columns_ = fields.size();
  if (fields.size() != columns_)
    throw FileError(place(), fmt::format("{} field{}, the first line has {}", fields.size(),
                                         fields.size() == 1 ? "" : "s", columns_));
  return true;
}

std::string csv_field(std::string_view text, char separator) {
  const char special[] = {separator, '"', '\n', '\r'};
  if (text.find_first_of(std::string_view(special, sizeof special)) == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

}  // namespace hadal
