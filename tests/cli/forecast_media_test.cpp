// Forecasting through the program: a CSV file in, a trained model, scores, and what comes after the file's end.
#include <cmath>

#include <nlohmann/json.hpp>

#include "hadal/data/series/dates.h"
#include "hadal/io/csv.h"

#include "tests/support/program.h"

namespace hadal {
namespace {

using nlohmann::json;
using test::expect_mistake;
using test::Ran;

/// Two waves of 24 hours, the second twice as high and 100 above zero.
std::string waves(int64_t hours, int64_t hole = -1, int64_t hole_length = 0) {
  std::string text = "date,low,high\n";
  for (int64_t i = 0; i < hours; ++i) {
    if (i >= hole && i < hole + hole_length) continue;
    const auto wave = std::sin(static_cast<double>(i) * M_PI / 12);
    text += fmt::format("{},{:.4f},{:.4f}\n", format_date(time_of({.year = 2024, .month = 1, .day = 1}) + i * kHour),
                        wave, 100 + 2 * wave);
  }
  return text;
}

const std::string kRecipe =
    "task = \"forecast\"\ninput = 48\nhorizon = 12\n[model]\nname = \"dlinear\"\n[data]\npath = \"waves.csv\"\n"
    "[train]\nepochs = 6\nbatch = 16\nthreads = 1\nworkers = 1\noptimizer = { name = \"adam\", lr = 0.01 }\n";

class Forecasts : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<test::TemporaryFolder>();
    write_file(*folder_ / "waves.csv", waves(600));
    write_file(*folder_ / "tiny.toml", kRecipe);
    trained_ = run({"train", "tiny.toml", "out=run"});
    ASSERT_EQ(trained_.code, 0) << trained_.err;
  }
  static void TearDownTestSuite() { folder_.reset(); }
  static Ran run(const std::vector<std::string>& arguments) { return test::run_program(arguments, folder_->path()); }
  static json read_json(const std::string& name) { return json::parse(read_file(*folder_ / name)); }
  static inline std::unique_ptr<test::TemporaryFolder> folder_;
  static inline Ran trained_;
};

TEST_F(Forecasts, LearnWavesAndScoreTheTestSplit) {
  const auto best = read_json("run/metrics.json").at("best");
  EXPECT_LT(best.at("test/mse").get<double>(), 0.02);
  for (const auto* name : {"test/mae", "val/mse"}) EXPECT_TRUE(best.contains(name)) << name;
  EXPECT_THAT(read_file(*folder_ / "run/report.html"), testing::HasSubstr("Error by how far ahead"));
  const auto eval = run({"eval", "run", "out=eval"});
  ASSERT_EQ(eval.code, 0) << eval.err;
  EXPECT_NEAR(read_json("eval/metrics.json").at("test/mse").get<double>(), best.at("test/mse").get<double>(), 1e-6);
}

