#include "hadal/train/augment_bench.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <nlohmann/json.hpp>

#include "hadal/data/path.h"
#include "hadal/report/history.h"
#include "hadal/train/made_samples.h"
#include "hadal/train/run.h"
#include "hadal/trained/classes.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

/// What a row adds to the recipe.
struct Arm {
  std::string name;
  bool classical = false;
  fs::path samples = {};
};

/// Of Student's t with `freedom` degrees: 95 % of it lies within.
double students_t(size_t freedom) {
  static const std::vector<double> values = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
                                             2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086};
  return freedom <= values.size() ? values[freedom - 1] : 1.96 + 2.5 / static_cast<double>(freedom);
}

/// Without what varies samples: the size of pictures is no variation.
void drop_augmentation(Table& settings) {
  const auto* value = settings.find("augment");
  const auto* given = value ? value->get_if<Table>() : nullptr;
  if (!given) return;
  Table kept;
  for (const auto* key : {"size", "resize", "interpolation", "squash", "mean", "std"})
    if (const auto* setting = given->find(key)) kept.set(key, *setting);
  settings.set("augment", std::move(kept));
}

double score_of(const Recipe& recipe, const Arm& arm, const AugmentBenchConfig& config, int64_t seed) {
  auto own = recipe;
  if (!arm.classical) drop_augmentation(own.task.settings);
  auto& settings = own.task.settings;
  settings.set_path("data.labels", config.labels);
  if (config.redraw) settings.set_path("data.labels_seed", seed);
  if (!arm.samples.empty()) settings.set_path("data.more", List{arm.samples.string()});
  own.train.seed = seed;
  own.train.ema = 0, own.train.ema_warmup = TrainConfig{}.ema_warmup;
  own.train.swa = {};
  own.train.early_stopping = {};
  const auto task = settle(own);
  own.train.evaluate_every = static_cast<double>(own.train.steps);  // at the end alone
  Trainer trainer(*task, own.train);
  if (!trainer.run().done) throw Stopped();
  const auto split = task->has_split("test") ? "test" : "val";
  task->require_split(split);
  const auto metrics = task->evaluate(split, config.limit);
  const auto* value = find_value(metrics, task->goal());
  require(value != nullptr, "[bench] {} scores nothing to compare by", recipe.name);
  return *value;
}

}  // namespace

Fields<AugmentBenchConfig> AugmentBenchConfig::fields() {
  using C = AugmentBenchConfig;
  return {{"runs", &C::runs, "runs of generative models whose samples are added, each in turn", file_path()},
          {"labels", &C::labels, "labelled examples to train on", at_least(1)},
          {"seeds", &C::seeds, "trainings each score is the mean of", at_least(1)},
          {"n", &C::n, "samples of each run", at_least(1)},
          {"judge", &C::judge, "a classifier that says which samples are sure (default: each run's own judge)",
           file_path()},
          {"confidence", &C::confidence,
           "probability of the class asked for, from which on a sample is sure; 0: no such row", between(0, 1)},
          {"redraw", &C::redraw, "other labelled examples for each seed"},
          {"both", &C::both, "samples go with classical augmentation, not instead of it"},
          {"limit", &C::limit, "scored samples (0: all)", at_least(0)}};
}

void AugmentBenchConfig::validate() const {
  for (const auto& run : runs) require(fs::exists(data_path(run)), "the run {} is not there: train it first", run);
}

double AugmentRow::mean() const {
  return std::accumulate(scores.begin(), scores.end(), 0.0) / static_cast<double>(scores.size());
}

double AugmentRow::half_width() const {
  if (scores.size() < 2) return NAN;
  double squares = 0;
  for (const auto score : scores) squares += (score - mean()) * (score - mean());
  const auto count = static_cast<double>(scores.size());
  return students_t(scores.size() - 1) * std::sqrt(squares / (count - 1) / count);
}

