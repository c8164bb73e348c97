#include "hadal/data/series/rows.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "hadal/io/bytes.h"
#include "hadal/io/csv.h"
#include "hadal/io/file.h"

namespace hadal {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c | 32 : c);
  return out;
}

/// The number of a field, NaN for a missing one; false when it is text.
bool read_value(std::string_view field, double& value) {
  static constexpr std::array missing = {"",     "na",   "n/a", "nan", "-nan", "null", "none",
                                         "<na>", "#n/a", "?",   "-",   "--",   "."};
  field = trim(field);
  if (field.starts_with('+')) field.remove_prefix(1);
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error == std::errc() && end == field.data() + field.size() && std::isfinite(value)) return true;
  value = NAN;
  return std::find(missing.begin(), missing.end(), lower(field)) != missing.end();
}

bool is_value(std::string_view field) {
  double value;
  return read_value(field, value);
}

/// The number that a field is but for its decimal comma.
std::optional<double> with_comma(std::string_view field) {
  std::string text(trim(field));
  const auto comma = text.find(',');
  if (comma == std::string::npos) return {};
  text[comma] = '.';
  double value;
  return read_value(text, value) ? std::optional(value) : std::nullopt;
}

std::vector<std::string> first_line(CsvReader& reader) {
  std::vector<std::string_view> fields;
  reader.next(fields);
  std::vector<std::string> names;
  for (const auto field : fields) names.emplace_back(trim(field));
  return names;
}

bool is_date(std::string_view text) { return parse_date(text) || parse_date(text, true); }

size_t find_date_column(const std::vector<std::string>& names, const std::vector<std::string_view>& first_row,
                        const SeriesOptions& options, const std::string& name) {
  if (!options.date.empty()) {
    const auto found = std::find(names.begin(), names.end(), options.date);
    if (found == names.end()) fail_usage("{} has no column \"{}\"{}", name, options.date, suggest(options.date, names));
    return static_cast<size_t>(found - names.begin());
  }
  static constexpr std::array usual = {"date", "datetime", "time", "timestamp", "utc_timestamp", "ds", "day", "month"};
  std::vector<size_t> candidates;  // they look like dates and are none
  for (const auto* word : usual)
    for (size_t i = 0; i < names.size(); ++i) {
      if (lower(names[i]) != word) continue;
      // 0100 is no year, but the time of the day.
      double number = 0;
      const bool no_year = read_value(first_row[i], number) && number < 1600;
      if (!no_year && is_date(first_row[i])) return i;
      candidates.push_back(i);
    }
  // A year beside a month or day that is no date by itself is only a part of one.
  for (size_t i = 0; i < names.size() && candidates.empty(); ++i)
    if (lower(names[i]) == "year" && is_date(first_row[i])) return i;
  for (size_t i = 0; i < names.size(); ++i) {
    double number;
    if (read_value(first_row[i], number)) continue;
    if (is_date(first_row[i])) return i;
    if (std::find(candidates.begin(), candidates.end(), i) == candidates.end()) candidates.push_back(i);
  }
  std::string tried;
  for (const auto i : candidates)
    tried += fmt::format("{} \"{}\" holds {}", tried.empty() ? ":" : ",", names[i], shown(first_row[i]));
  throw FileError(name, fmt::format("no column holds dates{}; date=NAME names it, and 2016-07-31 13:00 is one", tried));
}

/// The column with the time of the day, where that of the dates holds none.
std::optional<size_t> find_time_column(const std::vector<std::string>& names,
                                       const std::vector<std::string_view>& first_row, size_t date) {
  const auto day = std::string(trim(first_row[date])) + " ";
  for (size_t i = 0; i < names.size(); ++i) {
    const auto name = lower(names[i]);
    const auto field = trim(first_row[i]);
    const bool called_so = name.find("time") != name.npos || name.find("hour") != name.npos;
    if (i != date && called_so && field.find(':') != field.npos && is_date(day + std::string(field))) return i;
  }
  return {};
}

/// The columns to take, by their places, of the first `width`.
std::vector<size_t> choose_columns(const std::vector<std::string>& names, size_t width, size_t date,
                                   std::optional<size_t> time, const SeriesOptions& options, const std::string& name) {
  std::vector<size_t> chosen;
  for (const auto& column : options.columns) {
    const auto found = std::find(names.begin(), names.end(), column);
    if (found == names.end()) fail_usage("{} has no column \"{}\"{}", name, column, suggest(column, names));
    chosen.push_back(static_cast<size_t>(found - names.begin()));
  }
  for (size_t i = 0; i < width && options.columns.empty(); ++i)
    if (i != date && i != time) chosen.push_back(i);
  for (const auto i : chosen) {
    if (std::count(chosen.begin(), chosen.end(), i) > 1) fail_usage("columns= names \"{}\" twice", names[i]);
    if (std::count(names.begin(), names.end(), names[i]) > 1)
      throw FileError(name,
                      fmt::format("has more than one column called \"{}\"; columns=A,B takes others alone", names[i]));
  }
  return chosen;
}

