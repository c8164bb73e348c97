// BERT (Devlin et al. 2018, arXiv:1810.04805): a post-norm encoder that learns words hidden in a text, and to classify.
#pragma once
#include <nlohmann/json.hpp>

#include "hadal/models/text/language_model.h"
#include "hadal/nn/embedding.h"
#include "hadal/nn/transformer.h"

namespace hadal {

struct BertConfig {
  int64_t vocabulary = 30522, context = 512, dim = 768, depth = 12, heads = 12, mlp = 3072, types = 2;
  double norm_eps = 1e-12, dropout = 0.1;

  static Fields<BertConfig> fields();
  void validate() const;
};

/// A config.json of Hugging Face's BERT as settings of a BERT here: `bert` of BertForMaskedLM and BertForPreTraining,
/// `bert_classifier` of BertForSequenceClassification, `bert_encoder` of BertModel. Throws FileError with all that no
/// setting gives; `name` is the file's.
Part bert_settings(const nlohmann::json& config, const std::string& name = "config.json");

struct BertInput {
  Tensor ids;    // (B, T) int64
  Tensor types;  // (B, T) int64, which of two texts a token is of; undefined: all 0
  Tensor mask;   // (B, T): 0 where a token is padding; undefined: none is
};

/// Modules: embeddings (word_embeddings, position_embeddings, token_type_embeddings, LayerNorm), encoder.
struct BertEncoderImpl : nn::Module {
  explicit BertEncoderImpl(const BertConfig& config);
  /// (B, T, dim)
  Tensor forward(const BertInput& input);

  Embedding words{nullptr};

 private:
  BertConfig config_;
  Embedding places_{nullptr}, types_{nullptr};
  Norm norm_{nullptr};
  Stack encoder_{nullptr};
};
TORCH_MODULE(BertEncoder);

/// The head of masked words; its product is tied to the word embeddings. Modules: bert, transform, norm, and bias.
struct BertForWordsImpl : LanguageModel {
  explicit BertForWordsImpl(const BertConfig& config);
  Tensor forward(const Tensor& ids, DecodingCache* cache = nullptr) override;
  /// Logits (B, T, vocabulary) of every token.
  Tensor words(const BertInput& input);
  int64_t vocabulary() const override { return config_.vocabulary; }
  int64_t context() const override { return config_.context; }
  bool masked() const override { return true; }
  TensorsByName own_names(const TensorsByName& weights) const override;

 private:
  BertConfig config_;
  BertEncoder bert_{nullptr};
  Linear transform_{nullptr};
  Norm norm_{nullptr};
  Tensor bias_;
};
TORCH_MODULE(BertForWords);

/// The classification head on the first token. Modules: bert, pooler, classifier.
struct BertForClassesImpl : nn::Module {
  BertForClassesImpl(const BertConfig& config, int64_t classes);
  /// Logits (B, classes).
  Tensor forward(const BertInput& input);

 private:
  double dropout_;
  BertEncoder bert_{nullptr};
  Linear pooler_{nullptr}, classifier_{nullptr};
};
TORCH_MODULE(BertForClasses);

/// Names of Hugging Face's BERT -> Hadal's: BertForMaskedLM, BertForPreTraining, BertForSequenceClassification and
/// BertModel, norms as gamma and beta too. Heads that BertForWords has not are left out.
TensorsByName bert_word_names(const TensorsByName& weights);
/// The same for BertForClasses, which also leaves out the head of Hadal's own BertForWords.
TensorsByName bert_class_names(const TensorsByName& weights);

/// N(0, 0.02), biases 0.
void init_bert(nn::Module& module);

/// `bert` (small), bert-base, bert-large.
void register_bert(LanguageCatalog& catalog);

}  // namespace hadal
