// What a forecaster remembers of its series, and what it does with other files. No training: the weights are the first
// ones.
#include "hadal/tasks/series/forecast.h"

#include <cmath>

#include <nlohmann/json.hpp>

#include "hadal/io/file.h"

#include "tests/support/support.h"
#include "tests/support/trained.h"

using namespace hadal;
using namespace hadal::test;

namespace {

using nlohmann::json;
using Row = std::function<std::string(int64_t)>;

constexpr Micros kBegin = 1704067200 * kSecond;  // 2024-01-01

/// A line each step from 2024 on; an empty `row` is left out.
std::string table(const std::string& names, int64_t rows, const Row& row, Micros step = kHour) {
  auto text = "date," + names + "\n";
  for (int64_t i = 0; i < rows; ++i)
    if (const auto values = row(i); !values.empty()) text += format_date(kBegin + i * step) + "," + values + "\n";
  return text;
}

std::vector<std::string> names_of(const Metrics& metrics) {
  std::vector<std::string> names;
  for (const auto& [name, value] : metrics) names.push_back(name);
  return names;
}

double low(int64_t i) { return std::sin(static_cast<double>(i) * M_PI / 12); }
double high(int64_t i) { return 100 + 2 * std::cos(static_cast<double>(i) * M_PI / 12); }
std::string both(int64_t i) { return fmt::format("{:.4f},{:.4f}", low(i), high(i)); }

class ForecastTask : public testing::Test {
 protected:
  ForecastTask() { write_file(folder_ / "series.csv", table("low,high", 600, both)); }

  Table settings(const std::string& model = "dlinear") const {
    return {{"model", Table{{"name", model}}},
            {"data", Table{{"kind", "csv"}, {"path", (folder_ / "series.csv").string()}}},
            {"input", 24},
            {"horizon", 12}};
  }
  static std::unique_ptr<Task> make(const Table& table) {
    TaskContext context;
    context.workers = 0;
    context.learns = true;
    return tasks().make({"forecast", table}, context);
  }
  /// What predict makes of the weights of `trained`, with one setting changed.
  std::unique_ptr<Trained> loaded(Task& trained, const std::string& key = "", Value value = {}) {
    save_task(trained, "forecast", folder_ / "w.safetensors");
    auto words = Table{};
    if (!key.empty()) words.set_path(key, std::move(value));
    return open_trained(folder_ / "w.safetensors", {.batch = 64}, words);
  }
  /// What eval makes of them.
  std::unique_ptr<Task> scored(Task& trained, const std::string& key = "", Value value = {}) {
    save_task(trained, "forecast", folder_ / "w.safetensors");
    auto words = Table{};
    if (!key.empty()) words.set_path(key, std::move(value));
    return task_of_weights(folder_ / "w.safetensors", words);
  }
  std::unique_ptr<Task> judge(Task& trained, const std::string& file) {
    return scored(trained, "data.path", (folder_ / file).string());
  }
  double mse(Task& task) { return task.evaluate("test", 0).at(0).second; }
  /// The lines of predict for these files, whose results go to the folder "out". Throws what one of them failed with.
  std::vector<json> predict(Trained& trained, const std::vector<std::string>& files, const std::string& out = "out",
                            const Table& options = {}) {
    std::vector<std::string> paths;
    for (const auto& file : files) paths.push_back((folder_ / file).string());
    auto lines = predicted(trained, paths, {}, options, folder_ / out, true);
    for (const auto& line : lines)
      if (line.contains("error")) throw Error(line["error"].get<std::string>());
    return lines;
  }
  std::string read(const std::string& name) const { return read_file(folder_ / name); }

  test::TemporaryFolder folder_;
};

}  // namespace

TEST_F(ForecastTask, NoResultIsWrittenOver) {
  const auto text = table("low,high", 100, both);
  for (const auto* name : {"load.csv", "more/load.csv", "load-forecast-2.csv"}) write_file(folder_ / name, text);
  const auto trained = make(settings());
  const auto task = loaded(*trained);
  predict(*task, {"load.csv", "more/load.csv", "load-forecast-2.csv"}, ".");
  for (const auto* name : {"load.csv", "more/load.csv", "load-forecast-2.csv"}) EXPECT_EQ(read(name), text) << name;
  const auto forecast = read("load-forecast.csv");
  EXPECT_EQ(std::count(forecast.begin(), forecast.end(), '\n'), 1 + 12);
  EXPECT_EQ(read("load-forecast-3.csv"), forecast);
  EXPECT_EQ(read("load-forecast-2-forecast.csv"), forecast);
}

