#include "hadal/trained/predict.h"

#include <fmt/format.h>

#include "hadal/train/run_folder.h"

#include "cli/verb.h"

namespace hadal::cli {
namespace {

namespace fs = std::filesystem;

std::string help(const Words& words) {
  return "WHAT is a run folder, a weights file (with model=NAME where it does not say which), or a folder as Hugging "
         "Face has it.\nINPUT is a picture, a video, a sound or a folder of them; for a model of texts a file with a "
         "text a "
         "line "
         "(a language model reads\na file as one text); for a model that forecasts a CSV file that ends where the "
         "forecast begins. Ctrl-C keeps what was\npredicted by then.\n\n"
         "  out=DIR          where predictions.jsonl and pictures/ go (default: runs/predict, runs/predict-2, ...)\n"
         "  pictures=true    write what goes with the answers: pictures with what the model says, tables\n"
         "  limit=0          stop after this many inputs, a video's frames one by one (0: all)\n"
         "  text=\"A dog.\"    a text as it is, for models of texts; may come several times\n"
         "  names=cat,dog    class names, where the weights do not know them\n"
         "  batch= device= precision= threads=, and the model's own settings\n\n"
         "  hadal predict runs/mnist-vit digit.png photos/\n"
         "  hadal predict runs/multi30k text=\"A dog runs.\"\n"
         "  hadal predict runs/etth1-patchtst load.csv anomalies=true top=10\n\n" +
         section_help("predict", recipe_of_words(words)) +
         (words.plain.empty() ? "\nhadal predict WHAT --help shows what that model can be asked for.\n" : "");
}

int run(Words words) {
  PredictJob job;
  const auto out = words.take("out");
  job.files = read_flag(Word{words.take("pictures", "true")}, "pictures");
  const auto limit = read_count("limit", words.take("limit", "0"));
  const auto texts = words.take_all("text");
  if (words.has("split"))
    fail_usage("predict takes files and folders behind the model, not a split of a data set; hadal eval takes one");
  const auto subject = read_subject(words, "predict");
  if (words.plain.empty() && texts.empty())
    fail_usage("predict wants at least one file or folder after the model, or text=");
  const auto trained = make_trained(subject);
  const auto sources = list_inputs(trained->takes(), words.plain, texts);
  job.limit = limit;
  job.inputs.assign(words.plain.begin(), words.plain.end());
  job.out = out.empty() ? fresh_folder("runs", "predict") : fs::path(out);
  job.listen = [](const std::string& line) { fmt::print("{}\n", line); };
  const UnusedFolder unused{out.empty() ? job.out : fs::path()};
  stop_on_signals();
  const auto count = predict_all(*trained, sources, {}, job);
  const auto lines = count.answered + count.failed;
  if (count.stopped) {
    fmt::print(stderr, "stopped; {} line{} written to {}\n", lines, lines == 1 ? "" : "s", job.out.string());
    return kInterrupted;
  }
  if (count.failed > 0 && lines == 1) throw Error(count.first_error);
  if (count.failed > 0)
    fail("{} of {} {} could not be read, the first: {}; the others are in {}", count.failed, lines,
         plural_of(trained->takes()), count.first_error, (job.out / "predictions.jsonl").string());
  // The standard output holds the lines alone, for programs that read them.
  fmt::print(stderr, "{} input{}; written to {}\n", count.answered, count.answered == 1 ? "" : "s", job.out.string());
  return 0;
}

}  // namespace

Verb predict_verb() {
  return {"predict", "predict WHAT INPUT... [key=value ...]", "run a model on pictures, texts or series", help, run};
}

}  // namespace hadal::cli
