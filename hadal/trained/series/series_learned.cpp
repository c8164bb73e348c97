#include "hadal/trained/series/series_learned.h"

#include <algorithm>

#include "hadal/data/path.h"

namespace hadal {
Fields<SeriesLearned> SeriesLearned::fields() {
  using C = SeriesLearned;
  return {{"columns", &C::columns, "what is forecast"},
          {"mean", &C::mean, "of each column in the training rows"},
          {"deviation", &C::deviation, "of each column in the training rows"},
          {"day_first", &C::day_first, "how dates like 1/7/2016 were read"},
          {"step", &C::step, "from row to row"},
          {"zone", &C::zone, "of the dates"},
          {"input", &C::input, "rows that are seen"},
          {"horizon", &C::horizon, "rows that are forecast"},
          {"quantiles", &C::quantiles, "shares of the distribution that are forecast"}};
}

SeriesLearned SeriesLearned::from(const Table& learned) {
  const auto* series = learned.find("series");
  if (!series)
    fail(
        "the weights do not say which columns they forecast and how these were scaled; take a run folder, or the "
        "weights that Hadal saved in one");
  SeriesLearned out;
  try {
    read_config(out, *series, "series");
  } catch (const UsageError& error) {
    fail("the weights' \"series\" is damaged: {}", error.what());
  }
  if (out.columns.empty() || out.mean.size() != out.columns.size() || out.deviation.size() != out.columns.size())
    fail("the weights' series has {} columns, {} means and {} deviations", out.columns.size(), out.mean.size(),
         out.deviation.size());
  return out;
}

Table SeriesLearned::table() const { return {{"series", write_config(*this)}}; }

Scale SeriesLearned::scale() const {
  return {torch::tensor(mean, torch::kFloat64).unsqueeze(1), torch::tensor(deviation, torch::kFloat64).unsqueeze(1)};
}

void check_forecast(const SeriesLearned& learned, int64_t input, int64_t horizon,
                    const std::vector<double>& quantiles) {
  if (learned.horizon == 0) return;
  const auto same = [](const char* setting, int64_t learned, int64_t asked) {
    if (learned != asked)
      fail_usage("{}={} is not what the model learned, which is {}; give that, or train one", setting, asked, learned);
  };
  same("input", learned.input, input);
  same("horizon", learned.horizon, horizon);
  if (learned.quantiles != quantiles)
    fail_usage("quantiles={} is not what the model learned, which is {}; give that, or train one",
               quantiles.empty() ? "" : fmt::format("{}", fmt::join(quantiles, ",")),
               learned.quantiles.empty() ? "no quantiles" : fmt::format("{}", fmt::join(learned.quantiles, ",")));
}

void check_step(const SeriesLearned& learned, const Series& series, bool even, const std::string& name) {
  if (even && !learned.step.empty() && series.step.text() != learned.step)
    fail("{} has a row every {}, and the model learned rows every {}; bring the file to that step, or train on its own",
         name, series.step.text(), learned.step);
}

void read_as_learned(CsvSeriesConfig& csv, const SeriesLearned& learned) {
  if (!csv.day_first) csv.day_first = learned.day_first;
  if (csv.zone.empty()) csv.zone = learned.zone;
}

bool same_columns(const std::vector<std::string>& some, const std::vector<std::string>& others) {
  return std::is_permutation(some.begin(), some.end(), others.begin(), others.end());
}

Part as_remembered(const Part& data, const SeriesLearned& learned) {
  if (data.name != "csv") return data;
  CsvSeriesConfig csv;
  read_config(csv, data.settings, "data");
  validate_config(csv, "data");
  if (!csv.columns.empty() && !same_columns(csv.columns, learned.columns)) return data;
  const auto there = read_columns(data_path(csv.path));
  const bool all = std::all_of(learned.columns.begin(), learned.columns.end(), [&](const auto& column) {
    return std::find(there.begin(), there.end(), column) != there.end();
  });
  csv.columns = all ? learned.columns : std::vector<std::string>{};
  read_as_learned(csv, learned);
  return {data.name, write_config(csv)};
}

}  // namespace hadal