TEST_F(ForecastTask, EvalFindsTheColumnsOfTheWeightsByName) {
  auto table_of_two = settings();
  table_of_two.set_path("model.individual", true);
  const auto trained = make(table_of_two);
  write_file(folder_ / "moved.csv",
             table("note,high,low", 600, [](int64_t i) { return fmt::format("text,{:.4f},{:.4f}", high(i), low(i)); }));
  EXPECT_DOUBLE_EQ(mse(*judge(*trained, "moved.csv")), mse(*trained));
}

TEST_F(ForecastTask, EvalScalesAsInTraining) {
  const auto trained = make(settings());
  write_file(folder_ / "larger.csv", table("low,high", 600, [](int64_t i) {
               return fmt::format("{:.4f},{:.4f}", 3 * low(i), 100 + 3 * (high(i) - 100));
             }));
  // Scaled by its own deviation it would be the same series.
  EXPECT_GT(mse(*judge(*trained, "larger.csv")), 4 * mse(*trained));
}

TEST_F(ForecastTask, OtherColumnsAreForModelsThatSeeEachAlone) {
  write_file(folder_ / "other.csv", table("a,b,c", 600, [](int64_t i) { return both(i) + ",1"; }));
  const auto trained = make(settings()), task = judge(*trained, "other.csv");
  EXPECT_THAT(task->summary(), testing::HasSubstr("3 channels"));
  EXPECT_THAT(task->summary(),
              testing::HasSubstr("it learned other columns (low, high): a, b, c are scaled by their own mean"));
  EXPECT_TRUE(std::isfinite(mse(*task)));
  // Some of those that it learned are scaled as in training.
  const auto some = [&](const std::string& name, double factor) {
    write_file(folder_ / name, table("low", 600, [&](int64_t i) { return fmt::format("{:.4f}", factor * low(i)); }));
    return judge(*trained, name);
  };
  EXPECT_THAT(some("low.csv", 1)->summary(), testing::Not(testing::HasSubstr("other columns")));
  EXPECT_GT(mse(*some("low3.csv", 3)), 4 * mse(*some("low.csv", 1)));
  auto mixing = settings("itransformer");
  mixing.set_path("model.encoder.dim", 16);
  const auto together = make(mixing);
  EXPECT_ERROR(judge(*together, "other.csv"),
               "[forecast] this itransformer learned the columns low, high together and takes files with all of them; "
               "got a, b, c");
}

TEST_F(ForecastTask, AShortSplitIsRefusedBeforeTraining) {
  auto table = settings();
  table.set_path("data.borders", List{400, 590, 600});
  EXPECT_ERROR(make(table), "[forecast] the horizon of 12 steps is longer than the test split, which has 10 rows");
  table.set_path("data.borders", List{400, 405});
  EXPECT_ERROR(make(table), "longer than the val split, which has 5 rows");
  table.set_path("data.borders", List{400, 400});  // none at all is no mistake
  EXPECT_FALSE(make(table)->has_split("val"));
}

TEST_F(ForecastTask, ASplitWithoutAnyValueIsRefusedBeforeTraining) {
  write_file(folder_ / "series.csv",
             table("low,high", 600, [](int64_t i) { return i >= 400 && i < 420 ? std::string(",") : both(i); }));
  auto table = settings();
  table.set_path("data.borders", List{400, 420});
  EXPECT_ERROR(make(table), "[forecast] no row of the val split has a value");
}

TEST_F(ForecastTask, TheSummarySaysHowManyRowsBecameAnothersMean) {
  write_file(folder_ / "series.csv", table("low,high", 600, both) + table("low,high", 3, both).substr(14));
  EXPECT_THAT(make(settings())->summary(), testing::HasSubstr("3 rows had another's date: they are its mean"));
}