AugmentTable compare_augmentations(const Recipe& recipe, const AugmentBenchConfig& config, const fs::path& folder,
                                   const std::function<void(const std::string&)>& say,
                                   const std::function<void(const AugmentTable&)>& keep) {
  const auto tell = [&](const std::string& line) {
    if (say) say(line);
  };
  require(recipe.train.steps > 0, "[bench] {} is trained for epochs, which more samples make longer: give train.steps",
          recipe.name);
  AugmentTable table{
      .title = recipe.name, .labels = config.labels, .steps = recipe.train.steps, .redraw = config.redraw};
  std::vector<std::string> judges;
  {
    auto own = recipe;
    const bool sounds = recipe.task.name == "classify_series";
    require(sounds || recipe.task.name == "classify", "[bench] {} is no classifier of pictures or sounds", recipe.name);
    table.metric = settle(own)->goal();
    for (const auto& run : config.runs) {  // what is wrong with them is said now, not after the first trainings
      judges.push_back(config.confidence > 0 ? judge_of(run, config.judge) : "");
      check_samples_of(data_path(run), judges.back(), sounds, LearnedClasses::from(own.learned).labels);
    }
  }
  const auto train = [&](const Arm& arm, int64_t added) {
    auto& row = table.rows.emplace_back(AugmentRow{arm.name, added, {}});
    for (int64_t i = 0; i < config.seeds; ++i) {
      row.scores.push_back(score_of(recipe, arm, config, recipe.train.seed + i));
      tell(fmt::format("{}, seed {}: {} {:.4f}", arm.name, recipe.train.seed + i, table.metric, row.scores.back()));
      if (keep) keep(table);
    }
  };
  try {
    train({"alone"}, 0);
    train({"classical", true}, 0);
    for (size_t i = 0; i < config.runs.size(); ++i) {
      const auto& run = config.runs[i];
      const auto& judge = judges[i];
      const auto name = data_path(run).lexically_normal().filename().string();
      const auto place = folder / "samples" / name;
      const auto made = make_class_folders(data_path(run), place / "all", config.n, recipe.train.seed);
      if (made < config.n) throw Stopped();
      tell(fmt::format("{}: {} samples", name, made));
      train({name, config.both, place / "all"}, made);
      if (judge.empty()) continue;
      const auto sure = keep_sure_samples(judge, place / "all", place / "sure", config.confidence);
      tell(fmt::format("{}: {} of {} samples are sure by {}", name, sure, made, judge));
      if (sure > 0) train({name + ", sure ones", config.both, place / "sure"}, sure);
    }
  } catch (const Stopped&) {
    if (!table.rows.empty() && table.rows.back().scores.empty()) table.rows.pop_back();
  }
  return table;
}

std::string AugmentTable::markdown() const {
  auto out = fmt::format("{}: {} after {} steps, {} labelled examples{}\n\n", title, metric, steps, labels,
                         redraw ? ", others for each seed" : "");
  out += "| Training data | Made samples | Mean | 95 % | Seeds |\n| --- | --- | --- | --- | --- |\n";
  for (const auto& row : rows) {
    std::vector<std::string> each;
    for (const auto score : row.scores) each.push_back(fmt::format("{:.4f}", score));
    const auto half = row.half_width();
    out += fmt::format("| {} | {} | {:.4f} | {} | {} |\n", row.name, row.added, row.mean(),
                       std::isnan(half) ? "–" : fmt::format("± {:.4f}", half), fmt::join(each, ", "));
  }
  return out;
}

std::string AugmentTable::json() const {
  nlohmann::ordered_json out = {{"recipe", title}, {"metric", metric}, {"labels", labels},
                                {"steps", steps},  {"redraw", redraw}, {"rows", nlohmann::ordered_json::array()}};
  for (const auto& row : rows) {
    const auto half = row.half_width();
    nlohmann::ordered_json line = {{"name", row.name}, {"added", row.added}, {"mean", row.mean()}};
    line["half_width"] = std::isnan(half) ? nlohmann::ordered_json() : nlohmann::ordered_json(half);
    line["scores"] = row.scores;
    out["rows"].push_back(std::move(line));
  }
  return out.dump(2) + "\n";
}

}  // namespace hadal
