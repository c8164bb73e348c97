#include <algorithm>
#include <chrono>
#include <cstdio>

#include <fmt/ranges.h>

#include "hadal/core/stop.h"
#include "hadal/data/text/parallel.h"
#include "hadal/io/file.h"

#include "cli/verb.h"

namespace hadal::cli {
namespace {

std::string help(const Words& words) {
  return "WHAT is a run folder, a weights file (with model=NAME and tokenizer=NAME where it does not say them), or a "
         "folder as Hugging\nFace has it.\n\n"
         "Of a model that makes pictures or sounds, samples are written to out=DIR (default: runs/generate, "
         "runs/generate-2, ...):\na grid, single files and generations.jsonl, a line a sample. Its noise follows from "
         "seed= and the sample's number alone.\nWhat an earlier call wrote to out= goes; other files stay.\n\n"
         "  hadal generate runs/mnist-gan n=64 seed=1\n"
         "  hadal generate runs/mnist-cgan class=7 n=10 out=sevens\n"
         "  hadal generate model=dcgan weights=netG.pth latents=z.safetensors raw=true\n\n"
         "Of a language model one text is written to the terminal as it grows; of several, which are made at once, the "
         "later ones\nwait for those before them.\n\n"
         "  prompt=TEXT      what the text begins with; may come several times (default: a line end). Empty: only the\n"
         "                   tokenizer's start of a text, where it has one (Llama's <s>)\n"
         "  prompts=FILE     a prompt a line, from a file\n"
         "  out=DIR          also write generations.jsonl there\n"
         "  device= precision= threads= batch=, and what is listed below\n\n"
         "A text may outgrow the model's context. Where positions are relative (llama), the cache rolls: each token "
         "sees the\ncontext before it. Where they are learned (gpt2), the last half of the context is read again "
         "whenever it is full.\n\n"
         "  hadal generate runs/shakespeare prompt=ROMEO: temperature=0.8\n"
         "  hadal generate SmolLM2-135M-Instruct prompt=\"Once upon\" temperature=0\n"
         "  hadal generate stories15M.bin tokenizer=sentencepiece tokenizer.path=tokenizer.model prompt=\"Once "
         "upon\"\n\n" +
         section_help("generate", recipe_of_words(words));
}

std::vector<Input> read_prompts(Words& words) {
  auto prompts = words.take_all("prompt");
  if (const auto file = words.take("prompts"); !file.empty()) {
    for (auto& line : read_lines(file))
      if (!line.empty()) prompts.push_back(std::move(line));
    if (prompts.empty()) throw FileError(file, "holds no prompt");
  }
  if (prompts.empty()) prompts = {"\n"};
  std::vector<Input> out;
  for (auto& prompt : prompts) out.push_back({"prompt", std::move(prompt), {}});
  return out;
}

/// Shows texts as they grow, one after the other: what comes of a later one waits.
class Stream {
 public:
  explicit Stream(std::vector<std::string> prompts) : texts_(std::move(prompts)), done_(texts_.size()) {}

  void add(size_t index, const std::string& piece, bool done) {
    if (!begun_) begin();  // not before: what is refused shows nothing
    begun_ = true;
    texts_[index] += piece;
    done_[index] = done;
    if (index == now_) show(piece);
    while (now_ < texts_.size() && done_[now_]) {
      fmt::print("\n");
      ++now_;
      begin();
    }
    std::fflush(stdout);
  }

 private:
  void begin() const {
    if (now_ == texts_.size()) return;
    if (texts_.size() > 1) fmt::print("{}--- {}\n", now_ > 0 ? "\n" : "", now_ + 1);
    show(texts_[now_]);
  }
  static void show(const std::string& text) { fmt::print("{}", text); }

  std::vector<std::string> texts_;  // prompts, and what has come behind them
  std::vector<bool> done_;
  size_t now_ = 0;
  bool begun_ = false;
};

int run(Words words) {
  const auto out = words.take("out");
  const bool prompted = words.has("prompt") || words.has("prompts");
  const auto prompts = read_prompts(words);
  Table options;
  if (words.has("stop")) {  // a text may hold commas, so not as a list in one word
    List stop;
    for (auto& text : words.take_all("stop")) stop.push_back(std::move(text));
    options.set("stop", std::move(stop));
  }
  const auto asked = words.settings;
  const auto subject = read_subject(words, "generate");
  if (!words.plain.empty())
    fail_usage("generate takes one run or weights file; what is \"{}\"? A prompt is written prompt=TEXT",
               words.plain[0]);
  const auto* section = trained().at(subject.recipe.task.name).schema.find("generate");
  if (!section) fail_usage("the model of task {} makes nothing; it is for hadal predict", subject.recipe.task.name);
  const auto trained = make_trained(subject);
  if (trained->takes() == Takes::nothing) {
    if (prompted) fail_usage("this model reads no prompt: class=NAME asks for a class, seed=N for other samples");
    for (const auto& [key, text] : asked) {  // what is asked for is told from what the recipe has anyway
      const auto own = key.starts_with("generate.") ? key.substr(9) : key;
      const auto fields = section->children();
      if (std::any_of(fields.begin(), fields.end(), [&](const Field& field) { return field.name == own; }))
        options.set(own, Word{text});
    }
    return make_samples(*trained, options, out);
  }
  const auto* count = subject.recipe.task.settings.find_path("generate.count");
  const auto each = count ? read_integer(*count, "count", at_least(1)) : 1;
  std::vector<std::string> begun;
  for (const auto& prompt : prompts) begun.insert(begun.end(), static_cast<size_t>(each), prompt.bytes);
  const auto begin = std::chrono::steady_clock::now();
  Stream stream(begun);
  std::vector<std::string> lines(begun.size());
  stop_on_signals();
  trained->generate(prompts, options, [&](const Piece& piece) {
    stream.add(piece.index, piece.text, piece.made != nullptr);
    if (piece.made) lines[piece.index] = piece.made->json.dump() + "\n";
    return !stop_requested().load();
  });
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  fmt::print(stderr, "{} text{} in {:.1f} s\n", lines.size(), lines.size() == 1 ? "" : "s", seconds.count());
  if (!out.empty())
    write_file(std::filesystem::path(out) / "generations.jsonl", fmt::format("{}", fmt::join(lines, "")));
  return stop_requested() ? kInterrupted : 0;
}

}  // namespace

Verb generate_verb() {
  return {"generate", "generate WHAT [prompt=TEXT] [key=value ...]", "let a model write texts or make pictures", help,
          run};
}

}  // namespace hadal::cli
