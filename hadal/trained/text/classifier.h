// A trained classifier of texts.
#pragma once
#include <optional>

#include "hadal/data/text/tokenizer.h"
#include "hadal/models/text/text_classifier.h"
#include "hadal/trained/classes.h"
#include "hadal/trained/open.h"

namespace hadal {

struct TextClassifierConfig {
  Part model{"text_encoder", {}}, tokenizer{"bpe", {}};
  std::vector<std::string> names;
  ClassifyOptions predict;

  static Fields<TextClassifierConfig> fields();
};

class TrainedTextClassifier : public Trained {
 public:
  /// `tokenizer`: the one of `learned`, where somebody has made it already. Throws where nobody says which classes
  /// there are.
  TrainedTextClassifier(TextClassifierConfig config, const Table& learned, const Use& use,
                        std::shared_ptr<const Tokenizer> tokenizer = {});

  TextClassifier& model() override { return *model_; }
  Takes takes() const override { return Takes::lines; }
  std::string summary() const override;
  int64_t at_once() const override { return use_.batch; }
  /// {"input", "text", "top": [{"class", "score"}]}
  std::vector<Answer> predict(std::span<const Input> inputs, const Table& options = {}) override;
  /// The likeliest classes, best first.
  std::vector<ScoredClass> operator()(const std::string& text);

  const TextClassifierConfig& config() const { return config_; }
  /// Tokens that a text may have; longer ones are cut.
  int64_t context() const { return context_; }
  struct Encoded {
    std::vector<int64_t> ids;
    bool cut = false;
  };
  Encoded encode(const std::string& text) const;

 private:
  /// (texts, classes), on the CPU.
  Tensor probabilities(std::span<const std::vector<int64_t>> ids);

  TextClassifierConfig config_;
  Use use_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::optional<int64_t> before_, behind_;  // BERT's tokens around a text, where the tokenizer has them
  std::shared_ptr<TextClassifier> model_;
  int64_t context_ = 0;
};

std::unique_ptr<TrainedTextClassifier> load_text_classifier(const std::filesystem::path& what,
                                                            const UseOptions& options = {});

void register_trained_text_classifier(TrainedCatalog& catalog);

}  // namespace hadal
