#include <fmt/format.h>

#include "hadal/core/precision.h"
#include "hadal/train/run_folder.h"
#include "hadal/train/trainer.h"

#include "cli/verb.h"

namespace hadal::cli {
namespace {

std::string help(const Words&) {
  return "WHAT is a run folder, or a weights file with model=NAME. INPUT is a picture or a folder of pictures; for a "
         "model of\ntexts a file with a text a line (a language model reads a file as one text); for a model that "
         "forecasts a CSV file\nthat ends where the forecast begins. Ctrl-C keeps what was predicted by then.\n\n"
         "  out=DIR          where predictions.jsonl and pictures/ go (default: runs/predict, runs/predict-2, ...)\n"
         "  top=5            classes, or rows with anomalies=true, that a line of predictions.jsonl holds\n"
         "  pictures=true    write each picture with what the model says of it\n"
         "  limit=0          stop after this many inputs (0: all)\n"
         "  text=\"A dog.\"    a text as it is, for models of texts; may come several times\n"
         "  names=cat,dog    class names, where the weights do not know them\n"
         "  size=SIDE        resize pictures to this side (default: what the model was trained with)\n"
         "  anomalies=true   for a model that forecasts: how surprising each row is, instead of what comes next\n"
         "  batch= workers= device= precision= threads=, and every setting of the recipe\n\n"
         "  hadal predict runs/mnist-vit digit.png photos/\n"
         "  hadal predict runs/multi30k text=\"A dog runs.\"\n"
         "  hadal predict runs/etth1-patchtst load.csv\n"
         "  hadal predict runs/etth1-patchtst load.csv anomalies=true top=10\n";
}

struct Stopped {};

int run(Words words) {
  PredictOptions options;
  const auto out = words.take("out");
  options.top = read_count("top", words.take("top", "5"), 1);
  options.pictures = read_flag(Word{words.take("pictures", "true")}, "pictures");
  options.limit = read_count("limit", words.take("limit", "0"));
  options.texts = words.take_all("text");
  if (words.has("split"))
    fail_usage("predict takes files and folders behind the model, not a split of a data set; hadal eval takes one");
  auto subject = read_subject(words, true);
  options.inputs = words.plain;
  if (options.inputs.empty() && options.texts.empty())
    fail_usage("predict wants at least one file or folder after the model, or text=");
  for (const auto& input : options.inputs)
    if (!std::filesystem::exists(input)) fail_usage("there is no file or folder {}", input);
  auto task = make_task(subject, false);
  options.out = out.empty() ? fresh_folder("runs", "predict") : std::filesystem::path(out);
  const Autocast autocast(torch::Device(subject.recipe.train.device), subject.recipe.train.precision);
  const UnusedFolder unused{out.empty() ? options.out : std::filesystem::path()};
  stop_on_signals();
  int64_t count = 0, lines = 0;
  try {
    count = task->predict(options, [&](const std::string& line) {
      fmt::print("{}\n", line);
      ++lines;
      if (stop_requested()) throw Stopped();
    });
  } catch (const Stopped&) {
    fmt::print(stderr, "stopped; {} line{} written to {}\n", lines, lines == 1 ? "" : "s", options.out.string());
    return kInterrupted;
  }
  // The standard output holds the lines alone, for programs that read them.
  fmt::print(stderr, "{} input{}; written to {}\n", count, count == 1 ? "" : "s", options.out.string());
  return 0;
}

}  // namespace

Verb predict_verb() {
  return {"predict", "predict WHAT INPUT... [key=value ...]", "run a model on pictures, texts or series", help, run};
}

}  // namespace hadal::cli
