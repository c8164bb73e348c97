#include "hadal/report/history.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "hadal/core/error.h"
#include "hadal/core/format.h"
#include "hadal/io/file.h"

namespace hadal {
namespace {

constexpr const char* kFixed[] = {"step", "epoch", "seconds"};

std::string csv_cell(std::string_view cell) {
  if (cell.find_first_of(",\"\r\n") == cell.npos) return std::string(cell);
  std::string out = "\"";
  for (const char c : cell) out.append(c == '"' ? 2 : 1, c);
  return out + '"';
}

std::string header_line(const std::vector<std::string>& columns) {
  std::string out = "step,epoch,seconds";
  for (const auto& column : columns) out += ',' + csv_cell(column);
  return out + '\n';
}

std::string row_line(const Row& row, const std::vector<std::string>& columns) {
  auto out = fmt::format("{},{},{}", row.step, row.epoch, row.seconds);
  for (const auto& column : columns) {
    out += ',';
    if (const auto* value = find_value(row.values, column)) out += fmt::format("{}", *value);
  }
  return out + '\n';
}

/// Records of RFC 4180, one at a time.
class CsvReader {
 public:
  CsvReader(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  /// nullopt at the end of the text, and where the last record has no line end.
  std::optional<std::vector<std::string>> next() {
    line_ = next_line_;
    std::vector<std::string> cells(1);
    bool quoted = false;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '\n') ++next_line_;
      if (quoted) {
        if (c != '"') {
          cells.back() += c;
        } else if (at_ < text_.size() && text_[at_] == '"') {
          cells.back() += text_[at_++];
        } else {
          quoted = false;
        }
      } else if (c == '"') {
        if (!cells.back().empty()) error("a quotation mark in the middle of a cell");
        quoted = true;
      } else if (c == ',') {
        cells.emplace_back();
      } else if (c == '\n') {
        return cells;
      } else if (c != '\r' || at_ >= text_.size() || text_[at_] != '\n') {
        cells.back() += c;
      }
    }
    return std::nullopt;
  }

  [[noreturn]] void error(std::string_view what) const { throw FileError(fmt::format("{}:{}", name_, line_), what); }

  template <class T>
  T number(const std::string& cell, std::string_view column) const {
    T value{};
    const auto [end, problem] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (problem != std::errc() || end != cell.data() + cell.size())
      error(fmt::format("column {} wants a number, got \"{}\"", column, fit_width(cell, 40)));
    return value;
  }

 private:
  std::string_view text_, name_;
  size_t at_ = 0;
  int64_t line_ = 1, next_line_ = 1;
};

/// Adds the line or leaves the file as it was: what a full disk took of it is cut off again.
void append_line(const std::filesystem::path& file, std::string_view line) {
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  struct stat info{};
  ssize_t written = -1;
  if (descriptor >= 0 && ::fstat(descriptor, &info) == 0) {
    do written = ::write(descriptor, line.data(), line.size());
    while (written < 0 && errno == EINTR);
  }
  const auto problem = written >= 0 ? ENOSPC : errno;
  const bool whole = written == static_cast<ssize_t>(line.size());
  const bool restored = whole || written <= 0 || ::ftruncate(descriptor, info.st_size) == 0;
  if (descriptor >= 0) ::close(descriptor);
  if (!whole)
    throw FileError(file.string(), fmt::format("cannot add a row: {}{}", std::strerror(problem),
                                               restored ? "" : "; its last line is cut off"));
}

nlohmann::ordered_json object(const Metrics& metrics) {
  auto out = nlohmann::ordered_json::object();
  for (const auto& [key, value] : metrics) out[key] = value;  // the library writes NaN and infinities as null
  return out;
}

std::string dump(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace

const double* find_value(const Metrics& metrics, std::string_view key) {
  for (const auto& [name, value] : metrics)
    if (name == key) return &value;
  return nullptr;
}

std::vector<std::string> columns_of(const std::vector<Row>& rows) {
  std::vector<std::string> out;
  for (const auto& row : rows)
    for (const auto& [key, value] : row.values)
      if (std::find(out.begin(), out.end(), key) == out.end()) out.push_back(key);
  return out;
}

Metrics last_values(const std::vector<Row>& rows) {
  Metrics out;
  for (const auto& column : columns_of(rows)) {
    const double* last = nullptr;
    for (auto row = rows.rbegin(); row != rows.rend() && !last; ++row) last = find_value(row->values, column);
    out.emplace_back(column, *last);
  }
  return out;
}

const Row* best_row(const std::vector<Row>& rows, std::string_view key, bool higher_is_better) {
  const Row* best = nullptr;
  double score = 0;
  for (const auto& row : rows) {
    const auto* value = find_value(row.values, key);
    if (!value || !std::isfinite(*value)) continue;
    if (!best || (higher_is_better ? *value > score : *value < score)) best = &row, score = *value;
  }
  return best;
}

std::string to_csv(const std::vector<Row>& rows) {
  const auto columns = columns_of(rows);
  auto out = header_line(columns);
  for (const auto& row : rows) out += row_line(row, columns);
  return out;
}

std::vector<Row> parse_csv(std::string_view text, std::string_view name) {
  CsvReader csv(text, name);
  const auto header = csv.next();
  if (!header || header->size() < 3 || !std::equal(kFixed, kFixed + 3, header->begin()))
    csv.error("not a run's metrics: its first line must begin with step,epoch,seconds");
  std::vector<Row> rows;
  while (const auto cells = csv.next()) {
    if (cells->size() != header->size())
      csv.error(fmt::format("{} cells, but the first line names {} columns", cells->size(), header->size()));
    Row row{csv.number<int64_t>(cells->at(0), "step"),
            csv.number<double>(cells->at(1), "epoch"),
            csv.number<double>(cells->at(2), "seconds"),
            {}};
    for (size_t i = 3; i < cells->size(); ++i)
      if (!cells->at(i).empty())
        row.values.emplace_back(header->at(i), csv.number<double>(cells->at(i), header->at(i)));
    rows.push_back(std::move(row));
  }
  return rows;
}

History::History(std::filesystem::path file, int64_t last_step) : file_(std::move(file)) {
  if (last_step >= 0 && std::filesystem::exists(file_)) rows_ = parse_csv(read_file(file_), file_.string());
  std::erase_if(rows_, [&](const Row& row) { return row.step > last_step; });
  columns_ = columns_of(rows_);
  write_file(file_, to_csv(rows_));
}

void History::append(Row row) {
  const auto has_column = [&](const auto& entry) {
    return std::find(columns_.begin(), columns_.end(), entry.first) != columns_.end();
  };
  if (std::all_of(row.values.begin(), row.values.end(), has_column)) {
    append_line(file_, row_line(row, columns_));
    rows_.push_back(std::move(row));
    return;
  }
  rows_.push_back(std::move(row));
  try {
    write_file(file_, to_csv(rows_));
  } catch (...) {
    rows_.pop_back();
    throw;
  }
  columns_ = columns_of(rows_);
}

std::string metrics_json(const Metrics& best, const Metrics& last) {
  return dump({{"best", object(best)}, {"last", object(last)}});
}

std::string metrics_json(const Metrics& metrics) { return dump(object(metrics)); }

}  // namespace hadal
