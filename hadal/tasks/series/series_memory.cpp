#include "hadal/tasks/series/series_memory.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "hadal/data/path.h"

namespace hadal {
namespace {

Tensor column_tensor(const nlohmann::json& numbers) {
  return torch::tensor(numbers.get<std::vector<double>>(), torch::kFloat64).unsqueeze(1);
}

std::vector<double> numbers(const Tensor& row) {
  const auto flat = row.contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

}  // namespace

std::map<std::string, std::string> SeriesMemory::metadata() const {
  nlohmann::json json = {{"columns", columns},
                         {"mean", numbers(scale.mean)},
                         {"deviation", numbers(scale.deviation)},
                         {"step", step},
                         {"zone", zone},
                         {"input", input},
                         {"horizon", horizon},
                         {"quantiles", quantiles}};
  if (day_first) json["day_first"] = *day_first;
  return {{"series", json.dump()}};
}

SeriesMemory SeriesMemory::from(const std::map<std::string, std::string>& metadata) {
  const auto found = metadata.find("series");
  if (found == metadata.end())
    fail(
        "the weights do not say which columns they forecast and how these were scaled; take a run folder, or the "
        "weights that Hadal saved in one");
  try {
    const auto json = nlohmann::json::parse(found->second);
    SeriesMemory memory{json.at("columns").get<std::vector<std::string>>(),
                        {column_tensor(json.at("mean")), column_tensor(json.at("deviation"))},
                        {},
                        json.value("step", ""),
                        json.value("zone", ""),
                        json.value("input", int64_t{0}),
                        json.value("horizon", int64_t{0}),
                        json.value("quantiles", std::vector<double>())};
    if (json.contains("day_first")) memory.day_first = json["day_first"].get<bool>();
    const auto count = static_cast<int64_t>(memory.columns.size());
    if (count == 0 || memory.scale.mean.size(0) != count || memory.scale.deviation.size(0) != count)
      fail("the weights' series has {} columns, {} means and {} deviations", count, memory.scale.mean.size(0),
           memory.scale.deviation.size(0));
    return memory;
  } catch (const nlohmann::json::exception& error) {
    fail("the weights' \"series\" is damaged: {}", error.what());
  }
}

void check_forecast(const SeriesMemory& memory, const ForecastConfig& config) {
  if (memory.horizon == 0) return;
  const auto same = [](const char* setting, int64_t learned, int64_t asked) {
    if (learned != asked)
      fail_usage("{}={} is not what the model learned, which is {}; give that, or train one", setting, asked, learned);
  };
  same("input", memory.input, config.input);
  same("horizon", memory.horizon, config.horizon);
  if (memory.quantiles != config.quantiles)
    fail_usage("quantiles={} is not what the model learned, which is {}; give that, or train one",
               config.quantiles.empty() ? "" : fmt::format("{}", fmt::join(config.quantiles, ",")),
               memory.quantiles.empty() ? "no quantiles" : fmt::format("{}", fmt::join(memory.quantiles, ",")));
}

void check_step(const SeriesMemory& memory, const Series& series, bool even, const std::string& name) {
  if (even && !memory.step.empty() && series.step.text() != memory.step)
    fail("{} has a row every {}, and the model learned rows every {}; bring the file to that step, or train on its own",
         name, series.step.text(), memory.step);
}

void read_as_learned(CsvSeriesConfig& csv, const SeriesMemory& memory) {
  if (!csv.day_first) csv.day_first = memory.day_first;
  if (csv.zone.empty()) csv.zone = memory.zone;
}

bool same_columns(const std::vector<std::string>& some, const std::vector<std::string>& others) {
  return std::is_permutation(some.begin(), some.end(), others.begin(), others.end());
}

Part as_remembered(const Part& data, const SeriesMemory& memory) {
  if (data.name != "csv") return data;
  CsvSeriesConfig csv;
  read_config(csv, data.settings, "data");
  validate_config(csv, "data");
  if (!csv.columns.empty() && !same_columns(csv.columns, memory.columns)) return data;
  const auto there = read_columns(data_path(csv.path));
  const bool all = std::all_of(memory.columns.begin(), memory.columns.end(), [&](const auto& column) {
    return std::find(there.begin(), there.end(), column) != there.end();
  });
  csv.columns = all ? memory.columns : std::vector<std::string>{};
  read_as_learned(csv, memory);
  return {data.name, write_config(csv)};
}

}  // namespace hadal
