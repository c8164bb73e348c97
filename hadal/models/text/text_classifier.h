// Models that read a text and name its class.
#pragma once
#include "hadal/core/catalog.h"
#include "hadal/models/model.h"
#include "hadal/nn/transformer.h"

namespace hadal {

struct TextClassifier : Model {
  /// ids (B, T) int64, lengths (B): padding lies behind -> logits (B, classes). Throws Error on an id outside the
  /// vocabulary and on texts longer than the model reads.
  virtual Tensor forward(const Tensor& ids, const Tensor& lengths) = 0;
};

/// Their configs share the names `vocabulary`, `classes` and `context`.
using TextClassifierCatalog = Catalog<std::shared_ptr<TextClassifier>>;
const TextClassifierCatalog& text_classifiers();

struct TextEncoderConfig {
  int64_t vocabulary = 8000, classes = 2, context = 512;
  int64_t dim = 128, heads = 4, mlp = 256, depth = 2;
  double dropout = 0.1;
  std::string activation = "gelu", norm = "layer";
  bool norm_first = true;

  static Fields<TextEncoderConfig> fields();
  void validate() const;
};

/// Embedding with sines, a stack of blocks (nn/transformer.h), the mean over the text's tokens, a linear head. Modules:
/// embedding, encoder, head.
struct TextEncoderImpl : TextClassifier {
  explicit TextEncoderImpl(const TextEncoderConfig& config);
  Tensor forward(const Tensor& ids, const Tensor& lengths) override;
  std::vector<std::string> heads() const override { return {"head"}; }

 private:
  TextEncoderConfig config_;
  nn::Embedding embedding_{nullptr};
  Tensor sinusoids_;
  Stack encoder_{nullptr};
  Linear head_{nullptr};
};
TORCH_MODULE(TextEncoder);

/// Throws Error, "[where] there is no token 17; ids are 0 to 16", unless all ids are of the vocabulary. GPUs are not
/// asked: the look would make the program wait.
void check_tokens(std::string_view where, const Tensor& ids, int64_t vocabulary);

}  // namespace hadal
