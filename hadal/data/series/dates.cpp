#include "hadal/data/series/dates.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "hadal/core/error.h"

namespace hadal {
namespace {

constexpr std::array kMonths = {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};

int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b < 0); }

/// Days since 1970-01-01; months count from March, so that a leap day is a year's last (Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms").
int64_t days_since_1970(int64_t year, int month, int day) {
  year -= month <= 2;
  const auto era = floor_divide(year, 400), of_era = year - era * 400;
  const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// Walks through the text of a date; every take_ leaves it where it was when there is no such thing.
struct Scanner {
  std::string_view rest;

  bool take(char c) {
    if (rest.empty() || rest[0] != c) return false;
    rest.remove_prefix(1);
    return true;
  }
  bool take_any(std::string_view characters) {
    if (rest.empty() || characters.find(rest[0]) == std::string_view::npos) return false;
    rest.remove_prefix(1);
    return true;
  }
  void skip_blanks() {
    while (take_any(" \t")) {
    }
  }
  size_t digits() const {
    size_t count = 0;
    while (count < rest.size() && is_digit(rest[count])) ++count;
    return count;
  }
  /// A number of at most `most` digits; -1 when there is none.
  int64_t take_number(size_t most) {
    const auto count = digits();
    if (count == 0 || count > most) return -1;
    int64_t value = 0;
    std::from_chars(rest.data(), rest.data() + count, value);
    rest.remove_prefix(count);
    return value;
  }
  std::string take_word() {
    std::string word;
    while (!rest.empty() && is_letter(rest[0])) word += static_cast<char>(rest[0] | 32), rest.remove_prefix(1);
    return word;
  }
  /// 1 to 12 for Jul or July; 0 when it is no month.
  int take_month() {
    const auto word = take_word();
    for (size_t i = 0; i < kMonths.size(); ++i)
      if (word.size() >= 3 && word.starts_with(kMonths[i])) return static_cast<int>(i) + 1;
    return 0;
  }
};

/// The day; false when it is none. A lone year or month begins on its first day.
bool read_day(Scanner& s, bool day_first, Calendar& out) {
  int64_t year = -1, month = 1, day = 1;
  if (!s.rest.empty() && is_letter(s.rest[0])) {  // Jul 1, 2016
    month = s.take_month();
    s.take_any("-");
    s.skip_blanks();
    if (s.digits() != 4) {  // else Jul 2016
      day = s.take_number(2);
      s.take(',');
      s.skip_blanks();
    }
    if (s.digits() == 4) year = s.take_number(4);
  } else if (s.digits() == 8) {
    const auto whole = s.take_number(8);
    year = whole / 10000, month = whole / 100 % 100, day = whole % 100;
  } else if (s.digits() == 4) {
    year = s.take_number(4);
    if (!s.rest.empty() && (s.rest[0] == '-' || s.rest[0] == '/' || s.rest[0] == '.')) {
      const char between = s.rest[0];
      s.rest.remove_prefix(1);
      month = s.take_number(2);
      if (s.take(between)) day = s.take_number(2);
    }
  } else {
    day = s.take_number(2);
    if (s.rest.empty()) return false;
    const char between = s.rest[0];
    if (!s.take_any("-/. ")) return false;
    if (!s.rest.empty() && is_letter(s.rest[0])) {  // 1-Jul-2016
      month = s.take_month();
    } else {
      month = s.take_number(2);
      if (between != '.' && !day_first) std::swap(day, month);
    }
    if (!s.take(between)) return false;
    if (s.digits() != 4) return false;  // a year of two digits could be any
    year = s.take_number(4);
  }
  if (year < 0 || month < 1 || month > 12 || day < 1) return false;
  if (day > days_in_month(year, static_cast<int>(month))) return false;
  out.year = year, out.month = static_cast<int>(month), out.day = static_cast<int>(day);
  return true;
}

bool read_time(Scanner& s, Calendar& out) {
  const auto hour = s.take_number(2);
  if (hour < 0 || !s.take(':')) return false;
  const auto minute = s.take_number(2);
  int64_t second = 0, micros = 0;
  if (s.take(':')) {
    second = s.take_number(2);
    if (s.take('.') || s.take(',')) {
      const auto count = s.digits();
      if (count == 0) return false;
      for (size_t i = 0; i < 6; ++i) micros = micros * 10 + (i < count ? s.rest[i] - '0' : 0);
      s.rest.remove_prefix(count);
    }
  }
  const bool end_of_day = hour == 24 && minute == 0 && second == 0 && micros == 0;
  if ((hour > 23 && !end_of_day) || minute < 0 || minute > 59 || second < 0 || second > 59) return false;
  out.hour = static_cast<int>(hour), out.minute = static_cast<int>(minute);
  out.second = static_cast<int>(second), out.micros = static_cast<int>(micros);
  auto half = s;
  half.skip_blanks();
  const auto word = half.take_word();
  if (word == "am" || word == "pm") {
    if (hour < 1 || hour > 12) return false;
    out.hour = static_cast<int>(hour % 12) + (word == "pm" ? 12 : 0);
    s = half;
  }
  return true;
}

/// 2016070113, 201607011305, 20160701130509: a day of 1900 to 2099 with hour, minute and second.
std::optional<Micros> read_digits(std::string_view text) {
  if (text.size() % 2 != 0 || text.size() > 14 || !(text.starts_with("19") || text.starts_with("20"))) return {};
  const auto two = [&](size_t at) { return at < text.size() ? (text[at] - '0') * 10 + text[at + 1] - '0' : 0; };
  const Calendar date{.year = two(0) * 100 + two(2),
                      .month = two(4),
                      .day = two(6),
                      .hour = two(8),
                      .minute = two(10),
                      .second = two(12)};
  if (date.month < 1 || date.month > 12 || date.day < 1 || date.day > days_in_month(date.year, date.month) ||
      date.hour > 23 || date.minute > 59 || date.second > 59)
    return {};
  return time_of(date);
}

/// What the zone at the end is ahead of UTC; nothing when this is no zone.
std::optional<Micros> read_zone(Scanner& s) {
  if (is_letter(s.rest[0])) {
    const auto word = s.take_word();
    if (word != "z" && word != "utc" && word != "gmt") return std::nullopt;
    return 0;
  }
  const bool behind = s.rest[0] == '-';
  if (!s.take_any("+-")) return std::nullopt;
  int64_t hours, minutes = 0;
  if (s.digits() == 4) {
    const auto whole = s.take_number(4);
    hours = whole / 100, minutes = whole % 100;
  } else {
    hours = s.take_number(2);
    if (s.take(':')) minutes = s.take_number(2);
  }
  if (hours < 0 || hours > 14 || minutes < 0 || minutes > 59) return std::nullopt;
  return (behind ? -1 : 1) * (hours * kHour + minutes * kMinute);
}

int64_t month_number(const Calendar& date) { return date.year * 12 + date.month - 1; }
bool is_last_day(const Calendar& date) { return date.day == days_in_month(date.year, date.month); }

/// The most frequent of counted things, the smallest of several.
template <class Key>
Key most_frequent(const std::map<Key, int64_t>& counts) {
  const auto fewer = [](const auto& a, const auto& b) { return a.second < b.second; };
  return std::max_element(counts.begin(), counts.end(), fewer)->first;
}

/// Months where nearly all times fall on one day of them; none where they do not.
TimeStep months_between(const std::vector<Micros>& times) {
  std::map<int64_t, int64_t> distances;
  std::map<int, int64_t> days;
  bool last_days = true;
  for (size_t i = 0; i < times.size(); ++i) {
    const auto date = calendar(times[i]);
    ++days[date.day];
    last_days = last_days && is_last_day(date);
    if (i > 0) ++distances[month_number(date) - month_number(calendar(times[i - 1]))];
  }
  const int day = last_days ? 31 : most_frequent(days);
  const auto fits = std::count_if(times.begin(), times.end(), [&](Micros time) {
    const auto date = calendar(time);
    return date.day == std::min(day, days_in_month(date.year, date.month));
  });
  if (fits * 10 < std::ssize(times) * 9) return {};
  return {.months = most_frequent(distances), .month_day = day};
}

bool skips_weekends(const std::vector<Micros>& times) {
  int64_t skipped = 0;
  for (size_t i = 1; i < times.size(); ++i)
    if (times[i] - times[i - 1] == 3 * kDay && calendar(times[i]).weekday == 0) ++skipped;
  return skipped >= 2 && none_in_a_weekend(times);
}

DateDetail detail_of(Micros time) {
  return time % kSecond != 0   ? DateDetail::micro
         : time % kMinute != 0 ? DateDetail::second
         : time % kDay != 0    ? DateDetail::minute
                               : DateDetail::day;
}

}  // namespace

