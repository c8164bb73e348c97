#include "hadal/trained/text/write_texts.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "hadal/core/utf8.h"
#include "hadal/data/loader.h"
#include "hadal/models/text/generate.h"

namespace hadal {
namespace {

constexpr int64_t kNothing = -100;  // cross entropy's ignored target

/// A text that grows token by token: what of it can be shown, and whether a stop word came. It is decoded together with
/// its prompt and that is cut off again: decoding the new tokens alone would drop the space before the first of them.
class GrowingText {
 public:
  GrowingText(const Tokenizer& tokenizer, const std::vector<int64_t>& prompt, const std::vector<std::string>& stop)
      : tokenizer_(tokenizer), stop_(stop), prompt_(tokenizer.decode(prompt).size()), ids_(prompt) {
    for (const auto& word : stop) longest_ = std::max(longest_, word.size());
  }
  /// The characters that are certain now: whole, and not the beginning of a stop word.
  std::string add(int64_t token) {
    ids_.push_back(token);
    text_ = tokenizer_.decode(ids_).erase(0, prompt_);
    auto end = std::string::npos;
    for (const auto& word : stop_)
      if (!word.empty()) end = std::min(end, text_.find(word));
    if (end != std::string::npos) text_.resize(end), stopped_ = true;
    auto certain = stopped_ ? text_.size() : whole_characters(text_);
    if (!stopped_) certain -= begun_stop_word(std::string_view(text_).substr(0, certain));
    return show(certain);
  }
  /// What was held back, once the text has ended.
  std::string rest() { return show(text_.size()); }
  bool stopped() const { return stopped_; }
  std::string text() const { return repaired_utf8(text_); }

 private:
  std::string show(size_t to) {
    if (to <= shown_) return {};
    const auto piece = repaired_utf8(std::string_view(text_).substr(shown_, to - shown_));
    shown_ = to;
    return piece;
  }
  size_t begun_stop_word(std::string_view text) const {
    for (auto length = std::min(longest_, text.size()); length > 0; --length)
      for (const auto& word : stop_)
        if (word.starts_with(text.substr(text.size() - length))) return length;
    return 0;
  }

