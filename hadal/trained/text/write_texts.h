// Texts a language model writes, and scores of whole texts: what predict, eval and generate share.
#pragma once
#include <functional>
#include <tuple>

#include "hadal/data/text/text.h"
#include "hadal/data/text/tokenizer.h"
#include "hadal/metrics/metrics.h"
#include "hadal/models/text/language_model.h"

namespace hadal {

/// How texts are written: [generate].
struct WriteOptions {
  int64_t tokens = 200, count = 1;
  double temperature = 1;
  int64_t top_k = 0;
  double top_p = 1, repetition_penalty = 1;
  int64_t beams = 1;
  double length_penalty = 1;
  std::vector<std::string> stop;
  int64_t seed = 1;

  static Fields<WriteOptions> fields();
};
/// Called with each new piece of text `index` (prompt by prompt, `count` of each): whole UTF-8 characters; `done` once,
/// with the last. False ends all texts.
using TextListener = std::function<bool(size_t index, const std::string& piece, bool done)>;

/// Tokens in and tokens to tell, (B, T) int64; -100 where nothing is to be told.
struct TokenBatch {
  Tensor inputs, targets;
  auto tensors() { return std::tie(inputs, targets); }
};

/// How the tokens of a masked model's windows are hidden (Devlin et al. 2018, section 3.1): of a share `hidden`, 80 %
/// become `mask`, 10 % any token below `vocabulary`, 10 % stay.
struct Hiding {
  double hidden = 0.15;
  int64_t mask = 0, vocabulary = 0;
};
/// One window of at most length + 1 ids -> inputs and targets (T): the next tokens, or with `hiding` the hidden ones.
TokenBatch learn_from(const Tensor& window, const Hiding* hiding, Random& random);

/// How well a model tells a text.
class TextScore {
 public:
  /// logits (B, T, V), float32; the batch's targets.
  void add(const Tensor& logits, const Tensor& targets);
  /// loss (nats a token), perplexity, accuracy, and bits_per_byte where `bytes` of text were told.
  Metrics metrics(int64_t bytes = 0) const;

 private:
  double nats_ = 0, right_ = 0, count_ = 0;
};

/// Mean loss, perplexity and so on over `windows` (at most `limit`; 0: all), every token told once. `between` comes
/// before each batch: what it throws ends the work.
Metrics score_text(LanguageModel& model, const Tokenizer& tokenizer, const TokenWindows& windows, const Hiding* hiding,
                   int64_t batch, int64_t limit, const torch::Device& device,
                   const std::function<void()>& between = {});

/// A prompt's tokens, behind the tokenizer's begin() where `with_begin` wants it and it has one. Throws UsageError
/// where nothing is left to begin with.
std::vector<int64_t> prompt_tokens(const Tokenizer& tokenizer, const std::string& prompt, bool with_begin);

/// generate() in text: goes on with each prompt's tokens, `count` times; texts without their prompts. Stop words, the
/// tokenizer's usual tokens that end a text, and `ends` end it.
std::vector<std::string> write_texts(LanguageModel& model, const Tokenizer& tokenizer,
                                     const std::vector<std::vector<int64_t>>& prompts, const WriteOptions& options,
                                     const std::vector<int64_t>& ends = {}, const TextListener& listen = {});

}  // namespace hadal