int days_in_month(int64_t year, int month) {
  static constexpr std::array days = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return days.at(static_cast<size_t>(month) - 1) + (month == 2 && leap);
}

Calendar calendar(Micros time) {
  Calendar out;
  const auto days = floor_divide(time, kDay);
  const auto shifted = days + 719468, era = floor_divide(shifted, 146097), of_era = shifted - era * 146097;
  const auto year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  const auto of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
  out.day = static_cast<int>(of_year - (153 * month + 2) / 5) + 1;
  out.month = static_cast<int>(month < 10 ? month + 3 : month - 9);
  out.year = year + era * 400 + (out.month <= 2);
  out.weekday = static_cast<int>(((days + 3) % 7 + 7) % 7);
  out.year_day = static_cast<int>(days - days_since_1970(out.year, 1, 1));
  const auto of_day = time - days * kDay;
  out.hour = static_cast<int>(of_day / kHour);
  out.minute = static_cast<int>(of_day / kMinute % 60);
  out.second = static_cast<int>(of_day / kSecond % 60);
  out.micros = static_cast<int>(of_day % kSecond);
  return out;
}

Micros time_of(const Calendar& date) {
  return days_since_1970(date.year, date.month, date.day) * kDay + date.hour * kHour + date.minute * kMinute +
         date.second * kSecond + date.micros;
}

