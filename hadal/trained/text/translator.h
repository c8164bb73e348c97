// A trained encoder-decoder: texts in, texts out.
#pragma once
#include "hadal/trained/open.h"
#include "hadal/trained/text/beam_translator.h"

namespace hadal {

struct TranslateOptions {
  int64_t beams = 5;
  double length_penalty = 1;
  static Fields<TranslateOptions> fields();
};

struct TranslatorConfig {
  Part model{"transformer", {}}, tokenizer{"bpe", {}};
  int64_t longest = 200;
  TranslateOptions predict;

  static Fields<TranslatorConfig> fields();
};

class TrainedTranslator : public Trained {
 public:
  /// `tokenizer`: the one of `learned`, where somebody has made it already.
  TrainedTranslator(TranslatorConfig config, const Table& learned, const Use& use,
                    std::shared_ptr<const Tokenizer> tokenizer = {});

  TransformerImpl& model() override { return *model_; }
  Takes takes() const override { return Takes::lines; }
  std::string summary() const override;
  /// Enough to sort by length, few enough to see it move.
  int64_t at_once() const override { return use_.batch * 16; }
  /// {"input", "text", "translation", "score"}, "ended": false where it was cut; and the translation as a line of
  /// translations.txt.
  std::vector<Answer> predict(std::span<const Input> inputs, const Table& options = {}) override;
  std::string operator()(const std::string& text) { return translate({&text, 1}, config_.predict).at(0).text; }

  /// In the order of the texts.
  /// `between` as TranslatorOptions has it.
  std::vector<Translation> translate(std::span<const std::string> texts, const TranslateOptions& options,
                                     const std::function<void()>& between = {});
  const TranslatorConfig& config() const { return config_; }
  const Translator& translator() const { return *translator_; }
  /// Throws Error where a text of so many tokens is longer than learned positions.
  void check_length(int64_t tokens, const std::string& name) const;

 private:
  TranslatorConfig config_;
  Use use_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<TransformerImpl> model_;
  std::unique_ptr<Translator> translator_;
};

/// auto translator = load_translator("runs/multi30k"); auto german = (*translator)("A dog runs.");
std::unique_ptr<TrainedTranslator> load_translator(const std::filesystem::path& what, const UseOptions& options = {});

void register_trained_translator(TrainedCatalog& catalog);

}  // namespace hadal