TEST_F(ForecastTask, QuantilesHoldTheMedianAndDoNotCross) {
  auto table = settings();
  table.set_path("quantiles", List{0.1, 0.9});
  EXPECT_ERROR(make(table), "quantiles must hold the median, 0.5, which is the forecast itself");
  table.set_path("quantiles", List{0.1, 0.5, 0.9});
  const auto trained = make(table);
  const auto task = loaded(*trained);  // fresh weights, whose outputs do cross
  const auto line = predict(*task, {"series.csv"}).at(0);
  EXPECT_EQ(line.at("forecast"), line.at("quantiles").at("0.5"));
  for (size_t h = 0; h < 12; ++h) {
    const auto at = [&](const char* q) { return line.at("quantiles").at(q).at("high").at(h).get<double>(); };
    EXPECT_LE(at("0.1"), at("0.5"));
    EXPECT_LE(at("0.5"), at("0.9"));
  }
}

TEST_F(ForecastTask, DatesAreReadAsInTraining) {
  const auto days = [](int64_t rows) {  // from 1/2/2024 on
    std::string text = "date,low,high\n";
    for (int64_t i = 0; i < rows; ++i) text += fmt::format("{}/{}/2024,{}\n", i % 29 + 1, 2 + i / 29, both(i));
    return text;
  };
  write_file(folder_ / "series.csv", days(60));
  auto table = settings();
  table.set_path("input", 6);
  table.set_path("horizon", 3);
  table.set_path("data.borders", List{30, 40});
  table.set_path("data.even", false);
  const auto trained = make(table);
  const auto task = loaded(*trained);
  write_file(folder_ / "few.csv", days(10));  // no day over 12 shows what comes first
  EXPECT_EQ(predict(*task, {"few.csv"}).at(0).at("dates").at(0), "2024-02-11");
}

TEST_F(ForecastTask, PredictRefusesOtherStepsAndColumns) {
  const auto trained = make(settings());
  const auto task = loaded(*trained);
  write_file(folder_ / "days.csv", table("low,high", 60, both, kDay));
  EXPECT_ERROR(predict(*task, {"days.csv"}), "days.csv has a row every 1 d, and the model learned rows every 1 h");
  EXPECT_ERROR(predict(*loaded(*trained, "data.columns", List{"low"}), {"series.csv"}),
               "columns=low is not what the model learned: leave it out, and it forecasts low,high");
}

TEST_F(ForecastTask, OnlyHolesThatAreSeenStopAForecast) {
  const auto trained = make(settings());
  const auto task = loaded(*trained);
  const auto with_hole = [&](int64_t from) {
    write_file(folder_ / "hole.csv",
               table("low,high", 200, [&](int64_t i) { return i >= from && i < from + 40 ? std::string() : both(i); }));
  };
  with_hole(130);
  EXPECT_EQ(predict(*task, {"hole.csv"}).at(0).at("dates").size(), 12);
  with_hole(150);
  EXPECT_ERROR(predict(*task, {"hole.csv"}), "misses 40 values from 2024-01-07 06:00 to 2024-01-08 21:00");
}

TEST_F(ForecastTask, WhatWasMissingHasNoScore) {
  const auto trained = make(settings());
  const auto task = loaded(*trained);
  // Two values of "low" are missing before a spike, and one row is left out.
  write_file(folder_ / "odd.csv", table("low,high", 200, [](int64_t i) {
               if (i == 150) return std::string();
               if (i == 100 || i == 101) return fmt::format(",{:.4f}", high(i));
               return i == 102 ? fmt::format("1000,{:.4f}", high(i)) : both(i);
             }));
  const auto line = predict(*task, {"odd.csv"}, "out", {{"anomalies", true}, {"top", 1}}).at(0);
  ASSERT_EQ(line.at("anomalies").size(), 1);
  EXPECT_EQ(line.at("anomalies")[0].at("date"), "2024-01-05 06:00");  // row 102 and none that was filled by it
  EXPECT_EQ(line.at("anomalies")[0].at("column"), "low");
  const auto scores = read("out/odd-anomalies.csv");
  const auto row = [&](int64_t i) {
    const auto begin = scores.find(format_date(kBegin + i * kHour) + ",");
    return scores.substr(begin, scores.find('\n', begin) - begin);
  };
  const auto hundred = row(100);  // date, the mean over the columns that were there, nothing, high
  const auto first = hundred.find(','), second = hundred.find(',', first + 1);
  EXPECT_EQ(hundred.substr(second, 2), ",,");
  EXPECT_EQ(hundred.substr(first + 1, second - first - 1), hundred.substr(second + 2));
  EXPECT_EQ(row(150), "2024-01-07 06:00,,,");
}

