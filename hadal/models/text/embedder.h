// Encoders without a head, whose states of a text's tokens are pooled into one vector.
#pragma once
#include <memory>

#include "hadal/core/catalog.h"
#include "hadal/models/model.h"

namespace hadal {

struct TextEmbedder : Model {
  /// ids (B, T) int64, lengths (B): padding lies behind -> states (B, T, D). Throws Error on an id outside the
  /// vocabulary and on texts longer than the model reads.
  virtual Tensor forward(const Tensor& ids, const Tensor& lengths) = 0;
  /// Tokens that it reads.
  virtual int64_t context() const = 0;
};

/// Their configs share the name `vocabulary`.
using TextEmbedderCatalog = Catalog<std::shared_ptr<TextEmbedder>>;
const TextEmbedderCatalog& text_embedders();

}  // namespace hadal
