#include "cli/eval_predictions.h"

#include <algorithm>
#include <chrono>
#include <sstream>

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "hadal/core/format.h"
#include "hadal/io/file.h"
#include "hadal/metrics/coco_errors.h"
#include "hadal/metrics/coco_files.h"
#include "hadal/train/run_folder.h"

namespace hadal::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr size_t kShown = 20;  // classes in the table; metrics.json has them all

std::vector<double> read_sigmas(const std::string& text) {
  std::vector<double> out;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');)
    out.push_back(read_number(Word{word}, "sigmas", {.low = 0, .low_open = true, .example = "sigmas=.05,.1,.1"}));
  return out;
}

std::string name_of(const CocoFiles& files, int64_t label) {
  for (const auto& category : files.categories)
    if (category.id == label && !category.name.empty()) return category.name;
  return std::to_string(label);
}

std::string shown(double value) { return value < 0 ? "-" : fmt::format("{:.4f}", value); }

void print_classes(const CocoFiles& files, const CocoScores& scores) {
  std::vector<const CocoClassScore*> order;
  for (const auto& score : scores.classes)
    if (score.truth > 0) order.push_back(&score);
  if (order.size() < 2) return;
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->truth > b->truth; });
  fmt::print("\n  {:<22} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}\n", "class", "objects", "results", "AP", "AP50", "AP75",
             "AR");
  for (size_t i = 0; i < std::min(order.size(), kShown); ++i) {
    const auto& score = *order[i];
    const auto name = name_of(files, score.label);
    const std::string fitted(fit_width(name, 22));
    fmt::print("  {}{} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}\n", fitted, std::string(22 - display_width(fitted), ' '),
               format_count(score.truth), format_count(score.found), shown(score.ap), shown(score.ap_50),
               shown(score.ap_75), shown(score.ar));
  }
  if (order.size() > kShown) fmt::print("  and {} more classes, in metrics.json\n", order.size() - kShown);
}

void print_errors(const CocoErrors& errors) {
  fmt::print("\n  AP50 that each kind of error costs (TIDE):\n ");
  for (size_t i = 0; i < kCocoErrorNames.size(); ++i) fmt::print(" {} {:.4f}", kCocoErrorNames[i], errors.lost[i]);
  fmt::print("\n");
}

// Flat, the summary first; classes as "class/NAME/AP".
Json metrics_json(const CocoFiles& files, const CocoScores& scores, const CocoErrors& errors) {
  Json out;
  for (const auto& [name, value] : scores.summary) out[name] = value;
  for (size_t i = 0; i < kCocoErrorNames.size(); ++i) out[fmt::format("error/{}", kCocoErrorNames[i])] = errors.lost[i];
  for (const auto& score : scores.classes) {
    if (score.truth == 0) continue;
    const auto name = "class/" + name_of(files, score.label);
    out[name + "/AP"] = score.ap, out[name + "/AP50"] = score.ap_50, out[name + "/AR"] = score.ar;
  }
  return out;
}

}  // namespace

int eval_predictions(Words words) {
  const fs::path results = words.take("predictions"), out_folder = words.take("out");
  const fs::path truth = words.take("data");
  CocoSettings settings{.kind = coco_kind(words.take("iou", "bbox"))};
  if (const auto text = words.take("sigmas"); !text.empty()) {
    if (settings.kind != CocoKind::kKeypoints) fail_usage("sigmas= is for iou=keypoints");
    settings.sigmas = read_sigmas(text);
  }
  if (const auto threads = words.take("threads"); !threads.empty())
    at::set_num_threads(static_cast<int>(std::min<int64_t>(read_count("threads", threads, 1), 1024)));
  if (!words.plain.empty()) fail_usage("eval predictions=FILE takes no model; what is \"{}\"?", words.plain[0]);
  if (!words.settings.empty())
    fail_usage("eval predictions=FILE does not know {}={}{}", words.settings[0].first, words.settings[0].second,
               suggest(words.settings[0].first, {"predictions", "data", "iou", "out", "sigmas", "threads"}));
  if (truth.empty()) fail_usage("predictions= wants data=TRUTH.json too, the truth in COCO's form");
  if (!out_folder.empty() && fs::exists(out_folder / "config.toml"))
    fail_usage("{} is a run, whose own metrics.json would be lost; give another out=", out_folder.string());

  const auto begin = std::chrono::steady_clock::now();
  const auto files = read_coco_files(truth, results, settings);
  const auto& evaluation = files.evaluation;
  fmt::print("{} results for {} objects in {} pictures, {} classes\n",
             format_count(static_cast<int64_t>(evaluation.found().size())),
             format_count(static_cast<int64_t>(evaluation.truth().size())), format_count(files.pictures),
             files.categories.size());
  for (const auto& note : files.notes) fmt::print("note: {}\n", note);
  const auto scores = evaluation.scores();
  const auto errors = coco_errors(evaluation);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;

  for (const auto& [name, value] : scores.summary) fmt::print("  {:<12} {:>8}\n", name, shown(value));
  print_errors(errors);
  print_classes(files, scores);
  const auto folder = out_folder.empty() ? fresh_folder("runs", "eval") : out_folder;
  write_file(folder / "metrics.json", metrics_json(files, scores, errors).dump(2) + "\n");
  fmt::print("{:.1f} s; written to {}\n", seconds.count(), (folder / "metrics.json").string());
  return 0;
}

}  // namespace hadal::cli
