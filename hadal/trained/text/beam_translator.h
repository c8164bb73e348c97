// A trained encoder-decoder with its tokenizer: texts in, texts out.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "hadal/data/text/tokenizer.h"
#include "hadal/models/text/beam_search.h"
#include "hadal/models/text/transformer.h"

namespace hadal {

/// Three tokens behind those of the tokenizer: padding, the start of a text, its end.
struct TextEnds {
  int64_t padding, start, end;
  explicit TextEnds(const Tokenizer& tokenizer) : padding(tokenizer.size()), start(padding + 1), end(padding + 2) {}
  static constexpr int64_t kCount = 3;
};

struct Translation {
  std::string text;
  double score = 0;   // log-probability by length, see BeamOptions
  bool ended = true;  // false: cut at its longest length
};

struct TranslatorOptions {
  BeamOptions beam;                    // its `ends` are set here
  int64_t batch = 64;                  // texts at once
  int64_t longest = 200;               // tokens a translation may have, besides being at most twice its text and ten
  std::function<void()> between = {};  // before each batch: what it throws ends the work
};

class Translator {
 public:
  /// The model must stay.
  Translator(TransformerImpl& model, std::shared_ptr<const Tokenizer> tokenizer, torch::Device device)
      : model_(model), tokenizer_(std::move(tokenizer)), ends_(*tokenizer_), device_(device) {}

  const TextEnds& ends() const { return ends_; }
  /// The text's tokens and the end. Words are told apart by the space before them, so the first gets one too.
  std::vector<int64_t> encode(std::string_view text) const;
  std::string decode(std::span<const int64_t> ids) const;

  /// In the order of the texts; a text of spaces alone stays empty. The model is in eval mode.
  std::vector<Translation> translate(std::span<const std::string> texts, const TranslatorOptions& options) const;

 private:
  std::vector<std::vector<Continuation>> search(std::span<const std::vector<int64_t>> sources,
                                                const TranslatorOptions& options) const;

  TransformerImpl& model_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  TextEnds ends_;
  torch::Device device_;
};

/// Lengths of rows that end behind their `end` token, (B) int64.
Tensor lengths_of(std::span<const std::vector<int64_t>> rows);

}  // namespace hadal
