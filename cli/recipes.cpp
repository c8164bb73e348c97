#include <fmt/format.h>

#include "hadal/io/file.h"
#include "hadal/report/schedule_curve.h"
#include "hadal/train/progress.h"

#include "cli/verb.h"

namespace hadal::cli {
namespace {

std::string help(const Words&) {
  return "Without a name: all recipes, and the numbers they reach. With a name: its settings with every default,\n"
         "and the learning rate over the run.\n"
         "Recipes are looked for in HADAL_RECIPES, ./recipes, and beside the program.\n";
}

std::string reaches_text(const Table& reaches) {
  std::vector<std::string> parts;
  for (const auto& [key, value] : reaches.entries()) parts.push_back(fmt::format("{} {}", key, value.text()));
  return fmt::format("{}", fmt::join(parts, ", "));
}

/// What the data decides (classes, channels, side) stays out unless the recipe sets it, so that the listing is a recipe
/// too.
void leave_to_data(Table& all, const Table& given) {
  const auto* model = all.find("model");
  if (!model || !model->get_if<Table>()) return;
  auto settings = *model->get_if<Table>();
  for (const auto* key : {"classes", "channels", "image", "vocabulary"})
    if (!given.find_path(fmt::format("model.{}", key))) settings.erase(key);
  all.set("model", std::move(settings));
}

/// How the learning rate will move, as comments of the TOML above it.
std::string rates_text(const TrainConfig& train) {
  constexpr int64_t kStepsPerEpoch = 1000;  // how many there are, only the data says
  const auto steps = train.steps > 0 ? train.steps : train.epochs * kStepsPerEpoch;
  const auto* lr = train.optimizer.settings.find_path(lr_path(train.optimizer));
  std::string text =
      train.steps > 0
          ? fmt::format("\nThe learning rate over {} steps (what counts epochs takes one to have {}):\n", steps,
                        kStepsPerEpoch)
          : fmt::format("\nThe learning rate over {} epochs, {} steps each:\n", train.epochs, kStepsPerEpoch);
  try {
    const RunLength length{steps, kStepsPerEpoch};
    const auto rate = lr ? read_number(*lr, "lr", {}) : 1;
    const auto schedule =
        train.swa.over(schedule_of(train.optimizer, schedules().make(train.schedule, length)), length, rate);
    check_rates(schedule, steps);
    const auto curves = schedule_curves(schedule, rate, steps);
    if (curves.empty()) text += "follows the scores\n";
    const bool unicode = display_options(stdout).unicode;
    for (const auto& curve : curves) {
      if (&curve != &curves[0]) text += curve.title + ":\n";
      text += text_curve(curve, 72, &curve == &curves[0] ? 6 : 3, unicode);
    }
  } catch (const UsageError& error) {
    text += fmt::format("none: {}\n", error.what());
  }
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const auto end = text.find('\n', at);
    const auto line = text.substr(at, end - at);
    out += line.empty() ? "\n" : "# " + line + '\n';
    at = end + 1;
  }
  return out;
}

int run(Words words) {
  if (words.plain.size() > 1) fail_usage("recipes takes one name; what is \"{}\"?", words.plain[1]);
  if (words.plain.empty() && !words.settings.empty())
    fail_usage("settings go behind a recipe's name: hadal recipes NAME key=value");
  if (words.plain.empty()) {
    for (const auto& [name, path] : list_recipes()) {
      std::string ignored;
      const auto recipe = recipe_from(load_recipe_table(path.string(), ignored), name);
      fmt::print("{:<22} {}\n{:<22}   reaches {}\n", name, recipe.about, "", reaches_text(recipe.reaches));
    }
    return 0;
  }
  std::string name;
  auto table = load_recipe_table(words.plain[0], name);
  apply_words(table, words.settings, words.own);
  auto recipe = recipe_from(table, name);
  recipe.resolve();
  recipe.task = tasks().resolve(recipe.task);
  auto all = recipe.table();
  leave_to_data(all, table);
  fmt::print("{}{}", to_toml(all), rates_text(recipe.train));
  return 0;
}

}  // namespace

Verb recipes_verb() {
  return {"recipes", "recipes [NAME]", "list the recipes, or show one with all its settings", help, run};
}

}  // namespace hadal::cli
