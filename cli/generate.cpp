#include <chrono>
#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "hadal/core/precision.h"
#include "hadal/core/utf8.h"
#include "hadal/data/text/parallel.h"
#include "hadal/io/file.h"
#include "hadal/tasks/text/writer.h"

#include "cli/verb.h"

namespace hadal::cli {
namespace {

std::string help(const Words&) {
  return "WHAT is a run folder, or a weights file with model=NAME and tokenizer=NAME. One text is written to the "
         "terminal as it\ngrows; of several, which are made at once, the later ones wait for those before them.\n\n"
         "  prompt=TEXT            what the text begins with; may come several times (default: a line end). Empty: "
         "only the\n                         tokenizer's start of a text, where it has one (Llama's <s>)\n"
         "  prompts=FILE           a prompt a line, from a file\n"
         "  tokens=200             how long a text may grow\n"
         "  count=1                texts a prompt\n"
         "  temperature=1          below 1 more likely tokens, above 1 more surprising ones; 0: always the likeliest\n"
         "  top_k=0                draw from this many likeliest tokens (0: from all)\n"
         "  top_p=1                draw from the likeliest tokens that together have this probability\n"
         "  repetition_penalty=1   above 1, tokens that were there are less likely\n"
         "  beams=1                more than one: beam search, the likeliest whole text of this many; nothing is "
         "drawn, so\n"
         "                         temperature, top_k, top_p and repetition_penalty are refused\n"
         "  length_penalty=1       beam search divides a text's log probability by its length to this power\n"
         "  stop=TEXT              ends a text before this; may come several times\n"
         "  seed=1                 fixes what is drawn\n"
         "  out=DIR                also write generations.jsonl there\n"
         "  device= precision= threads=, and every setting of the recipe\n\n"
         "A text may outgrow the model's context. Where positions are relative (llama), the cache rolls: each token "
         "sees the\ncontext before it. Where they are learned (gpt2), the last half of the context is read again "
         "whenever it is full.\n\n"
         "  hadal generate runs/shakespeare prompt=ROMEO: temperature=0.8\n"
         "  hadal generate stories15M.bin tokenizer=sentencepiece tokenizer.path=tokenizer.model prompt=\"Once "
         "upon\"\n";
}

double read_real(Words& words, const std::string& key, double otherwise, const Limit& limit) {
  const auto text = words.take(key);
  return text.empty() ? otherwise : read_number(Word{text}, key, limit);
}

GenerateOptions read_options(Words& words) {
  GenerateOptions options;
  options.prompts = words.take_all("prompt");
  if (const auto file = words.take("prompts"); !file.empty()) {
    for (auto& line : read_lines(file))
      if (!line.empty()) options.prompts.push_back(std::move(line));
    if (options.prompts.empty()) throw FileError(file, "holds no prompt");
  }
  if (options.prompts.empty()) options.prompts = {"\n"};
  for (const auto& prompt : options.prompts)
    if (find_bad_utf8(prompt) != std::string::npos) fail_usage("the prompt is not UTF-8");
  options.tokens = read_integer(Word{words.take("tokens", "200")}, "tokens", between(1, 1e9));
  options.count = read_count("count", words.take("count", "1"), 1);
  options.temperature = read_real(words, "temperature", 1, at_least(0));
  options.top_k = read_count("top_k", words.take("top_k", "0"));
  options.top_p = read_real(words, "top_p", 1, {.low = 0, .high = 1, .low_open = true});
  options.repetition_penalty = read_real(words, "repetition_penalty", 1, above(0));
  options.beams = read_integer(Word{words.take("beams", "1")}, "beams", between(1, 1e6));
  options.length_penalty = read_real(words, "length_penalty", 1, {});
  options.stop = words.take_all("stop");
  options.seed = static_cast<uint64_t>(read_count("seed", words.take("seed", "1")));
  return options;
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
  const auto options = read_options(words);
  auto subject = read_subject(words);
  if (!words.plain.empty())
    fail_usage("generate takes one run or weights file; what is \"{}\"? A prompt is written prompt=TEXT",
               words.plain[0]);
  const auto task = make_task(subject, false);
  auto* writer = dynamic_cast<TextWriter*>(task.get());
  if (!writer) fail_usage("the model of task {} writes no text; it is for hadal predict", subject.recipe.task.name);
  const Autocast autocast(torch::Device(subject.recipe.train.device), subject.recipe.train.precision);
  std::vector<std::string> prompts;
  for (const auto& prompt : options.prompts) prompts.insert(prompts.end(), static_cast<size_t>(options.count), prompt);
  const auto begin = std::chrono::steady_clock::now();
  Stream stream(prompts);
  const auto texts = writer->generate(
      options, [&](size_t index, const std::string& piece, bool done) { stream.add(index, piece, done); });
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  std::string lines;
  for (size_t i = 0; i < texts.size(); ++i)
    lines += nlohmann::ordered_json{{"prompt", prompts[i]}, {"text", texts[i]}}.dump() + "\n";
  fmt::print(stderr, "{} text{} in {:.1f} s\n", texts.size(), texts.size() == 1 ? "" : "s", seconds.count());
  if (!out.empty()) write_file(std::filesystem::path(out) / "generations.jsonl", lines);
  return 0;
}

}  // namespace

Verb generate_verb() {
  return {"generate", "generate WHAT [prompt=TEXT] [key=value ...]", "let a language model write", help, run};
}

}  // namespace hadal::cli
