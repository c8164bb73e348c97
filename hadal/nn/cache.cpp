#include "hadal/nn/cache.h"

#include <algorithm>

#include "hadal/core/error.h"
#include "hadal/core/shape.h"

namespace hadal {

KeyValueCache::KeyValueCache(int64_t batch, int64_t heads, int64_t length, int64_t width,
                             const at::TensorOptions& options) {
  require(length > 0, "[cache] length ({}) must be at least 1", length);
  keys_ = torch::zeros({batch, heads, length, width}, options);
  values_ = torch::zeros_like(keys_);
}

Tensor KeyValueCache::key_positions(int64_t tokens) const {
  const auto options = keys_.options().dtype(torch::kInt64);
  const auto all = seen_ + tokens;
  if (all <= length()) return torch::arange(all, options);
  if (tokens > 1) return torch::arange(std::max<int64_t>(0, seen_ - length() + 1), all, options);
  const auto slots = torch::arange(length(), options);  // slot s holds the latest position that is s modulo the length
  return slots + (all - 1 - slots).div(length(), "floor") * length();
}

Tensor KeyValueCache::store(Tensor& ring, const Tensor& fresh) const {
  const auto room = ring.size(2), tokens = fresh.size(2), all = seen_ + tokens;
  if (all <= room) {
    ring.slice(2, seen_, all).copy_(fresh);
    return ring.slice(2, 0, all);
  }
  // Several tokens that roll over: the first of them still sees keys whose place the last one takes.
  Tensor given;
  if (tokens > 1) {
    const auto first = std::max<int64_t>(0, seen_ - room + 1);
    const auto before = torch::arange(first, seen_, at::TensorOptions(torch::kInt64).device(ring.device()));
    given = torch::cat({ring.index_select(2, before.remainder(room)), fresh}, 2);
  }
  const auto kept = std::min(tokens, room);
  const auto slots = torch::arange(all - kept, all, at::TensorOptions(torch::kInt64).device(ring.device()));
  ring.index_copy_(2, slots.remainder(room), fresh.slice(2, tokens - kept));
  return tokens > 1 ? given : ring;
}

std::pair<Tensor, Tensor> KeyValueCache::add(const Tensor& keys, const Tensor& values) {
  const torch::NoGradGuard no_grad;
  expect_shape("cache", keys, {keys_.size(0), keys_.size(1), kAny, keys_.size(3)});
  expect_shape("cache", values, keys.sizes().vec());
  const auto type = keys_.scalar_type();
  std::pair<Tensor, Tensor> out{store(keys_, keys.to(type)), store(values_, values.to(type))};
  seen_ += keys.size(2);
  return out;
}

void KeyValueCache::select(const Tensor& rows) {
  keys_ = keys_.index_select(0, rows);
  values_ = values_.index_select(0, rows);
}

void DecodingCache::select(const Tensor& rows) {
  for (auto& layer : layers) {
    layer.own.select(rows);
    if (!layer.memory_keys.defined()) continue;
    layer.memory_keys = layer.memory_keys.index_select(0, rows);
    layer.memory_values = layer.memory_values.index_select(0, rows);
  }
  if (starts.defined()) starts = starts.index_select(0, rows);
}

}  // namespace hadal