/// Takes out a first column without a name that counts the rows: the index that pandas writes.
void drop_index(Rows& rows) {
  const auto width = rows.columns.size(), count = rows.lines.size();
  if (width == 0 || (!rows.columns[0].empty() && rows.columns[0] != "Unnamed: 0")) return;
  for (size_t i = 1; i < count; ++i)
    if (rows.values[i * width] != rows.values[(i - 1) * width] + 1) return;
  std::vector<double> values;
  for (size_t i = 0; i < rows.values.size(); ++i)
    if (i % width != 0) values.push_back(rows.values[i]);
  rows.values = std::move(values);
  rows.columns.erase(rows.columns.begin());
}

/// 1,020 or -12,345: what may be thousands as well as decimals.
bool may_be_thousands(std::string_view field) {
  field = trim(field);
  if (field.starts_with('+') || field.starts_with('-')) field.remove_prefix(1);
  const auto comma = field.find(',');
  const auto digits = [](std::string_view text) { return text.find_first_not_of("0123456789") == text.npos; };
  return comma != field.npos && comma >= 1 && comma <= 3 && field[0] != '0' && field.size() == comma + 4 &&
         digits(field.substr(0, comma)) && digits(field.substr(comma + 1));
}

/// Numbers with a decimal point or, where commas do not separate fields, all with a comma.
class Numbers {
 public:
  Numbers(const CsvReader& reader, const std::vector<std::string>& names) : reader_(reader), names_(names) {}

  double read(std::string_view field, size_t column) {
    double value;
    if (read_value(field, value)) {
      if (field.find('.') != field.npos && !std::isnan(value)) points_ = true;
    } else {
      const auto found = with_comma(field);
      if (!found || reader_.separator() == ',') refuse(field, column, found ? " (2.5 is one, with a point)" : "");
      value = *found, commas_ = true;
      if (may_be_thousands(field)) {
        if (!thousands_.contains(column)) thousands_[column] = {std::string(field), reader_.place()};
      } else {
        decimals_.insert(column);
      }
      return check_points(field, column), value;
    }
    if (!std::isnan(value)) plain_.insert(column);
    check_points(field, column);
    return value;
  }

  /// Where every comma of the file has three digits behind it and some numbers have none, commas are as likely to part
  /// thousands.
  void check_thousands() const {
    if (!decimals_.empty()) return;
    for (const auto& [column, first] : thousands_)
      if (plain_.contains(column))
        throw FileError(first.place, fmt::format("column \"{}\" holds {}, whose comma may part thousands or "
                                                 "decimals; write it without the comma, or all with points",
                                                 names_[column], shown(first.field)));
  }

 private:
  void check_points(std::string_view field, size_t column) const {
    if (points_ && commas_) refuse(field, column, ": some have a decimal comma and some a point");
  }

  [[noreturn]] void refuse(std::string_view field, size_t column, std::string_view why) const {
    throw FileError(reader_.place(),
                    fmt::format("column \"{}\" holds {}, which is no number{}; columns=A,B takes others "
                                "alone",
                                names_[column], shown(field), why));
  }

  const CsvReader& reader_;
  const std::vector<std::string>& names_;
  bool points_ = false, commas_ = false;
  struct First {
    std::string field, place;
  };
  std::map<size_t, First> thousands_;  // the first that may be some, by column
  std::set<size_t> decimals_, plain_;  // columns with other commas, and with numbers that have none
};

}  // namespace

Rows read_rows(std::string_view text, const std::string& name, const SeriesOptions& options) {
  CsvReader reader(text, name);
  const auto names = first_line(reader);
  if (names.empty()) throw FileError(name, "the file is empty");
  std::vector<std::string_view> fields;
  Rows rows;
  size_t date = 0, width = names.size();
  std::optional<size_t> time;
  std::vector<size_t> chosen;
  Numbers numbers(reader, names);
  while (reader.next(fields)) {
    if (std::all_of(fields.begin(), fields.end(), [](auto field) { return trim(field).empty(); })) continue;
    if (rows.lines.empty()) {
      date = find_date_column(names, fields, options, name);
      time = find_time_column(names, fields, date);
      while (width > date + 1 && names[width - 1].empty()) --width;
      chosen = choose_columns(names, width, date, time, options, name);
      for (const auto i : chosen) rows.columns.push_back(names[i]);
      if (parse_date(names[date]) &&
          std::all_of(chosen.begin(), chosen.end(), [&](size_t i) { return is_value(names[i]); }))
        throw FileError(name, "has no line of names: its first line holds a date and numbers");
    }
    for (auto i = width; i < fields.size(); ++i)
      if (!trim(fields[i]).empty())
        throw FileError(reader.place(), fmt::format("column {} holds {} and has no name", i + 1, shown(fields[i])));
    for (const auto i : chosen) rows.values.push_back(numbers.read(fields[i], i));
    rows.dates.emplace_back(fields[date]);
    if (time) rows.dates.back().append(" ").append(trim(fields[*time]));
    rows.lines.push_back(reader.line());
  }
  numbers.check_thousands();
  if (options.columns.empty() && !chosen.empty() && chosen[0] == 0) drop_index(rows);
  if (!rows.lines.empty() && rows.columns.empty()) throw FileError(name, "has dates and no column of numbers");
  return rows;
}

std::vector<std::string> read_names(std::string_view text, const std::string& name) {
  CsvReader reader(text, name);
  return first_line(reader);
}

}  // namespace hadal
