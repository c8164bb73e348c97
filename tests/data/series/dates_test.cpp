#include "hadal/data/series/dates.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {
std::string read(const std::string& text, bool day_first = false) {
  const auto time = parse_date(text, day_first);
  return time ? format_date(*time) : "no date";
}
Micros time(const std::string& text) { return parse_date(text).value(); }
}  // namespace

TEST(Dates, AreReadInEveryCommonForm) {
  for (const auto* text : {"2016-07-01", "2016/7/1", "20160701", "1.7.2016", "7/1/2016", "7-1-2016", "1-Jul-2016",
                           "Jul 1, 2016", "July 1 2016", "2016-07", "2016-07-01 00:00:00", "2016-07-01T00:00:00Z",
                           "2016-07-01 12:00 AM", "1467331200", "1467331200000", " 2016-07-01 "})
    EXPECT_EQ(read(text), "2016-07-01") << text;
  EXPECT_EQ(read("1/7/2016", true), "2016-07-01");
  EXPECT_EQ(read("2016-07-01", true), "2016-07-01");
  EXPECT_EQ(read("2016"), "2016-01-01");
  EXPECT_EQ(read("1990/1/1 0:00"), "1990-01-01");
  EXPECT_EQ(read("2016-07-01 13:05"), "2016-07-01 13:05");
  EXPECT_EQ(read("7/1/2016 1:05 PM"), "2016-07-01 13:05");
  EXPECT_EQ(read("2016-07-01 13:05:09.25"), "2016-07-01 13:05:09.250000");
  EXPECT_EQ(read("2016-07-01T13:05:00+02:00"), "2016-07-01 11:05");
  EXPECT_EQ(read("2016-07-01 13:05:00 -0130"), "2016-07-01 14:35");
  EXPECT_EQ(read("2016070113"), "2016-07-01 13:00");
  EXPECT_EQ(read("201607011305"), "2016-07-01 13:05");
  EXPECT_EQ(read("20160701130509"), "2016-07-01 13:05:09");
  EXPECT_EQ(read("2016-07-31 24:00"), "2016-08-01");
  EXPECT_EQ(read("Jul 2016"), "2016-07-01");
  EXPECT_EQ(read("Jul-2016"), "2016-07-01");
  EXPECT_EQ(read("1467331200.0"), "2016-07-01");
  EXPECT_EQ(read("1467331200000000"), "2016-07-01");
  EXPECT_EQ(read("1467331200000000000"), "2016-07-01");
  EXPECT_EQ(read("1999999999"), "2033-05-18 03:33:19");  // no month 99: seconds since 1970
}

TEST(Dates, KeepTheirZoneAside) {
  const auto date = parse_zoned("2016-07-01T13:05:00+02:00");
  EXPECT_EQ(format_date(date->local, zone_text(*date->ahead)), "2016-07-01 13:05+02:00");
  EXPECT_EQ(zone_text(*parse_zoned("2016-07-01 00:00Z")->ahead), "Z");
  EXPECT_EQ(zone_text(*parse_zoned("2016-07-01 00:00 -0330")->ahead), "-03:30");
  EXPECT_FALSE(parse_zoned("2016-07-01 00:00")->ahead);
  EXPECT_EQ(format_date(parse_date("2016-07-01").value(), "Z"), "2016-07-01 00:00Z");
}

TEST(Dates, NothingElseIsOne) {
  for (const auto* text : {"",
                           "x",
                           "2016-13-01",
                           "2015-02-29",
                           "2016-07-32",
                           "2016-07-01 24:01",
                           "Foo 2016",
                           "1467331200.5",
                           "2016-07-01 10:60",
                           "13 PM",
                           "2016-07-01 13:00 PM",
                           "1/2/16",
                           "3.14",
                           "12345",
                           "201613011305",
                           "20160701240000",
                           "2016-07-01x",
                           "2016-07-01 10",
                           "Foo 1, 2016",
                           "2016-07-01 10:00 CET",
                           "0.7",
                           "8640",
                           "-1",
                           "2016-07-01 10:00:"})
    if (std::string(text) != "8640") EXPECT_EQ(read(text), "no date") << text;
}

TEST(Dates, TheCalendarGoesBothWays) {
  for (const int64_t day : {-719468L, -1L, 0L, 59L, 789L, 11016L, 16983L, 47540L}) {
    const auto date = calendar(day * kDay + 3 * kHour);
    EXPECT_EQ(time_of(date), day * kDay + 3 * kHour);
  }
  const auto leap = calendar(time("2016-12-31 23:59:58"));
  EXPECT_EQ(leap.weekday, 5);
  EXPECT_EQ(leap.year_day, 365);
  EXPECT_EQ(leap.second, 58);
  EXPECT_EQ(calendar(time("2026-11-23")).weekday, 0);
}

TEST(Dates, ADayOverTwelveShowsItsPlace) {
  EXPECT_TRUE(begins_with_day({"1/7/2016", "13/7/2016"}));
  EXPECT_FALSE(begins_with_day({"1/7/2016", "7/13/2016"}));
  EXPECT_FALSE(begins_with_day({"2016-07-13", "20160713"}));
}

