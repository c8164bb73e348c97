// What the language task and `hadal generate` ask of a model, and the catalog of all of them.
#pragma once
#include <memory>
#include <string>

#include "hadal/core/catalog.h"
#include "hadal/models/model.h"
#include "hadal/nn/cache.h"

namespace hadal {

struct LanguageModel : Model {
  /// ids (B, T) int64 -> logits (B, T, vocabulary): of the next token, or of each token itself for a masked model. With
  /// a cache the ids go on where it stands. Throws Error for an id out of range and for more tokens than the context.
  virtual Tensor forward(const Tensor& ids, DecodingCache* cache = nullptr) = 0;
  virtual int64_t vocabulary() const = 0;
  /// How many tokens it reads at once.
  virtual int64_t context() const = 0;
  /// Learns words that are hidden in a text it sees from both sides, instead of what comes next.
  virtual bool masked() const { return false; }
  /// A cache of context() tokens may roll over: no position is bound to a place in the text.
  virtual bool rolls() const { return false; }
  /// Room for `length` tokens of `batch` sequences. Throws UsageError for a masked model.
  virtual DecodingCache make_cache(int64_t batch, int64_t length) const;
};

/// Their configs share the names `vocabulary` and `context`: the task sets the first from the tokenizer.
using LanguageCatalog = Catalog<std::shared_ptr<LanguageModel>>;

/// Every language model Hadal has.
const LanguageCatalog& language_models();

}  // namespace hadal
