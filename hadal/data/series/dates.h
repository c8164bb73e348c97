// Dates as people write them, and the even steps that a series of them keeps.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

/// Microseconds since 1970-01-01 00:00, without a time zone of its own.
using Micros = int64_t;
inline constexpr Micros kSecond = 1'000'000, kMinute = 60 * kSecond, kHour = 60 * kMinute, kDay = 24 * kHour;

/// The proleptic Gregorian calendar.
struct Calendar {
  int64_t year = 1970;
  int month = 1, day = 1;  // from 1
  int hour = 0, minute = 0, second = 0, micros = 0;
  int weekday = 3;   // 0: Monday
  int year_day = 0;  // 0: January 1st
};
Calendar calendar(Micros time);
/// From year to micros; `weekday` and `year_day` do not count.
Micros time_of(const Calendar& date);
int days_in_month(int64_t year, int month);

/// A time as it is written, and how far its zone is ahead of UTC where it names one.
struct ZonedTime {
  Micros local = 0;
  std::optional<Micros> ahead;
  Micros utc() const { return local - ahead.value_or(0); }
};

/// Reads 2016-07-01, 2016/7/1, 20160701, 2016-07, 2016, 1.7.2016, 7/1/2016 (1/7/2016 with `day_first`), 1-Jul-2016,
/// Jul 1, 2016, Jul 2016, Jul-2016, each with a time behind a space or T: 13:05, 13:05:09.25, 1:05 PM, 24:00 (the day's
/// end), and a zone: Z, UTC, +02:00. Of plain digits, 2016070113, 201607011305 and 20160701130509 are a day with its
/// hour, minute and second; other numbers of 10, 13, 16 and 19 digits are seconds, milliseconds, microseconds and
/// nanoseconds since 1970, seconds with a point and zeros too. Nothing else is a date, nor is a day that its month does
/// not have.
std::optional<ZonedTime> parse_zoned(std::string_view text, bool day_first = false);
/// The same, in UTC where there is a zone.
std::optional<Micros> parse_date(std::string_view text, bool day_first = false);

/// Whether a date is written with slashes or dashes and begins with the day or the month.
bool may_begin_with_day(std::string_view date);
/// Whether dates written with slashes or dashes begin with the day: so when some first number is over 12.
bool begins_with_day(const std::vector<std::string>& dates);

/// The distance from one row of a series to the next: a time, or months where those are even and days are not.
struct TimeStep {
  Micros micros = 0;
  int64_t months = 0;
  int month_day = 0;           // on which day months fall, a shorter month's last; 0: the day that one comes from
  bool skips_weekend = false;  // a day, Monday behind Friday

  /// `count` steps after (before, when negative) `time`; the 31st becomes a shorter month's last day. Throws Error
  /// beyond the year 200000.
  Micros after(Micros time, int64_t count) const;
  /// "1 h", "15 min", "1 d", "1 business day", "1 month".
  std::string text() const;
};

/// The step that most neighbours keep. `times` rise and are at least two. Days are business days where two weekends or
/// more lie between them and no time is in one.
TimeStep find_step(const std::vector<Micros>& times);

bool none_in_a_weekend(const std::vector<Micros>& times);

/// How much of a date is written.
enum class DateDetail { day, minute, second, micro };
/// What tells all of `times`, and those that `step` reaches from them.
DateDetail detail_of(const std::vector<Micros>& times, const TimeStep& step);
/// "2016-07-01", or with a time where there is one, or `least` asks for it: "2016-07-01 13:05". With a zone (see
/// zone_text) always with a time: "2016-07-01 00:00+02:00".
std::string format_date(Micros time, std::string_view zone = "", DateDetail least = DateDetail::day);
/// "Z", "+02:00".
std::string zone_text(Micros ahead);
/// What zone_text() wrote; nothing where `zone` is none.
std::optional<Micros> zone_ahead(std::string_view zone);

}  // namespace hadal