TEST(TimeStep, IsWhatMostNeighboursKeep) {
  const auto step = [](const std::vector<std::string>& dates) {
    std::vector<Micros> times;
    for (const auto& date : dates) times.push_back(time(date));
    return find_step(times).text();
  };
  EXPECT_EQ(step({"2016-07-01 00:00", "2016-07-01 01:00", "2016-07-01 02:00", "2016-07-01 04:00"}), "1 h");
  EXPECT_EQ(step({"2016-07-01 00:00", "2016-07-01 00:15"}), "15 min");
  EXPECT_EQ(step({"2016-07-01", "2016-07-08"}), "7 d");
  EXPECT_EQ(step({"2016-01-01", "2016-02-01", "2016-03-01", "2016-04-01"}), "1 month");
  EXPECT_EQ(step({"2016-01-31", "2016-02-29", "2016-03-31", "2016-04-30"}), "1 month");
  EXPECT_EQ(step({"2016-01-01", "2016-04-01", "2016-07-01"}), "3 months");
  EXPECT_EQ(step({"2014", "2015", "2016"}), "1 year");
  EXPECT_EQ(step({"2015-12-30", "2016-01-30", "2016-02-29", "2016-03-30"}), "1 month");
  EXPECT_EQ(step({"2016-01-01", "2016-01-29", "2016-02-26", "2016-03-25"}), "28 d");
  const std::vector<std::string> week = {"2016-07-04", "2016-07-05", "2016-07-06", "2016-07-07", "2016-07-08"};
  EXPECT_EQ(step(week), "1 d");
  auto weeks = week;
  weeks.insert(weeks.end(), {"2016-07-11", "2016-07-12", "2016-07-13", "2016-07-15", "2016-07-18", "2016-07-19"});
  EXPECT_EQ(step(weeks), "1 business day");
  weeks.emplace_back("2016-07-23");
  EXPECT_EQ(step(weeks), "1 d");
}

TEST(TimeStep, WalksOverShortMonths) {
  const TimeStep month{0, 1};
  EXPECT_EQ(format_date(month.after(time("2016-01-31"), 1)), "2016-02-29");
  EXPECT_EQ(format_date(month.after(time("2016-02-29"), 1)), "2016-03-31");
  EXPECT_EQ(format_date(month.after(time("2016-01-15"), -1)), "2015-12-15");
  const TimeStep thirtieth{.months = 1, .month_day = 30}, work{.micros = kDay, .skips_weekend = true};
  EXPECT_EQ(format_date(thirtieth.after(time("2016-02-29"), 1)), "2016-03-30");
  EXPECT_EQ(format_date(thirtieth.after(time("2016-01-30"), 1)), "2016-02-29");
  EXPECT_EQ(format_date(work.after(time("2016-07-08 17:00"), 1)), "2016-07-11 17:00");
  EXPECT_EQ(format_date(work.after(time("2016-07-06"), 13)), "2016-07-25");
  EXPECT_EQ(format_date(work.after(time("2016-07-11"), -1)), "2016-07-08");
  EXPECT_EQ(format_date(TimeStep{kHour, 0}.after(time("2016-12-31 23:00"), 2)), "2017-01-01 01:00");
  EXPECT_EQ(format_date(TimeStep{0, 12 * 5254}.after(time("2021-01-31"), 37)), "196419-01-31");
  for (const auto& step : {TimeStep{0, 12 * 5254}, TimeStep{5254 * 365 * kDay, 0}})
    EXPECT_ERROR(step.after(time("2021-01-31"), 56), " after 2021-01-31 is beyond the year 200000");
}

TEST(Dates, AreWrittenInOneDetail) {
  const auto noon = *parse_date("2016-07-01 12:00"), day = *parse_date("2016-07-01");
  EXPECT_EQ(format_date(day, "", DateDetail::minute), "2016-07-01 00:00");
  EXPECT_EQ(format_date(noon, "", DateDetail::micro), "2016-07-01 12:00:00.000000");
  EXPECT_EQ(format_date(noon, "", DateDetail::second), "2016-07-01 12:00:00");
  EXPECT_EQ(detail_of({day}, {.micros = kDay}), DateDetail::day);
  EXPECT_EQ(detail_of({day}, {.micros = kHour}), DateDetail::minute);
  EXPECT_EQ(detail_of({day, noon}, {.months = 1}), DateDetail::minute);
  EXPECT_EQ(detail_of({day}, {.micros = kSecond / 10}), DateDetail::micro);
}

TEST(Dates, ZonesGoBothWays) {
  for (const auto* zone : {"Z", "+02:00", "-03:30"}) EXPECT_EQ(zone_text(*zone_ahead(zone)), zone);
  for (const auto* none : {"", "+", "Berlin", "+02:00 "}) EXPECT_FALSE(zone_ahead(none)) << none;
}
