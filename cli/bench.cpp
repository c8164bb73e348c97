#include <filesystem>

#include <fmt/format.h>

#include "hadal/core/machine.h"
#include "hadal/io/file.h"
#include "hadal/train/optimizer_bench.h"
#include "hadal/train/run_folder.h"
#include "hadal/train/trainer.h"

#include "cli/bench_augment.h"
#include "cli/verb.h"

namespace hadal::cli {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kProblems = {"mnist-cnn", "shakespeare"};

std::string help(const Words&) {
  return "optimisers: every optimiser on the same problems: the score after equal steps and equal time, time per "
         "step,\n"
         "state per parameter. The table is printed and written to optimisers.md and optimisers.csv.\n\n"
         "  problems=A,B     recipes or TOML files (default: " +
         fmt::format("{}", fmt::join(kProblems, ",")) +
         ")\n"
         "  out=DIR          where the tables go (default: runs/bench-optimisers, runs/bench-optimisers-2, ...)\n"
         "  seed device precision threads workers batch   as for train; of every training\n" +
         Schema::of(OptimizerBenchConfig{}).help() +
         "\n  hadal bench optimisers steps=50 optimizers=adamw,sgd,lion\n\n" + augment_help();
}

int run(Words words) {
  if (words.plain.size() == 1 && words.plain[0] == "augment") return bench_augment(words);
  if (words.plain.size() != 1 || (words.plain[0] != "optimisers" && words.plain[0] != "optimizers"))
    fail_usage("bench takes one subject: hadal bench optimisers, or hadal bench augment");
  const auto out = words.take("out");
  if (!out.empty() && fs::exists(fs::path(out) / "optimisers.csv"))
    fail_usage("{} holds a table already; give another out=", out);
  const auto given = words.take("problems");
  std::vector<std::pair<std::string, std::string>> shared;  // every training's
  for (const auto* key : {"seed", "device", "precision", "threads", "workers", "batch"})
    if (auto text = words.take(key); !text.empty()) shared.emplace_back(key, std::move(text));
  auto problems = kProblems;
  if (!given.empty()) {
    problems.clear();
    for (const auto& item : read_list(Word{given}, "problems")) problems.push_back(read_text(item, "problems", {}));
  }
  OptimizerBenchConfig config;
  Table settings;
  for (const auto& [key, text] : words.settings) settings.set(key, Word{text});
  read_config(config, settings);
  config.validate();
  std::vector<Recipe> recipes;
  for (const auto& problem : problems) {
    std::string name;
    auto table = load_recipe_table(problem, name);
    apply_words(table, shared);
    recipes.push_back(recipe_from(table, name));
  }
  const auto folder = out.empty() ? fresh_folder("runs", "bench-optimisers") : fs::path(out);
  stop_on_signals();
  auto page = machine_line() + "\n";
  std::string rows;
  for (const auto& recipe : recipes) {
    fmt::print("{}\n", recipe.name);
    const auto page_before = page, rows_before = rows;
    const auto say = [](const std::string& line) {
      fmt::print("  {}\n", line);
      std::fflush(stdout);
    };
    const auto keep = [&](const OptimizerTable& table) {
      page = page_before + "\n" + table.markdown();
      const auto csv = table.csv();
      rows = rows_before + (rows_before.empty() ? csv : csv.substr(csv.find('\n') + 1));
      write_file(folder / "optimisers.md", page);
      write_file(folder / "optimisers.csv", rows);
    };
    compare_optimizers(recipe, config, say, keep);
    if (stop_requested()) break;
  }
  if (rows.empty()) return remove_if_empty(folder), fmt::print("stopped\n"), kInterrupted;
  fmt::print("\n{}\n{}\n", page, (folder / "optimisers.md").string());
  return stop_requested() ? kInterrupted : 0;
}

}  // namespace

Verb bench_verb() {
  return {"bench", "bench optimisers|augment [key=value ...]",
          "compare optimisers, or what further training data is worth", help, run};
}

}  // namespace hadal::cli