std::optional<ZonedTime> parse_zoned(std::string_view text, bool day_first) {
  Scanner s{text};
  s.skip_blanks();
  while (!s.rest.empty() && (s.rest.back() == ' ' || s.rest.back() == '\t')) s.rest.remove_suffix(1);
  const auto digits = s.digits();
  if (digits == s.rest.size() && digits >= 10) {
    if (const auto time = read_digits(s.rest)) return ZonedTime{*time, {}};
    if (digits == 10) return ZonedTime{s.take_number(10) * kSecond, {}};
    if (digits == 13) return ZonedTime{s.take_number(13) * (kSecond / 1000), {}};
    if (digits == 16) return ZonedTime{s.take_number(16), {}};
    if (digits == 19) return ZonedTime{s.take_number(19) / 1000, {}};
    return std::nullopt;
  }
  if (digits == 10 && s.rest[10] == '.' && s.rest.find_first_not_of('0', 11) == s.rest.npos)
    return ZonedTime{s.take_number(10) * kSecond, {}};
  Calendar date;
  if (!read_day(s, day_first, date)) return std::nullopt;
  if (s.rest.empty()) return ZonedTime{time_of(date), {}};
  if (!s.take('T') && !s.take_any(" \t")) return std::nullopt;
  s.skip_blanks();
  if (!read_time(s, date)) return std::nullopt;
  s.skip_blanks();
  if (s.rest.empty()) return ZonedTime{time_of(date), {}};
  const auto ahead = read_zone(s);
  if (!ahead || !s.rest.empty()) return std::nullopt;
  return ZonedTime{time_of(date), ahead};
}

std::optional<Micros> parse_date(std::string_view text, bool day_first) {
  const auto found = parse_zoned(text, day_first);
  return found ? std::optional(found->utc()) : std::nullopt;
}

namespace {

/// The first number of a date written 1/2/2016 or 1-2-2016; -1 where it is written otherwise.
int64_t first_of_two(std::string_view date) {
  Scanner s{date};
  s.skip_blanks();
  const auto first = s.take_number(2);
  return s.take_any("-/") && s.digits() > 0 ? first : -1;
}

}  // namespace

