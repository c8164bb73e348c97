#include <chrono>

#include <fmt/format.h>

#include "hadal/io/file.h"
#include "hadal/report/history.h"
#include "hadal/train/run_folder.h"

#include "cli/eval_predictions.h"
#include "cli/verb.h"

namespace hadal::cli {
namespace {

namespace fs = std::filesystem;

std::string help(const Words&) {
  return "WHAT is a run folder, a weights file (.safetensors, .pt, .pth, .th; with model=NAME where it does not say "
         "which), or a\n"
         "folder as Hugging Face has it.\n\n"
         "  data=PATH        a folder, archive or file of the recipe's kind (default: the run's own data)\n"
         "  split=test       train, val or test (default: test where there is one, else val, else train)\n"
         "  limit=0          score at most this many samples, evenly spread over the split (0: all)\n"
         "  out=DIR          where metrics.json goes (default: runs/eval, runs/eval-2, ...)\n"
         "  batch= workers= device= precision= threads= seed=, and every setting of the recipe. Threads and a GPU "
         "that\n"
         "  are not here, and the training's limit, are left out unless they are given.\n"
         "  Where samples are scored, steps= sampler= and the like say how they are drawn, as with generate.\n\n"
         "  hadal eval runs/mnist-vit\n"
         "  hadal eval model=resnet20-cifar weights=resnet20.th data=cifar10.tar.gz split=val\n\n"
         "Any program's results in COCO's form, without a model:\n\n"
         "  predictions=FILE.json   a list of image_id, category_id, score, and bbox, segmentation or keypoints\n"
         "  data=TRUTH.json         the truth: images, annotations, categories\n"
         "  iou=bbox                bbox, segm or keypoints\n"
         "  sigmas=.026,.025,...    of keypoints that are not COCO's 17\n\n"
         "  hadal eval predictions=results.json data=instances_val2017.json iou=segm\n";
}

int run(Words words) {
  if (words.has("predictions")) return eval_predictions(std::move(words));
  const auto out = words.take("out");
  if (!out.empty() && fs::exists(fs::path(out) / "config.toml"))
    fail_usage("{} is a run, whose own metrics.json would be lost; give another out=", out);
  auto split = words.take("split");
  const bool other_data = words.has("data") || words.has("path") || words.has("data.path");
  auto subject = read_subject(words, "eval");
  if (!words.plain.empty()) fail_usage("eval takes one run or weights file; what is \"{}\"?", words.plain[0]);
  const auto task = make_task(subject);
  const bool asked = !split.empty();
  if (!asked) split = task->has_split("test") ? "test" : task->has_split("val") ? "val" : "train";
  task->require_split(split);
  fmt::print("{}\n", task->summary());
  if (!asked && split == "train")
    fmt::print("{}\n", other_data
                           ? "there is no split but train: all of it is scored"
                           : "there is no split but train: these are scores on what the model may have learned from");
  const auto make_folder = [&] { return out.empty() ? fresh_folder("runs", "eval") : fs::path(out); };
  {  // one that cannot be written says so before the scoring, not after it; Ctrl-C in between leaves none behind
    const auto folder = make_folder();
    const UnusedFolder unused{out.empty() ? folder : fs::path()};
    const AtomicFile file(folder / "metrics.json");
  }
  const auto begin = std::chrono::steady_clock::now();
  Metrics metrics;
  for (auto& [name, value] : task->evaluate(split, subject.recipe.train.limit))
    metrics.emplace_back(split + "/" + name, value);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  const auto folder = make_folder();
  for (const auto& [name, value] : metrics) fmt::print("  {:<24} {:.6g}\n", name, value);
  if (metrics.empty()) fmt::print("  nothing was measured\n");
  write_file(folder / "metrics.json", metrics_json(metrics));
  fmt::print("{:.1f} s; written to {}\n", seconds.count(), (folder / "metrics.json").string());
  return 0;
}

}  // namespace

Verb eval_verb() { return {"eval", "eval WHAT [key=value ...]", "score a model on a data set", help, run}; }

}  // namespace hadal::cli