TEST_F(ForecastTask, ItsScoresHaveTheNamesThatItSays) {
  auto table = settings();
  for (const auto& quantiles : {List{}, List{0.5}, List{0.1, 0.5, 0.9}}) {
    table.set_path("quantiles", quantiles);
    const auto task = make(table);
    std::vector<std::string> said;
    for (const auto& score : task->scores()) said.push_back(score.name);
    EXPECT_THAT(names_of(task->evaluate("val", 0)), testing::UnorderedElementsAreArray(said));
  }
}

TEST_F(ForecastTask, OtherForecastsThanTheLearnedAreRefused) {
  auto table = settings();
  table.set_path("quantiles", List{0.1, 0.5, 0.9});
  const auto trained = make(table);
  const auto refused = [&](const std::string& key, const Value& value, const char* text) {
    EXPECT_ERROR(loaded(*trained, key, value), text);
    EXPECT_ERROR(scored(*trained, key, value), text);
  };
  refused("quantiles", List{0.01, 0.5, 0.99},
          "quantiles=0.01,0.5,0.99 is not what the model learned, which is 0.1,0.5,0.9");
  refused("horizon", 36, "horizon=36 is not what the model learned, which is 12");
  refused("input", 12, "input=12 is not what the model learned, which is 24");
}

TEST_F(ForecastTask, DatesComeToTheZoneThatWasLearned) {
  const auto zoned = [](const char* zone, int64_t ahead) {
    std::string text = "date,low,high\n";
    for (int64_t i = 0; i < 600; ++i) text += format_date(kBegin + (i + ahead) * kHour, zone) + "," + both(i) + "\n";
    return text;
  };
  write_file(folder_ / "series.csv", zoned("Z", 0));
  write_file(folder_ / "east.csv", zoned("+02:00", 2));
  auto seeing = settings("encoder");
  const auto trained = make(seeing);
  const auto task = loaded(*trained);
  const auto at_home = predict(*task, {"series.csv"}).at(0), east = predict(*task, {"east.csv"}).at(0);
  EXPECT_EQ(east.at("forecast"), at_home.at("forecast"));
  EXPECT_EQ(east.at("dates"), at_home.at("dates"));
  EXPECT_DOUBLE_EQ(mse(*judge(*trained, "east.csv")), mse(*trained));
}

TEST_F(ForecastTask, TheTableHoldsWhatTheLineHolds) {
  write_file(folder_ / "series.csv",
             table("low,high", 600, [](int64_t i) { return fmt::format("{},{:.4f}", 1.4e9 + low(i), high(i)); }));
  const auto trained = make(settings());
  const auto task = loaded(*trained);
  const auto line = predict(*task, {"series.csv"}).at(0);
  auto wanted = std::string("date,low,high\n");
  for (size_t h = 0; h < 12; ++h)
    wanted += fmt::format("{},{},{}\n", line.at("dates").at(h).get<std::string>(),
                          line.at("forecast").at("low").at(h).get<double>(),
                          line.at("forecast").at("high").at(h).get<double>());
  EXPECT_EQ(read("out/series-forecast.csv"), wanted);
}

TEST_F(ForecastTask, ColumnsThatAreNotThereAreNamed) {
  const auto trained = make(settings());
  write_file(folder_ / "low.csv", table("low", 600, [](int64_t i) { return fmt::format("{:.4f}", low(i)); }));
  EXPECT_THAT(judge(*trained, "low.csv")->summary(),
              testing::HasSubstr("of the columns that it learned, high is not here"));
  // In another order they are all there.
  EXPECT_NO_THROW(scored(*trained, "data.columns", List{"high", "low"}));
  EXPECT_NO_THROW(predict(*loaded(*trained, "data.columns", List{"high", "low"}), {"series.csv"}));
}
