#include "hadal/data/series/series.h"

#include "hadal/data/series/windows.h"
#include "hadal/io/file.h"

#include "tests/io/hostile.h"

using namespace hadal;
using namespace hadal::test;

namespace {

Series read_one(const std::string& text, const SeriesOptions& options = {}) {
  return parse_series(text, "s.csv", options);
}

std::vector<double> row(const Series& series, int64_t channel = 0) {
  const auto flat = series.values[channel].contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

const std::string kHours = "date,a,b\n2020-01-01 00:00,1,10\n2020-01-01 01:00,2,20\n2020-01-01 02:00,3,30\n";

}  // namespace

TEST(Series, ReadsNumbersByDate) {
  const auto series = read_one(kHours);
  EXPECT_EQ(series.columns, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(row(series, 1), (std::vector<double>{10, 20, 30}));
  EXPECT_EQ(series.step.text(), "1 h");
  EXPECT_EQ(format_date(series.time(5)), "2020-01-01 05:00");
  EXPECT_EQ(row(read_one(kHours, {.columns = {"b"}})), (std::vector<double>{10, 20, 30}));
  // The dates' column is found wherever it stands and whatever it is called.
  EXPECT_EQ(read_one("x;when\n1;2020-01-01\n2;2020-01-02\n").columns, std::vector<std::string>{"x"});
  EXPECT_EQ(read_one("x,Time\n1,1577836800\n2,1577836860\n").step.text(), "1 min");
}

TEST(Series, PutsRowsInOrder) {
  const auto series = read_one("date,a\n2020-01-03,3\n2020-01-01,1\n2020-01-02,2\n2020-01-02,4\n");
  EXPECT_EQ(row(series), (std::vector<double>{1, 3, 3}));  // rows of one date become their mean
  EXPECT_EQ(row(read_one("date,a\n13/1/2020,1\n14/1/2020,2\n")), (std::vector<double>{1, 2}));
}

TEST(Series, TimesAreAsWrittenWhereTheZoneStays) {
  const auto one = read_one("date,a\n2020-01-25T22:00:00+01:00,1\n2020-01-25T23:00:00+01:00,2\n");
  EXPECT_EQ(one.date(1), "2020-01-25 23:00+01:00");
  EXPECT_EQ(one.date(2), "2020-01-26 00:00+01:00");
  EXPECT_EQ(calendar(one.time(0)).hour, 22);
  // Clocks go forward: the hours in between stay even in UTC.
  const auto two =
      read_one("date,a\n2020-03-29T01:00:00+01:00,1\n2020-03-29T03:00:00+02:00,2\n2020-03-29T04:00:00+02:00,3\n");
  EXPECT_EQ(two.length(), 3);
  EXPECT_EQ(two.date(3), "2020-03-29 03:00Z");
  EXPECT_EQ(read_one(kHours).date(0), "2020-01-01 00:00");
}

TEST(Series, DaysAreDaysWhereTheirZoneChanges) {
  const auto days = read_one("date,a\n2020-03-28T00:00+01:00,1\n2020-03-29T00:00+01:00,2\n2020-03-30T00:00+02:00,3\n");
  EXPECT_EQ(days.step.text(), "1 d");
  EXPECT_EQ(days.date(3), "2020-03-31");
}

TEST(Series, TheTimeOfDayMayStandInAColumnOfItsOwn) {
  const auto series = read_one("Date;Time;Power\n16/12/2006;17:24:00;4,2\n16/12/2006;17:25:00;5,4\n");
  EXPECT_EQ(series.columns, std::vector<std::string>{"Power"});
  EXPECT_EQ(series.step.text(), "1 min");
  EXPECT_EQ(series.date(1), "2006-12-16 17:25");
  EXPECT_EQ(row(series), (std::vector<double>{4.2, 5.4}));
  EXPECT_EQ(read_one("Date,Time,b,a\n2020-01-01,0:00,1,2\n2020-01-01,1:00,3,4\n", {.columns = {"a"}}).step.text(),
            "1 h");
}

TEST(Series, RowsThatShareDatesAreNotTakenForOne) {
  EXPECT_ERROR(
      read_one("date,hour,a\n2020-01-01,0,1\n2020-01-01,1,2\n2020-01-02,0,3\n2020-01-02,1,4\n"),
      "s.csv line 3: 2020-01-01 is the date of line 2 too: 4 rows have 2 dates. One column must hold day and time");
  EXPECT_EQ(read_one("date,a\n2020-01-03,3\n2020-01-01,1\n2020-01-02,2\n2020-01-02,4\n").merged, 1);
  EXPECT_ERROR(read_one("date,a\n2020-01-01,1\n2020-01-01,2\n2020-01-02,3\n2020-01-02,4\n", {.even = false}),
               "s.csv line 3: 2020-01-01 is the date of line 2 too: 4 rows have 2 dates");
}

TEST(Series, EvenStepsShowWhatADateBeginsWith) {
  std::string months = "date,a\n", days = "date,a\n";
  for (int i = 0; i < 36; ++i) months += fmt::format("01/{:02}/{},{}\n", i % 12 + 1, 2000 + i / 12, i);
  for (int i = 0; i < 12; ++i) days += fmt::format("01/{:02}/2000,{}\n", i + 1, i);
  EXPECT_EQ(read_one(months).day_first, true);
  EXPECT_ERROR(read_one(months, {.day_first = false}),
               "most steps of 1 d between 2000-01-01 and 2002-01-12 have no row");
  EXPECT_EQ(read_one(months).step.text(), "1 month");
  EXPECT_EQ(read_one(days).day_first, false);  // both readings are even
  EXPECT_EQ(read_one(days, {.day_first = true}).step.text(), "1 month");
  EXPECT_EQ(read_one("date,a\n2000-01-02,1\n2000-01-03,2\n").day_first, std::nullopt);  // no question
}

TEST(Series, WhatIsEmptyIsPassedOver) {
  const auto series = read_one("date,a,,\n2020-01-01,1,,\n,,,\n2020-01-02,2,,\n,,,\n");
  EXPECT_EQ(series.columns, std::vector<std::string>{"a"});
  EXPECT_EQ(series.length(), 2);
  for (const auto* mark : {".", "<NA>", "#N/A", "--"})
    EXPECT_TRUE(std::isnan(row(read_one(fmt::format("date,a\n2020-01-01,{}\n2020-01-02,2\n", mark)))[0])) << mark;
}

TEST(Series, GapsAndEmptyFieldsAreHoles) {
  auto series =
      read_one("date,a\n2020-01-01,1\n2020-01-02,NA\n2020-01-04,7\n2020-01-05,9\n2020-01-06,\n2020-01-07,11\n");
  EXPECT_EQ(series.length(), 7);
  EXPECT_TRUE(std::isnan(row(series)[1]) && std::isnan(row(series)[2]) && std::isnan(row(series)[5]));
  const auto known = fill_holes(series, 2, series.length());
  EXPECT_EQ(row(series), (std::vector<double>{1, 3, 5, 7, 9, 10, 11}));
  EXPECT_TRUE(torch::equal(known[0], torch::tensor({true, false, false, true, true, false, true})));
  auto whole = read_one(kHours);
  EXPECT_FALSE(fill_holes(whole, 2, whole.length()).defined());
}

TEST(Series, WhatIsJudgedKnowsNothingOfWhatComesAfter) {
  const std::string text = "date,a\n2020-01-01,1\n2020-01-02,\n2020-01-03,3\n2020-01-04,\n2020-01-05,500\n";
  const auto filled = [&](int64_t train_end) {
    auto series = read_one(text);
    fill_holes(series, 2, train_end);
    return row(series);
  };
  EXPECT_EQ(filled(5), (std::vector<double>{1, 2, 3, 251.5, 500}));  // to learn from: a straight line
  EXPECT_EQ(filled(3), (std::vector<double>{1, 2, 3, 3, 500}));      // no part of the spike behind a hole gets into it
  EXPECT_EQ(filled(2), (std::vector<double>{1, 1, 3, 3, 500}));      // a hole at the end of the training rows
  EXPECT_EQ(filled(0), (std::vector<double>{1, 1, 3, 3, 500}));
  auto across = read_one("date,a\n2020-01-01,1\n2020-01-02,\n2020-01-03,\n2020-01-04,4\n");
  fill_holes(across, 1, 2);
  EXPECT_EQ(row(across), (std::vector<double>{1, 1, 1, 4}));
}

TEST(Series, HolesBeforeWhatIsNeededStay) {
  const std::string text = "date,a\n2020-01-01,1\n2020-01-05,5\n2020-01-06,\n2020-01-07,7\n";
  auto series = read_one(text);
  fill_holes(series, 1, 0, 5);
  EXPECT_TRUE(std::isnan(row(series)[1]));
  EXPECT_EQ(row(series)[5], 5);
  EXPECT_ERROR(fill_holes(series, 1, 0, 3), "misses 3 values");
}

TEST(Series, RefusesLongHoles) {
  auto series = read_one("date,a\n2020-01-01,1\n2020-01-02,2\n2020-01-06,7\n");
  EXPECT_ERROR(fill_holes(series, 2, 5),
               "column \"a\" misses 3 values from 2020-01-03 to 2020-01-05; data.holes=2 fills holes of up to 2, "
               "data.holes=3 would fill this one, and even=false takes rows as they come");
  auto empty = read_one("date,a,b\n2020-01-01,1,\n2020-01-02,2,\n");
  EXPECT_ERROR(fill_holes(empty, 100, 2), "column \"b\" has no value; columns=A,B takes others alone");
  auto late = read_one("date,a\n2020-01-01,\n2020-01-02,\n2020-01-03,3\n");
  EXPECT_ERROR(fill_holes(late, 100, 2), "column \"a\" has no value before 2020-01-03");
}

TEST(Series, TheColumnOfDatesIsOneThatHoldsDates) {
  EXPECT_EQ(read_one("day,when,a\n1,2020-01-01,5\n2,2020-01-02,6\n").columns, (std::vector<std::string>{"day", "a"}));
  EXPECT_EQ(read_one("a,utc_timestamp\n1,2020-01-01T00:00:00Z\n2,2020-01-01T01:00:00Z\n").step.text(), "1 h");
  EXPECT_EQ(read_one("Local Day,TIME,a\n2020-01-01,0100,5\n2020-01-02,0100,6\n").step.text(),
            "1 d");  // 0100 is no year
  EXPECT_EQ(read_one("Year,a\n2019,1\n2020,2\n").step.text(), "1 year");
  EXPECT_ERROR(read_one("year,month,place,a\n2019,1,Kiel,1\n2019,2,Kiel,2\n"),
               "s.csv: no column holds dates: \"month\" holds \"1\", \"place\" holds \"Kiel\"; date=NAME names it");
}

TEST(Series, ColumnsHaveNamesOfTheirOwn) {
  // The index that pandas writes is no series.
  EXPECT_EQ(read_one(",date,a\n7,2020-01-01,5\n8,2020-01-02,6\n").columns, std::vector<std::string>{"a"});
  EXPECT_EQ(row(read_one("Unnamed: 0,date,a\n0,2020-01-01,5\n1,2020-01-02,6\n")), (std::vector<double>{5, 6}));
  EXPECT_EQ(read_one(",date,a\n7,2020-01-01,5\n9,2020-01-02,6\n").channels(), 2);
  EXPECT_ERROR(read_one(",date\n0,2020-01-01\n1,2020-01-02\n"), "has dates and no column of numbers");
  const std::string twice = "date,a,b,a\n2020-01-01,1,2,3\n2020-01-02,1,2,3\n";
  EXPECT_ERROR(read_one(twice), "s.csv: has more than one column called \"a\"; columns=A,B takes others alone");
  EXPECT_EQ(read_one(twice, {.columns = {"b"}}).channels(), 1);
  EXPECT_ERROR(read_one(kHours, {.columns = {"b", "b"}}), "columns= names \"b\" twice");
}

TEST(Series, SaysWhatIsWrongAndWhere) {
  EXPECT_ERROR(read_one("date,Wert\xe4\n2020-01-01,1\n2020-01-02,2\n"), "s.csv at byte 9: not UTF-8 (byte 0xe4)");
  EXPECT_ERROR(read_one(""), "s.csv: the file is empty");
  EXPECT_ERROR(read_one("2020-01-01,1\n2020-01-02,2\n"),
               "s.csv: has no line of names: its first line holds a date and numbers");
  EXPECT_ERROR(read_one("date,a\n2020-01-01,\"1,5\"\n2020-01-02,2\n"),
               "column \"a\" holds \"1,5\", which is no number (2.5 is one, with a point); columns=A,B");
  EXPECT_ERROR(
      read_one("date;a\n2020-01-01;1,5\n2020-01-02;2.5\n"),
      "s.csv line 3: column \"a\" holds \"2.5\", which is no number: some have a decimal comma and some a point");
  EXPECT_ERROR(read_one("date,a,\n2020-01-01,1,\n2020-01-02,2,3\n"),
               "s.csv line 3: column 3 holds \"3\" and has no name");
  EXPECT_ERROR(read_one("date,a\n"), "0 rows are no series");
  EXPECT_ERROR(read_one("date,a\n2020-01-01,1\n"), "1 rows are no series");
  EXPECT_ERROR(read_one("date\n2020-01-01\n2020-01-02\n"), "has dates and no column of numbers");
  EXPECT_ERROR(read_one("a,b\n1,2\n"), "no column holds dates; date=NAME names it");
  EXPECT_ERROR(read_one("date,a\n2020-01-01,1\n2020-01-02,abc\n"),
               "s.csv line 3: column \"a\" holds \"abc\", which is no number");
  EXPECT_ERROR(read_one("date,a\n2020-01-01,inf\n2020-01-02,1\n"), "line 2: column \"a\" holds \"inf\"");
  EXPECT_ERROR(read_one("date,a\n2020-01-01,1\nsoon,2\n"),
               "s.csv line 3: \"soon\" is no date; 2016-07-31 13:00 is one");
  EXPECT_ERROR(read_one("date,a\n2020-01-01,1\n2020-01-02\n"), "s.csv line 3: 1 field, the first line has 2");
  EXPECT_ERROR(read_one(kHours + "2020-01-01 02:30,1,1\n"),
               "s.csv line 5: 2020-01-01 02:30 is not a whole number of steps of 1 h after the first date, 2020-01-01; "
               "even=false takes rows as they come");
  EXPECT_EQ(read_one(kHours + "2020-01-01 02:30,1,1\n", {.even = false}).length(), 4);
  EXPECT_ERROR(read_one(kHours, {.columns = {"c"}}), "s.csv has no column \"c\"");
  EXPECT_ERROR(read_one(kHours, {.date = "day"}), "s.csv has no column \"day\"");
  EXPECT_ERROR(read_one("date,a\n2020-01-01 00:00:01,1\n2020-01-01 00:00:02,1\n2100-01-01 00:00:00,1\n"),
               "most steps of 1 s between 2020-01-01 00:00:01 and 2100-01-01 have no row");
}

TEST(Series, SurvivesDamage) {
  damage_everywhere(
      [](std::span<const std::byte> bytes) {
        auto series = parse_series({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "s.csv");
        fill_holes(series, 3, 1);
      },
      kHours, false);
}

TEST(Series, CalendarFeaturesAreGluonTs) {
  const auto series = read_one("date,a\n2020-12-31 22:30,1\n2020-12-31 23:00,2\n");
  const auto features = calendar_features(series, 1, 2);
  EXPECT_EQ(features.sizes(), (std::vector<int64_t>{5, 2}));
  const auto expected = torch::tensor({{0.0, 30 / 59.0}, {1.0, 1.0}, {3 / 6.0, 3 / 6.0}, {1.0, 1.0}, {1.0, 1.0}}) - 0.5;
  EXPECT_LT((features - expected).abs().max().item<double>(), 1e-6);
}

TEST(SplitBorders, FollowNameSharesAndDates) {
  Series ett;
  ett.values = torch::zeros({1, 17420}, torch::kFloat64);
  EXPECT_EQ(split_borders(ett, {}, "data/ETTh2.csv"), (std::array<int64_t, 3>{8640, 11520, 14400}));
  EXPECT_EQ(split_borders(ett, {}, "data/weather.csv"), (std::array<int64_t, 3>{12194, 13936, 17420}));
  EXPECT_EQ(split_borders(ett, {}, "ETTm1.csv"),
            (std::array<int64_t, 3>{12194, 13936, 17420}));  // too short for months
  EXPECT_EQ(split_borders(ett, {"0.5", "10000"}, "x"), (std::array<int64_t, 3>{8710, 10000, 17420}));
  const auto days = read_one("date,a\n2020-01-01,1\n2020-01-02,2\n2020-01-03,3\n2020-01-04,4\n");
  EXPECT_EQ(split_borders(days, {"2020-01-03", "2020-01-04"}, "x"), (std::array<int64_t, 3>{2, 3, 4}));
  EXPECT_EQ(split_borders(ett, {"0.5", "0.75", "1"}, "x")[2], 17420);  // all of them, not the first row
  const auto slashes = read_one("date,a\n12/1/2020,1\n13/1/2020,2\n14/1/2020,3\n15/1/2020,4\n");
  EXPECT_EQ(slashes.day_first, true);
  EXPECT_EQ(split_borders(slashes, {"13/1/2020", "1/2/2020"}, "x"), (std::array<int64_t, 3>{1, 4, 4}));
  const auto zoned = read_one("date,a\n2020-01-01 00:00+02:00,1\n2020-01-01 01:00+02:00,2\n2020-01-01 02:00+02:00,3\n");
  for (const auto* border : {"2020-01-01 01:00", "2020-01-01 01:00+02:00", "2019-12-31T23:00Z"})
    EXPECT_EQ(split_borders(zoned, {border, "2"}, "x")[0], 1) << border;
  EXPECT_ERROR(split_borders(days, {"3", "2"}, "x.csv"),
               "data.borders end after 3, 2 and 4 rows; they must rise and end within the 4 rows of x.csv");
  EXPECT_ERROR(split_borders(days, {"soon", "2"}, "x"), "got \"soon\"");
  EXPECT_ERROR(split_borders(days, {"2"}, "x"), "data.borders wants where train, val and test end");
}

TEST(SplitBorders, AreWrittenAsNumbersOrTexts) {
  const auto texts = [](const std::string& borders) {
    CsvSeriesConfig config;
    read_config(config, parse_toml("borders = " + borders, "recipe.toml"));
    CsvSeriesConfig again;  // as config.toml keeps it
    read_config(again, write_config(config));
    EXPECT_EQ(again.borders.texts, config.borders.texts);
    return config.borders.texts;
  };
  EXPECT_EQ(texts("[8640, 11520, 14400]"), (std::vector<std::string>{"8640", "11520", "14400"}));
  EXPECT_EQ(texts("[0.7, 0.8, 1.0]"), (std::vector<std::string>{"0.7", "0.8", "1.0"}));
  EXPECT_EQ(texts("[\"2017-07-01\", \"0.8\"]"), (std::vector<std::string>{"2017-07-01", "0.8"}));
  EXPECT_ERROR(texts("[true]"), "borders wants text");
}

TEST(Scale, KnowsTheTrainRowsAlone) {
  const auto values = torch::tensor({{1.0, 3.0, 100.0}, {5.0, 5.0, 5.0}}, torch::kFloat64);
  Series series;
  series.columns = {"a", "b"}, series.values = values;
  const auto scale = Scale::of(values, 2);
  const auto scaled = scale.apply(series);
  EXPECT_TRUE(torch::equal(scale.apply(series, 2), scaled.slice(1, 2)));
  EXPECT_TRUE(torch::equal(scaled[0], torch::tensor({-1.f, 1.f, 98.f})));
  EXPECT_TRUE(torch::equal(scaled[1], torch::zeros({3})));  // a column that never moves
  EXPECT_TRUE(torch::allclose(scale.undo(scaled), values));
}

TEST(Scale, HoldsAtTheEndsOfNumbers) {
  // The mean of many 0.1 is not 0.1, by rounding alone.
  const auto same = Scale::of(torch::full({1, 300}, 0.1, torch::kFloat64), 300);
  EXPECT_EQ(same.mean.item<double>(), 0.1);
  EXPECT_EQ(same.deviation.item<double>(), 1);
  for (const auto size : {1e300, 1e-300, 1e-320}) {
    const auto scale = Scale::of(torch::tensor({{1.0, 3.0}}, torch::kFloat64) * size, 2);
    EXPECT_NEAR(scale.mean.item<double>() / size, 2, 1e-3) << size;
    EXPECT_NEAR(scale.deviation.item<double>() / size, 1, 1e-3) << size;
  }
  auto series = read_one("date,a\n2020-01-01,1\n2020-01-02,3\n2020-01-03,-1e300\n");
  EXPECT_ERROR(
      Scale::of(series.values, 2).apply(series),
      "column \"a\" holds -1e+300 at 2020-01-03, more than 1e+15 deviations from the mean that training saw: 2");
}

TEST(SplitSeries, HasNoOtherSplits) {
  SplitSeries series;
  series.borders = {7, 8, 10};
  EXPECT_EQ(series.rows("test"), (std::pair<int64_t, int64_t>{8, 10}));
  EXPECT_EQ(series.rows("validation"), (std::pair<int64_t, int64_t>{0, 0}));
}

TEST(SeriesWindows, AreAllThereAre) {
  const auto scaled = torch::arange(40, torch::kFloat32).view({2, 20});
  const auto known = torch::ones({2, 20}, torch::kBool);
  known[0][9] = false;
  const auto calendar = torch::arange(20, torch::kFloat32).view({1, 20});
  const SeriesWindows train(scaled, known, calendar, {0, 10}, 4, 3, "train");
  EXPECT_EQ(train.size(), 10 - 4 - 3 + 1);
  const SeriesWindows test(scaled, known, calendar, {10, 20}, 4, 3, "test");
  EXPECT_EQ(test.size(), 10 - 3 + 1);
  const std::vector<int64_t> ends = {0, 7};
  const auto batch = test.get(ends);  // what is seen may lie before the split; the last horizon ends with it
  EXPECT_TRUE(torch::equal(batch.history[0], scaled.slice(1, 6, 10)));
  EXPECT_TRUE(torch::equal(batch.future[0], scaled.slice(1, 10, 13)));
  EXPECT_TRUE(torch::equal(batch.future[1], scaled.slice(1, 17, 20)));
  EXPECT_TRUE(torch::equal(batch.calendar[1], calendar.slice(1, 13, 20)));
  const std::vector<int64_t> last = {3};
  EXPECT_FALSE(train.get(last).known[0][0][2].item<bool>());
}

TEST(SeriesWindows, SayWhatIsTooLong) {
  const auto make = [](int64_t input, int64_t horizon) {
    return SeriesWindows(torch::zeros({1, 30}), {}, torch::zeros({0, 30}), {0, 20}, input, horizon, "train");
  };
  EXPECT_EQ(make(10, 10).size(), 1);
  EXPECT_ERROR(make(4, 21), "[forecast] the horizon of 21 steps is longer than the train split, which has 20 rows");
  EXPECT_ERROR(make(15, 6), "[forecast] the train split has 20 rows, too few for input=15 and horizon=6 together");
}

TEST(Series, ItsDatesAreWrittenAlike) {
  const auto hours = parse_series("date,a\n2020-01-01 22:00,1\n2020-01-01 23:00,2\n", "h");
  EXPECT_EQ(hours.date(2), "2020-01-02 00:00");
  EXPECT_EQ(hours.date(3), "2020-01-02 01:00");
  EXPECT_EQ(parse_series("date,a\n2020-01-01,1\n2020-01-02,2\n", "d").date(2), "2020-01-03");
}

TEST(Series, DatesCanBeBroughtToAZone) {
  const std::string text = "date,a\n2020-01-01 01:00+01:00,1\n2020-01-01 02:00+01:00,2\n";
  EXPECT_EQ(parse_series(text, "z").date(0), "2020-01-01 01:00+01:00");
  EXPECT_EQ(parse_series(text, "z", {.zone = "Z"}).date(0), "2020-01-01 00:00Z");
  EXPECT_EQ(parse_series(text, "z", {.zone = "+05:30"}).date(2), "2020-01-01 07:30+05:30");
  // Without zones they are nowhere.
  EXPECT_EQ(parse_series("date,a\n2020-01-01,1\n2020-01-02,2\n", "d", {.zone = "Z"}).date(0), "2020-01-01");
}

TEST(Series, AFewWeekdaysMayBeBusinessDays) {
  std::string text = "date,a\n";
  for (const int day : {9, 10, 13, 14, 15}) text += fmt::format("2020-01-{:02},1\n", day);  // Thursday to Wednesday
  EXPECT_EQ(parse_series(text, "b").step.text(), "1 d");
  const auto series = parse_series(text, "b", {.weekdays = true});
  EXPECT_EQ(series.length(), 5);
  EXPECT_EQ(series.date(7), "2020-01-20");
  EXPECT_EQ(series.date(6), "2020-01-17");
  EXPECT_EQ(parse_series("date,a\n2020-01-11,1\n2020-01-12,1\n", "w", {.weekdays = true}).step.text(), "1 d");
}

TEST(Series, ACommaThatMayPartThousandsIsRefused) {
  EXPECT_EQ(parse_series("date;a;b\n2020-01-01;1,5;1,020\n2020-01-02;1,25;996\n", "t").values[1][0].item<double>(),
            1.02);  // another column shows what commas are
  EXPECT_ERROR(parse_series("date;a;b\n2020-01-01;7;1,020\n2020-01-02;8;996\n", "t"),
               "t line 2: column \"b\" holds \"1,020\", whose comma may part thousands or decimals");
  const auto decimals = parse_series("date;a;b\n2020-01-01;1,020;0,120\n2020-01-02;1,250;996\n", "t");
  EXPECT_EQ(decimals.values[0][0].item<double>(), 1.02);  // all have three digits
  EXPECT_EQ(decimals.values[1][0].item<double>(), 0.12);  // nobody writes thousands so
}

TEST(Series, AFirstMonthThatIsOffIsNamed) {
  std::string text = "date,a\n2000-01-03,1\n";
  for (int month = 2; month <= 12; ++month) text += fmt::format("2000-{:02}-01,1\n", month);
  EXPECT_ERROR(parse_series(text, "m"), "m line 2: 2000-01-03 falls on day 3 of its month, and most others on day 1");
}

TEST(Series, AdviceIsWhatHelps) {
  auto fields = parse_series("date,a\n2020-01-01,1\n2020-01-02,\n2020-01-03,3\n", "f");
  try {
    fill_holes(fields, 0, 3);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::Not(testing::HasSubstr("even=false")));
  }
  auto rows = parse_series("date,a\n2020-01-01,1\n2020-01-02,1\n2020-01-04,3\n", "r");
  EXPECT_ERROR(fill_holes(rows, 0, 4), "even=false takes rows as they come");
}

TEST(Series, DaysStayDaysInAnyZone) {
  // Learned in winter, +01:00: midnights of summer are still those of their days.
  const auto summer =
      parse_series("date,a\n2020-06-01T00:00+02:00,1\n2020-06-02T00:00+02:00,2\n", "s", {.zone = "+01:00"});
  EXPECT_EQ(summer.date(0), "2020-06-01 00:00+02:00");
  const auto spring =
      parse_series("date,a\n2020-03-28T00:00+01:00,1\n2020-03-29T00:00+01:00,2\n2020-03-30T00:00+02:00,3\n", "s",
                   {.zone = "+01:00"});
  EXPECT_EQ(spring.date(2), "2020-03-30");
  EXPECT_ERROR(parse_series("date,a\n2020-01-01,1\n2020-01-02,1\n", "s", {.zone = "Berlin"}), "data.zone wants Z or");
  EXPECT_EQ(parse_series("date,a\n2020-01-01 00:00Z,1\n2020-01-01 01:00Z,1\n", "s", {.zone = "+2"}).zone, "+02:00");
}
