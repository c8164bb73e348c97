#include "cli/bench_augment.h"

#include <filesystem>

#include <fmt/format.h>

#include "hadal/core/machine.h"
#include "hadal/io/file.h"
#include "hadal/train/augment_bench.h"
#include "hadal/train/run_folder.h"
#include "hadal/train/trainer.h"

namespace hadal::cli {

namespace fs = std::filesystem;

std::string augment_help() {
  return "augment: a classifier of few examples alone, with classical augmentation, and with what generative models "
         "made,\nall of it and what a judge is sure of, over seeds. The table is printed and written to augment.md and "
         "augment.json.\n\n"
         "  recipe=NAME      a classifier's recipe or TOML file, whose augmentation is the classical one\n"
         "                   (default: augment-mnist)\n"
         "  out=DIR          where the tables and samples go (default: runs/bench-augment, runs/bench-augment-2, ...)\n"
         "  seed device precision threads workers batch steps   as for train; of every training\n" +
         Schema::of(AugmentBenchConfig{}).help() +
         "\n  hadal bench augment runs=runs/mnist-flow,runs/mnist-gan\n"
         "  hadal bench augment recipe=augment-digits runs=runs/digits-speech n=1000\n";
}

int bench_augment(Words& words) {
  const auto out = words.take("out");
  if (!out.empty() && fs::exists(fs::path(out) / "augment.json"))
    fail_usage("{} holds a table already; give another out=", out);
  const auto what = words.take("recipe", "augment-mnist");
  std::vector<std::pair<std::string, std::string>> shared;  // every training's
  for (const auto* key : {"seed", "device", "precision", "threads", "workers", "batch"})
    if (auto text = words.take(key); !text.empty()) shared.emplace_back(key, std::move(text));
  if (auto steps = words.take("steps"); !steps.empty()) shared.emplace_back("train.steps", std::move(steps));
  AugmentBenchConfig config;
  Table settings;
  for (const auto& [key, text] : words.settings) settings.set(key, Word{text});
  read_config(config, settings);
  config.validate();
  std::string name;
  auto table = load_recipe_table(what, name);
  apply_words(table, shared);
  const auto recipe = recipe_from(table, name);
  const auto folder = out.empty() ? fresh_folder("runs", "bench-augment") : fs::path(out);
  const UnusedFolder unused{out.empty() ? folder : fs::path()};
  stop_on_signals();
  const auto say = [](const std::string& line) {
    fmt::print("{}\n", line);
    std::fflush(stdout);
  };
  const auto keep = [&](const AugmentTable& made) {
    write_file(folder / "augment.md", machine_line() + "\n\n" + made.markdown());
    write_file(folder / "augment.json", made.json());
  };
  const auto made = compare_augmentations(recipe, config, fs::absolute(folder), say, keep);
  if (made.rows.empty()) return fmt::print("stopped\n"), kInterrupted;
  keep(made);
  fmt::print("\n{}\n{}\n", made.markdown(), (folder / "augment.md").string());
  return stop_requested() ? kInterrupted : 0;
}

}  // namespace hadal::cli