  const Tokenizer& tokenizer_;
  const std::vector<std::string>& stop_;
  size_t longest_ = 0, shown_ = 0, prompt_;  // bytes
  bool stopped_ = false;
  std::vector<int64_t> ids_;
  std::string text_;
};

/// Beam search shows a text when it is whole; a stop word cuts it.
std::vector<std::string> likeliest_texts(LanguageModel& model, const Tokenizer& tokenizer,
                                         const std::vector<std::vector<int64_t>>& prompts, const GenerateConfig& config,
                                         const WriteOptions& options, const TextListener& listen) {
  require(options.count <= options.beams, "count ({}) can be at most beams ({}): beam search keeps no more texts",
          options.count, options.beams);
  const auto refuse = [&](bool given, const char* key) {
    require(!given, "{} does nothing with beams={}: beam search draws no tokens; leave one of them out", key,
            options.beams);
  };
  refuse(options.temperature != 1, "temperature");
  refuse(options.top_k > 0, "top_k");
  refuse(options.top_p < 1, "top_p");
  refuse(options.repetition_penalty != 1, "repetition_penalty");
  const auto found =
      generate_likeliest(model, prompts, config,
                         {.beams = options.beams, .best = options.count, .length_penalty = options.length_penalty});
  std::vector<std::string> out;
  for (size_t i = 0; i < found.size(); ++i) {
    require(std::ssize(found[i]) == options.count,
            "count={}: beam search finds {} texts of {} tokens behind prompt {}, and no more", options.count,
            found[i].size(), options.tokens, i + 1);
    for (const auto& text : found[i]) {
      GrowingText growing(tokenizer, prompts[i], options.stop);
      for (const auto token : text.tokens)
        if (!growing.stopped()) growing.add(token);
      out.push_back(growing.text());
      if (listen && !listen(out.size() - 1, out.back(), true)) return out;
    }
  }
  return out;
}

/// Bytes of a window's text behind its first token, which is decoded too: the second may lose its space without it.
int64_t told_bytes(const Tokenizer& tokenizer, const Tensor& window) {
  const std::span ids(window.const_data_ptr<int64_t>(), static_cast<size_t>(window.size(0)));
  return std::ssize(tokenizer.decode(ids)) - std::ssize(tokenizer.decode(ids.first(1)));
}

/// Tokens that end a text, by their usual names.
std::vector<int64_t> end_tokens(const Tokenizer& tokenizer) {
  std::vector<int64_t> ends;
  for (const auto* name : {"<|endoftext|>", "</s>", "[SEP]", "<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<eos>"})
    if (const auto id = tokenizer.special(name)) ends.push_back(*id);
  if (const auto id = tokenizer.begin()) ends.push_back(*id);  // the next text begins
  return ends;
}

}  // namespace

Fields<WriteOptions> WriteOptions::fields() {
  using C = WriteOptions;
  return {{"tokens", &C::tokens, "how long a text may grow", between(1, 1e9)},
          {"count", &C::count, "texts a prompt", at_least(1)},
          {"temperature", &C::temperature,
           "below 1 more likely tokens, above 1 more surprising ones; 0: always the likeliest", at_least(0)},
          {"top_k", &C::top_k, "draw from this many likeliest tokens (0: from all)", at_least(0)},
          {"top_p", &C::top_p, "draw from the likeliest tokens that together have this probability",
           Limit{.low = 0, .high = 1, .low_open = true}},
          {"repetition_penalty", &C::repetition_penalty, "above 1, tokens that were there are less likely", above(0)},
          {"beams", &C::beams,
           "more than one: beam search, the likeliest whole text of this many; nothing is drawn then", between(1, 1e6)},
          {"length_penalty", &C::length_penalty,
           "beam search divides a text's log probability by its length to this power"},
          {"stop", &C::stop, "texts end before the first of these; may come several times"},
          {"seed", &C::seed, "fixes what is drawn", at_least(0)}};
}

TokenBatch learn_from(const Tensor& window, const Hiding* hiding, Random& random) {
  const auto length = window.size(0) - 1;
  if (!hiding) return {window.slice(0, 0, length), window.slice(0, 1)};
  TokenBatch out{window.slice(0, 0, length).clone(), torch::full({length}, kNothing, torch::kInt64)};
  auto* inputs = out.inputs.mutable_data_ptr<int64_t>();
  auto* targets = out.targets.mutable_data_ptr<int64_t>();
  // At least one, so that a short window tells something; the first `count` of a random order.
  const auto count = std::max<int64_t>(1, std::llround(hiding->hidden * static_cast<double>(length)));
  const auto order = permutation(length, random);
  for (int64_t i = 0; i < count; ++i) {
    const auto at = order[i];
    targets[at] = inputs[at];
    const auto what = random.uniform();
    if (what < 0.9) inputs[at] = what < 0.8 ? hiding->mask : random.below(hiding->vocabulary);
  }
  return out;
}

void TextScore::add(const Tensor& logits, const Tensor& targets) {
  const auto rows = logits.flatten(0, 1), told = targets.flatten();
  nats_ += at::cross_entropy_loss(rows, told, {}, at::Reduction::Sum, kNothing).to(torch::kFloat64).item<double>();
  right_ += rows.argmax(1).eq(told).sum().item<double>();
  count_ += told.ne(kNothing).sum().item<double>();
}

Metrics TextScore::metrics(int64_t bytes) const {
  const auto loss = nats_ / count_;
  Metrics out = {{"loss", loss}, {"perplexity", std::exp(loss)}, {"accuracy", right_ / count_}};
  if (bytes > 0) out.emplace_back("bits_per_byte", nats_ / std::numbers::ln2 / static_cast<double>(bytes));
  return out;
}

Metrics score_text(LanguageModel& model, const Tokenizer& tokenizer, const TokenWindows& windows, const Hiding* hiding,
                   int64_t batch, int64_t limit, const torch::Device& device, const std::function<void()>& between) {
  const torch::NoGradGuard no_grad;
  model.eval();
  const auto indices = scored_samples(windows.count(), limit, batch).order(0);
  const auto count = std::ssize(indices);
  TextScore score;
  int64_t bytes = 0;
  for (int64_t first = 0; first < count;) {
    if (between) between();
    TokenBatch rows;
    std::vector<Tensor> inputs, targets;
    // Rows of one length: the last window may be shorter and then comes alone.
    for (; first < count && std::ssize(inputs) < batch; ++first) {
      const auto index = indices[static_cast<size_t>(first)];
      const auto window = windows.strided(index);
      if (!inputs.empty() && window.size(0) - 1 != inputs[0].size(0)) break;
      Random random(0, {6, static_cast<uint64_t>(index)});
      const auto row = learn_from(window, hiding, random);
      inputs.push_back(row.inputs);
      targets.push_back(row.targets);
      if (!hiding) bytes += told_bytes(tokenizer, window);
    }
    const auto logits = model.forward(torch::stack(inputs).to(device)).to(torch::kFloat32);
    score.add(logits, torch::stack(targets).to(device));
  }
  return score.metrics(std::llround(static_cast<double>(bytes) * windows.text_share));
}

std::vector<int64_t> prompt_tokens(const Tokenizer& tokenizer, const std::string& prompt, bool with_begin) {
  auto ids = tokenizer.encode(prompt);
  const auto begin = with_begin ? tokenizer.begin() : std::nullopt;
  if (begin && (ids.empty() || ids[0] != *begin)) ids.insert(ids.begin(), *begin);
  require(!ids.empty(), "the prompt \"{}\" has no token; a text needs one to begin with", prompt);
  return ids;
}

std::vector<std::string> write_texts(LanguageModel& model, const Tokenizer& tokenizer,
                                     const std::vector<std::vector<int64_t>>& prompts, const WriteOptions& options,
                                     const std::vector<int64_t>& ends, const TextListener& listen) {
  require(!prompts.empty(), "say what the text begins with: prompt=\"Once upon a time\"");
  GenerateConfig config{.tokens = options.tokens,
                        .sampling = {.temperature = options.temperature,
                                     .top_k = options.top_k,
                                     .top_p = options.top_p,
                                     .repetition_penalty = options.repetition_penalty},
                        .seed = static_cast<uint64_t>(options.seed),
                        .vocabulary = std::min(model.vocabulary(), tokenizer.size())};
  config.stop = end_tokens(tokenizer);
  config.stop.insert(config.stop.end(), ends.begin(), ends.end());
  if (options.beams > 1) return likeliest_texts(model, tokenizer, prompts, config, options, listen);
  std::vector<std::vector<int64_t>> begun;
  std::vector<GrowingText> texts;
  for (const auto& prompt : prompts)
    for (int64_t i = 0; i < options.count; ++i) {
      begun.push_back(prompt);
      texts.emplace_back(tokenizer, prompt, options.stop);
    }
  std::vector<bool> ended(texts.size(), false);
  bool enough = false;
  const auto tell = [&](size_t index, const std::string& piece, bool done) {
    if (listen && !listen(index, piece, done)) enough = true;
    ended[index] = done;
  };
  generate(model, begun, config, [&](size_t index, int64_t token) {
    auto& text = texts[index];
    const auto piece = text.add(token);
    if (!piece.empty() || text.stopped()) tell(index, piece, text.stopped());
    return text.stopped() || enough;
  });
  std::vector<std::string> out;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (!ended[i]) tell(i, texts[i].rest(), true);
    out.push_back(texts[i].text());
  }
  return out;
}

}  // namespace hadal