TEST_F(Forecasts, GoBeyondTheFilesEnd) {
  write_file(*folder_ / "later.csv", waves(300));
  const auto ran = run({"predict", "run", "later.csv", "out=predicted"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto line = read_json("predicted/predictions.jsonl");
  EXPECT_EQ(line.at("input"), "later.csv");
  EXPECT_EQ(line.at("dates").size(), 12);
  EXPECT_EQ(line.at("dates")[0], "2024-01-13 12:00");
  const auto high = line.at("forecast").at("high").get<std::vector<double>>();
  for (int64_t h = 0; h < 12; ++h)  // in the file's own numbers
    EXPECT_NEAR(high[static_cast<size_t>(h)], 100 + 2 * std::sin(static_cast<double>(300 + h) * M_PI / 12), 0.3);
  const auto csv = read_file(*folder_ / "predicted/later-forecast.csv");
  EXPECT_TRUE(csv.starts_with("date,low,high\n2024-01-13 12:00,"));
  EXPECT_TRUE(std::filesystem::exists(*folder_ / "predicted/pictures/later-forecast.png"));
}

TEST_F(Forecasts, AreJudgedInTheStepsThatWereLearned) {
  std::string days = "date,low,high\n";
  for (int64_t i = 0; i < 400; ++i) days += fmt::format("{},{},{}\n", format_date(i * kDay), i % 7, i % 5);
  write_file(*folder_ / "days.csv", days);
  expect_mistake(run({"eval", "run", "data=days.csv"}), 1,
                 "days.csv has a row every 1 d, and the model learned rows every 1 h");
  EXPECT_EQ(run({"eval", "run", "data=days.csv", "even=false", "out=days"}).code, 0);
}

TEST_F(Forecasts, WriteOverNoInput) {
  write_file(*folder_ / "load.csv", waves(100));
  const auto before = read_file(*folder_ / "load.csv");
  const auto ran = run({"predict", "run", "load.csv", "out=."});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(read_file(*folder_ / "load.csv"), before);
  EXPECT_TRUE(std::filesystem::exists(*folder_ / "load-forecast.csv"));
}

TEST_F(Forecasts, GiveQuantiles) {
  ASSERT_EQ(run({"train", "tiny.toml", "out=quantiles", "quantiles=0.1,0.5,0.9", "epochs=2"}).code, 0);
  const auto best = read_json("quantiles/metrics.json").at("best");
  EXPECT_TRUE(best.contains("test/quantile_loss") && best.contains("test/coverage"));
  const auto ran = run({"predict", "quantiles", "waves.csv", "out=band"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto line = read_json("band/predictions.jsonl");
  EXPECT_EQ(line.at("quantiles").at("0.5"), line.at("forecast"));
  EXPECT_TRUE(read_file(*folder_ / "band/waves-forecast.csv").starts_with("date,low 0.1,low 0.5,low 0.9,high 0.1,"));
}

TEST_F(Forecasts, ScoreAnomalies) {
  // A spike in one column, and a stretch where the wave runs backwards: no value of it is unusual, only its place.
  auto lines = waves(600);
  const auto put = [&](int64_t hour, const std::string& values) {
    const auto date = format_date(time_of({.year = 2024, .month = 1, .day = 1}) + hour * kHour) + ",";
    const auto begin = lines.find(date) + date.size();
    lines.replace(begin, lines.find('\n', begin) - begin, values);
  };
  put(310, "3.0000,100.0");
  const auto wave = std::sin(450 * M_PI / 12 + M_PI);
  put(450, fmt::format("{:.4f},{:.4f}", wave, 100 + 2 * wave));
  write_file(*folder_ / "odd.csv", lines);
  const auto ran = run({"predict", "run", "odd.csv", "anomalies=true", "top=2", "out=odd"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto found = read_json("odd/predictions.jsonl").at("anomalies");
  ASSERT_EQ(found.size(), 2);
  std::vector<std::string> dates = {found[0].at("date"), found[1].at("date")};
  EXPECT_THAT(dates, testing::UnorderedElementsAre("2024-01-13 22:00", "2024-01-19 18:00"));
  EXPECT_EQ(found[0].at("date") == "2024-01-13 22:00" ? found[0].at("column") : found[1].at("column"), "low");
  const auto table = read_file(*folder_ / "odd/odd-anomalies.csv");
  EXPECT_TRUE(table.starts_with("date,score,low,high\n2024-01-03 00:00,"));
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 1 + 600 - 48);
}

TEST_F(Forecasts, TakeAnyFileByItsName) {
  std::string wide = "when;a;b;c;d\n";
  for (int64_t i = 0; i < 300; ++i)
    wide += fmt::format("{:02}.{:02}.2024;{};{};{};{}\n", i % 28 + 1, i / 28 + 1, i % 7, i % 5, i % 3, i);
  write_file(*folder_ / "wide.csv", wide);
  const auto ran =
      run({"train", "tiny.toml", "data=wide.csv", "data.even=false", "horizon=5", "input=20", "epochs=1", "out=wide"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, testing::HasSubstr("4 channels, 20 steps seen, 5 forecast"));
}

TEST_F(Forecasts, SayWhatIsWrong) {
  expect_mistake(run({"train", "tiny.toml", "horizon=500"}), 2,
                 "[forecast] the horizon of 500 steps is longer than the train split");
  expect_mistake(run({"train", "tiny.toml", "input=410"}), 2, "too few for input=410 and horizon=12 together");
  expect_mistake(run({"train", "tiny.toml", "quantiles=0.9,0.1"}), 2, "quantiles must rise: 0.9,0.1");
  expect_mistake(run({"train", "tiny.toml", "quantiles=1.5"}), 2, "quantiles lie between 0 and 1, got 1.5");
  expect_mistake(
      run({"train", "tiny.toml", "quantiles=0.1,0.9"}), 2,
      "quantiles must hold the median, 0.5, which is the forecast itself: quantiles=0.1,0.5,0.9; got 0.1,0.9");
  expect_mistake(run({"train", "tiny.toml", "borders=400,590"}), 2, "longer than the test split, which has 10 rows");
  expect_mistake(run({"predict", "run", "waves.csv", "columns=low"}), 2, "columns=low is not what the model learned");
  expect_mistake(run({"train", "tiny.toml", "data=nothing.csv"}), 1, "nothing.csv");
  write_file(*folder_ / "hole.csv", waves(600, 100, 40));
  expect_mistake(run({"train", "tiny.toml", "data=hole.csv"}), 1,
                 "column \"low\" misses 40 values from 2024-01-05 04:00 to 2024-01-06 19:00; data.holes=24 fills");
  EXPECT_EQ(run({"train", "tiny.toml", "data=hole.csv", "holes=40", "epochs=1", "out=filled"}).code, 0);
  write_file(*folder_ / "text.csv", "date,low,high\n2024-01-01,1,2\n2024-01-02,1,much\n");
  expect_mistake(run({"train", "tiny.toml", "data=text.csv"}), 1, "text.csv line 3: column \"high\" holds \"much\"");
  write_file(*folder_ / "short.csv", waves(20));
  expect_mistake(run({"predict", "run", "short.csv"}), 1, "short.csv has 20 rows; the model sees 48");
  write_file(*folder_ / "other.csv", "date,low\n2024-01-01,1\n2024-01-02,1\n");
  expect_mistake(run({"predict", "run", "other.csv"}), 1, "other.csv has no column \"high\"");
}

}  // namespace
}  // namespace hadal
