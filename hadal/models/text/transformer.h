// The encoder-decoder of "Attention Is All You Need" (Vaswani et al. 2017, arXiv:1706.03762), over one vocabulary for
// both sides.
#pragma once
#include <limits>

#include "hadal/core/catalog.h"
#include "hadal/models/model.h"
#include "hadal/nn/transformer.h"

namespace hadal {

struct TransformerConfig {
  int64_t vocabulary = 37000;
  int64_t dim = 512, heads = 8, mlp = 2048, encoder_layers = 6, decoder_layers = 6;
  double dropout = 0.1, attention_dropout = 0, mlp_dropout = 0;
  std::string activation = "relu", norm = "layer", positions = "sinusoidal";
  bool norm_first = false;
  bool tied = true;
  int64_t longest = 512;

  static Fields<TransformerConfig> fields();
  void validate() const;
};

/// Modules: embedding, positions (learned ones), transformer.encoder, transformer.decoder as in nn/transformer.h, and
/// output where it is not tied to the embedding. Tokens are embedding * sqrt(dim) + position, as in section 3.4.
struct TransformerImpl : Model {
  explicit TransformerImpl(const TransformerConfig& config);

  /// source (B, S) and target (B, T) of ids, source_lengths (B) -> features (B, T, dim) of what follows each target
  /// token; logits() makes them scores. Padding behind the end may be any id. Throws Error on an id outside the
  /// vocabulary.
  Tensor forward(const Tensor& source, const Tensor& source_lengths, const Tensor& target);
  /// features (..., dim) -> (..., vocabulary)
  Tensor logits(const Tensor& features);

  /// source (B, S), lengths (B) -> memory (B, S, dim).
  Tensor encode(const Tensor& source, const Tensor& lengths);
  /// target (B, T) behind what the cache has seen, memory_mask as padding_mask() makes it -> features (B, T, dim).
  Tensor decode(const Tensor& target, const Tensor& memory, const Tensor& memory_mask, DecodingCache* cache = nullptr);
  DecodingCache make_cache(int64_t batch, int64_t length) const {
    return transformer->decoder->make_cache(batch, length);
  }

  /// Tokens that a text may have: learned positions end.
  int64_t most_tokens() const { return positions_.defined() ? config_.longest : std::numeric_limits<int64_t>::max(); }

  EncoderDecoder transformer{nullptr};
  nn::Embedding embedding{nullptr};

 private:
  Tensor embed(const Tensor& tokens, int64_t first);

  TransformerConfig config_;
  Tensor sinusoids_, positions_;
  Linear output_{nullptr};
};
TORCH_MODULE(Transformer);

using TranslatorCatalog = Catalog<std::shared_ptr<TransformerImpl>>;
/// Models that read one text and write another.
const TranslatorCatalog& translators();

}  // namespace hadal
