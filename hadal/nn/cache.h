// Keys and values of the tokens that a decoder has read, so that the next one costs one query.
#pragma once
#include <utility>
#include <vector>

#include "hadal/core/torch.h"

namespace hadal {

/// One layer's keys and values: room for `length` tokens, taken once; after that each new token takes the place of the
/// oldest (a rolling window). No gradients.
class KeyValueCache {
 public:
  /// Width is a head's. Memory is (batch, heads, length, width) twice.
  KeyValueCache(int64_t batch, int64_t heads, int64_t length, int64_t width, const at::TensorOptions& options);
  /// Adds those of the next T tokens, (B, H, T, width), and gives the ones to attend to, in the order of
  /// key_positions(T) before the call.
  std::pair<Tensor, Tensor> add(const Tensor& keys, const Tensor& values);
  /// Where in the text the keys stand that add() of `tokens` more will give, (n) int64: ascending, until single tokens
  /// roll over.
  Tensor key_positions(int64_t tokens) const;

  int64_t length() const { return keys_.size(2); }
  /// Tokens added so far, those that gave way included.
  int64_t seen() const { return seen_; }
  /// Keeps sequences `rows` (n) of the batch, in this order: beam search goes on with some, one of them several times.
  void select(const Tensor& rows);

 private:
  Tensor store(Tensor& ring, const Tensor& fresh) const;

  Tensor keys_, values_;
  int64_t seen_ = 0;
};

/// A decoder's memory while it writes: all layers', and what is padding.
struct DecodingCache {
  struct Layer {
    KeyValueCache own;
    Tensor memory_keys, memory_values;  // of cross-attention, made by the first call
  };
  std::vector<Layer> layers;
  Tensor starts;  // (B) int64: where each sequence begins behind its padding on the left; undefined: none is padded

  int64_t seen() const { return layers.empty() ? 0 : layers[0].own.seen(); }
  int64_t length() const { return layers.empty() ? 0 : layers[0].own.length(); }
  void select(const Tensor& rows);
};

}  // namespace hadal
