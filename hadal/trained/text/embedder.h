// A trained embedder: one vector a text, near those of texts that mean the same.
#pragma once
#include <optional>

#include "hadal/data/text/tokenizer.h"
#include "hadal/models/text/embedder.h"
#include "hadal/models/text/pooling.h"
#include "hadal/trained/open.h"

namespace hadal {

struct PoolingConfig {
  std::string mode = "mean";
  bool normalize = true;
  int64_t longest = 0;

  static Fields<PoolingConfig> fields();
  static PoolingConfig of(const Pooling& pooling);
  Pooling pooling() const;
};

struct EmbedOptions {
  static Fields<EmbedOptions> fields() { return {}; }
};

struct EmbedderConfig {
  Part model{"bert_encoder", {}}, tokenizer{"huggingface", {}};
  PoolingConfig pooling;
  EmbedOptions predict;

  static Fields<EmbedderConfig> fields();
};

class TrainedEmbedder : public Trained {
 public:
  TrainedEmbedder(EmbedderConfig config, const Table& learned, const Use& use);

  TextEmbedder& model() override { return *model_; }
  Takes takes() const override { return Takes::lines; }
  std::string summary() const override;
  int64_t at_once() const override { return use_.batch; }
  /// {"input", "text", "embedding": [numbers]}
  std::vector<Answer> predict(std::span<const Input> inputs, const Table& options = {}) override;
  /// (texts, D) floats on the CPU. What a text has beyond the tokens that are read is cut.
  Tensor operator()(std::span<const std::string> texts);

  const EmbedderConfig& config() const { return config_; }

 private:
  std::vector<int64_t> encode(const std::string& text) const;
  Tensor embed(std::span<const std::vector<int64_t>> ids);

  EmbedderConfig config_;
  Use use_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::optional<int64_t> before_, behind_;  // BERT's tokens around a text, where the tokenizer has them
  std::shared_ptr<TextEmbedder> model_;
  int64_t longest_ = 0;
};

/// auto embedder = load_embedder("all-MiniLM-L6-v2"); auto vectors = (*embedder)(texts);
std::unique_ptr<TrainedEmbedder> load_embedder(const std::filesystem::path& what, const UseOptions& options = {});

void register_trained_embedder(TrainedCatalog& catalog);

}  // namespace hadal
