#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "hadal/io/file.h"
#include "hadal/report/schedule_curve.h"
#include "hadal/train/progress.h"
#include "hadal/train/rate_finder.h"
#include "hadal/train/run.h"
#include "hadal/train/run_folder.h"

#include "cli/verb.h"

namespace hadal::cli {
namespace {

namespace fs = std::filesystem;

/// The settings of find_lr; nullopt when it is not asked for.
std::optional<RateFinderConfig> take_find_lr(Words& words) {
  RateFinderConfig config;
  Table settings;
  for (const auto& field : RateFinderConfig::fields().list)
    if (const auto key = "find_lr." + field.name; words.has(key)) settings.set(field.name, Word{words.take(key)});
  const bool asked = words.has("find_lr") && read_flag(Word{words.take("find_lr")}, "find_lr");
  require(asked || settings.empty(), "find_lr.{} wants find_lr=true beside it",
          settings.empty() ? "" : settings.entries()[0].key);
  read_config(config, settings, "find_lr");
  config.validate();
  return asked ? std::optional(config) : std::nullopt;
}

/// The recipe that is called like its task, `detect`, has a model for those who name none: weights that say which they
/// are of name one, and so does a .cfg.
void take_model_of_weights(Table& recipe, const std::string& name, const Words& words) {
  const auto said = [&](const std::string& key) {
    for (const auto& [word, text] : words.settings)
      if (word == key) return text;
    return std::string();
  };
  const auto weights = words.has("weights") ? said("weights") : said("train.weights");
  const auto* task = recipe.find("task");
  if (!task || name != words.plain[0] || name != task_of(recipe) || words.has("model") || words.has("model.name") ||
      words.has("task"))
    return;
  const auto schema = recipe_schema(name);
  const auto* field = schema.find("model");
  if (!field || !field->kinds) return;
  std::string model = words.has("cfg") ? "darknet" : "";
  if (model.empty() && !weights.empty())
    if (const auto theirs = recipe_of(read_passport(weights)); theirs.find_path("model.name"))
      model = read_text(*theirs.find_path("model.name"), "model.name", {});
  if (field->kinds->schema(model)) recipe.set("model", Table{{field->kinds->key, model}});
}

std::string help(const Words& words) {
  auto settings = words;
  for (const auto* own : {"out", "resume"}) settings.take(own);
  (void)take_find_lr(settings);
  Table chosen;
  std::string name;
  if (!words.plain.empty()) {
    chosen = load_recipe_table(words.plain[0], name);
    take_model_of_weights(chosen, name, words);
  }
  const bool whole = chosen.find("task");
  if (!whole) chosen.set("task", tasks().names().at(0));  // what every task shares is read alike for all
  apply_words(chosen, settings.settings, settings.own);
  const bool with_parts = !words.plain.empty() || !settings.settings.empty();
  const auto schema = whole ? recipe_schema(task_of(chosen)) : Schema::of(TrainConfig{});
  const auto* train = chosen.find("train");
  const auto shown = whole ? chosen : train && train->get_if<Table>() ? *train->get_if<Table>() : Table{};
  return "RECIPE is a name (hadal recipes lists them), a TOML file, or the name of a task, which is trained with its "
         "defaults:\n" +
         fmt::format("{}", fmt::join(tasks().names(), ", ")) +
         ". key=value changes a setting; the last part of a "
         "name is\n"
         "enough where it is the only one. Short names: batch workers seed device threads precision limit weights.\n\n"
         "  out=DIR          the run folder (default: runs/RECIPE, runs/RECIPE-2, ...)\n"
         "  resume=RUN       go on with a run where it stopped, with its own settings\n"
         "  data=PATH        train on this data instead of the recipe's\n"
         "  limit=N          evaluate on at most N samples, evenly spread (0: all); all of the training data is "
         "trained on\n"
         "  find_lr=true     train some steps with a growing rate and suggest one, instead of training; find_lr.low,\n"
         "                   find_lr.high and find_lr.steps say from where to where and in how many\n\n"
         "  hadal train mnist-vit epochs=3 lr=1e-3\n"
         "  hadal train classify data=photos model=resnet18\n"
         "  hadal train mnist-vit find_lr=true\n"
         "  hadal train resume=runs/mnist-vit\n\n"
         "Settings:\n" +
         schema.help(whole ? "" : "train", with_parts ? &shown : nullptr) +
         "\nhadal train RECIPE optimizer=muon --help shows the settings of the parts too.\n";
}

void print_promises(const Recipe& recipe, const RunResult& result, const fs::path& folder) {
  const auto promises = promises_of(recipe.reaches, result);
  bool all = true;
  nlohmann::ordered_json json;
  for (const auto& promise : promises) {
    fmt::print("{} {} {:.4g} (asked {:.4g})\n", promise.kept ? "reached" : "missed", promise.name, promise.reached,
               promise.asked);
    json[promise.name] = {{"asked", promise.asked}, {"reached", promise.reached}, {"kept", promise.kept}};
    all = all && promise.kept;
  }
  json["reached"] = all;
  if (!promises.empty()) write_file(folder / "reached.json", json.dump(2) + "\n");
}

int find_lr(Recipe recipe, const RateFinderConfig& config, const fs::path& folder) {
  const auto task = settle(recipe);
  fmt::print("{}\n{} steps with a rate from {:g} to {:g}; the weights stay as they are\n", task->summary(),
             config.steps, config.low, config.high);
  std::fflush(stdout);
  const auto curve = find_rate(*task, recipe.train, config);
  if (!curve) return fmt::print("stopped\n"), kInterrupted;
  write_rate_curve(folder, recipe.name, *curve);
  CurveFigure figure{"", "", "", {{"", {}}}};
  for (size_t i = 0; i < curve->rates.size(); ++i)
    figure.series[0].points.emplace_back(curve->rates[i], curve->smoothed[i]);
  fmt::print("the smoothed loss, rates from {:.2g} to {:.2g}:\n{}", curve->rates.front(), curve->rates.back(),
             text_curve(figure, 72, 8, display_options(stdout).unicode));
  fmt::print("  lowest loss    {:.2g}\n  steepest fall  {:.2g}\n", curve->lowest, curve->steepest);
  fmt::print("{}; look at {}\n",
             curve->doubt.empty()
                 ? fmt::format("suggested: lr={:.2g}, a tenth of the rate with the lowest loss", curve->suggested)
                 : "nothing to suggest: " + curve->doubt,
             (folder / "find_lr.html").string());
  return 0;
}

int run(Words words) {
  RunOptions options;
  const auto out = words.take("out");
  const auto resumed = words.take("resume");
  const auto finder = take_find_lr(words);
  Recipe recipe;
  if (!resumed.empty()) {
    options.folder = resumed;
    options.resume = true;
    const auto config = options.folder / "config.toml";
    if (!fs::exists(config)) fail_usage("{} is not a run folder: it has no config.toml", resumed);
    require(!finder, "find_lr trains from the beginning; leave out resume");
    if (!words.plain.empty()) fail_usage("a resumed run keeps its own recipe; leave out {}", words.plain[0]);
    if (!words.settings.empty() || !out.empty())
      fail_usage("a resumed run keeps its own settings; leave out {}", out.empty() ? words.settings[0].first : "out");
    recipe =
        recipe_from(parse_toml(read_file(config), config.string()), fs::canonical(options.folder).filename().string());
  } else {
    if (words.plain.size() != 1)
      fail_usage("train takes one recipe: hadal train RECIPE [key=value ...]; hadal recipes lists them");
    std::string name;
    auto table = load_recipe_table(words.plain[0], name);
    take_model_of_weights(table, name, words);
    apply_words(table, words.settings, words.own);
    recipe = recipe_from(table, name);
    if (!out.empty() && fs::exists(fs::path(out) / "config.toml"))
      fail_usage("{} already holds a run; resume={} goes on with it, another out= begins anew", out, out);
    options.folder = out.empty() ? fresh_folder("runs", finder ? name + "-find-lr" : name) : fs::path(out);
  }
  stop_on_signals();
  const UnusedFolder unused{out.empty() ? options.folder : fs::path()};
  if (finder) return find_lr(std::move(recipe), *finder, options.folder);
  ProgressDisplay progress;
  options.listeners = {&progress};
  options.say = [](const std::string& line) { fmt::print("{}\n", line), std::fflush(stdout); };
  const auto result = train_recipe(recipe, options);
  if (!result.done) {
    fmt::print("stopped; hadal train resume={} goes on\n", options.folder.string());
    return kInterrupted;
  }
  for (const auto& [key, value] : result.best) fmt::print("  {:<24} {:.6g}\n", key, value);
  print_promises(recipe, result, options.folder);
  fmt::print("{:.1f} minutes{}; look at {}\n", result.seconds / 60, after_text(result.seconds_after),
             (options.folder / "report.html").string());
  return 0;
}

}  // namespace

Verb train_verb() { return {"train", "train RECIPE [key=value ...]", "train a model by a recipe", help, run}; }

}  // namespace hadal::cli
