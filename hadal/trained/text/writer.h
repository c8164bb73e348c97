// A trained language model: it writes texts, and says how likely texts are.
#pragma once
#include <optional>

#include "hadal/data/text/text.h"
#include "hadal/models/text/language_model.h"
#include "hadal/trained/open.h"
#include "hadal/trained/text/write_texts.h"

namespace hadal {

struct ScoreTextOptions {
  static Fields<ScoreTextOptions> fields() { return {}; }
};

struct WriterConfig {
  Part model{"gpt", {}}, tokenizer{"characters", {}};
  std::string begin = "auto";
  double hidden = 0.15;
  std::vector<int64_t> ends;
  ScoreTextOptions predict;
  WriteOptions generate;

  static Fields<WriterConfig> fields();
};

class TrainedWriter : public Trained {
 public:
  /// `tokenizer`: the one of `learned`, where somebody has made it already.
  TrainedWriter(WriterConfig config, const Table& learned, const Use& use,
                std::shared_ptr<const Tokenizer> tokenizer = {});

  LanguageModel& model() override { return *model_; }
  Takes takes() const override { return Takes::text; }
  std::string summary() const override;
  int64_t at_once() const override { return 1; }
  /// {"input", "tokens", "loss", "perplexity", ...} for each text.
  std::vector<Answer> predict(std::span<const Input> inputs, const Table& options = {}) override;
  /// Goes on with each prompt; {"prompt", "text"} for each text.
  void generate(std::span<const Input> prompts, const Table& options, const Told& told) override;
  /// What follows `prompt`.
  std::string operator()(const std::string& prompt, const WriteOptions& options = {});

  const WriterConfig& config() const { return config_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  /// Of a masked model; nullptr for others.
  const Hiding* hiding() const { return hiding_ ? &*hiding_ : nullptr; }
  std::vector<int64_t> prompt(const std::string& text) const;
  /// Windows whose bytes are told; `what` is for messages.
  TokenWindows windows(const std::string& text, const std::string& what) const;
  Metrics score(const TokenWindows& windows, int64_t limit = 0, const std::function<void()>& between = {});

 private:
  void settle_model();

  WriterConfig config_;
  Use use_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<LanguageModel> model_;
  std::optional<Hiding> hiding_;
};

/// auto writer = load_writer("runs/shakespeare"); auto text = (*writer)("ROMEO:");
std::unique_ptr<TrainedWriter> load_writer(const std::filesystem::path& what, const UseOptions& options = {});

void register_trained_writer(TrainedCatalog& catalog);

}  // namespace hadal