bool may_begin_with_day(std::string_view date) { return first_of_two(date) >= 0; }

bool begins_with_day(const std::vector<std::string>& dates) {
  return std::any_of(dates.begin(), dates.end(), [](const std::string& date) { return first_of_two(date) > 12; });
}

Micros TimeStep::after(Micros time, int64_t count) const {
  // Microseconds in 64 bits end in the year 294247.
  constexpr double kMost = 200'000;
  auto date = calendar(time);
  const auto years = months > 0 ? static_cast<double>(months) / 12 : static_cast<double>(micros) / (365.25 * kDay);
  if (std::abs(static_cast<double>(date.year) + years * static_cast<double>(count)) > kMost)
    fail("{} steps of {} after {} is beyond the year {}", count, text(), format_date(time), kMost);
  if (skips_weekend) {
    const auto days = date.weekday + count, weeks = floor_divide(days, 5);
    return time + (weeks * 7 + days - weeks * 5 - date.weekday) * kDay;
  }
  if (months == 0) return time + micros * count;
  const int day = month_day > 0 ? month_day : is_last_day(date) ? 31 : date.day;
  const auto number = month_number(date) + months * count;
  date.year = floor_divide(number, 12);
  date.month = static_cast<int>(number - date.year * 12) + 1;
  date.day = std::min(day, days_in_month(date.year, date.month));
  return time_of(date);
}

std::string TimeStep::text() const {
  if (months % 12 == 0 && months > 0) return fmt::format("{} year{}", months / 12, months == 12 ? "" : "s");
  if (months > 0) return fmt::format("{} month{}", months, months == 1 ? "" : "s");
  if (skips_weekend) return "1 business day";
  if (micros % kDay == 0) return fmt::format("{} d", micros / kDay);
  if (micros % kHour == 0) return fmt::format("{} h", micros / kHour);
  if (micros % kMinute == 0) return fmt::format("{} min", micros / kMinute);
  return fmt::format("{} s", static_cast<double>(micros) / kSecond);
}

TimeStep find_step(const std::vector<Micros>& times) {
  std::map<Micros, int64_t> counts;
  for (size_t i = 1; i < times.size(); ++i) ++counts[times[i] - times[i - 1]];
  const TimeStep step{.micros = most_frequent(counts)};
  if (step.micros == kDay) return {.micros = kDay, .skips_weekend = skips_weekends(times)};
  if (step.micros >= 28 * kDay)
    if (const auto months = months_between(times); months.months > 0) return months;
  return step;
}

std::string zone_text(Micros ahead) {
  if (ahead == 0) return "Z";
  const auto minutes = std::abs(ahead) / kMinute;
  return fmt::format("{}{:02}:{:02}", ahead < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

std::optional<Micros> zone_ahead(std::string_view zone) {
  Scanner s{zone};
  if (zone.empty()) return {};
  const auto ahead = read_zone(s);
  return s.rest.empty() ? ahead : std::nullopt;
}

bool none_in_a_weekend(const std::vector<Micros>& times) {
  return std::none_of(times.begin(), times.end(), [](Micros time) { return calendar(time).weekday > 4; });
}

DateDetail detail_of(const std::vector<Micros>& times, const TimeStep& step) {
  auto detail = step.months > 0 ? DateDetail::day : detail_of(step.micros);
  for (const auto time : times) detail = std::max(detail, detail_of(time));
  return detail;
}

std::string format_date(Micros time, std::string_view zone, DateDetail least) {
  const auto date = calendar(time);
  const auto detail = std::max(detail_of(time), least);
  auto text = fmt::format("{:04}-{:02}-{:02}", date.year, date.month, date.day);
  if (detail == DateDetail::day && zone.empty()) return text;
  text += fmt::format(" {:02}:{:02}", date.hour, date.minute);
  if (detail >= DateDetail::second) text += fmt::format(":{:02}", date.second);
  if (detail == DateDetail::micro) text += fmt::format(".{:06}", date.micros);
  return text.append(zone);
}

}  // namespace hadal
