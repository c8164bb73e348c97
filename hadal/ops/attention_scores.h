// Which keys a query sees, what is added to its scores, and which of its weights are dropped.
#pragma once
#include "hadal/ops/attention_kernels.h"
#include "hadal/ops/simd.h"

namespace hadal::HADAL_SIMD {

constexpr float kLog2E = 1.44269504f;
constexpr float kLowest = -1e30f;  // stands for the largest score where there is none
constexpr float kInfinity = __builtin_inff();

template <class T>
T* head_of(const HeadsView& view, int64_t batch, int64_t head) {
  return static_cast<T*>(view.data) + batch * view.batch + head * view.head;
}

struct Range {
  int64_t first, last;  // last is not part of it
  bool empty() const { return first >= last; }
};

/// The keys that some query of `queries` sees, by causal and window alone.
inline Range keys_seen(const AttentionTask& t, Range queries) {
  Range keys{0, t.keys};
  if (t.causal) keys.last = smaller(keys.last, t.place(queries.last - 1) + 1);
  if (t.window == 0) return keys;
  keys.first = larger(0, t.place(queries.first) - t.window + 1);
  keys.last = smaller(keys.last, t.place(queries.last - 1) + t.window);
  return keys;
}

/// The queries that see some key of `keys`.
inline Range queries_seeing(const AttentionTask& t, Range keys) {
  const auto shift = t.place(0);
  Range queries{0, t.queries};
  if (t.causal) queries.first = larger(0, keys.first - shift);
  if (t.window == 0) return queries;
  queries.first = larger(queries.first, keys.first - t.window + 1 - shift);
  queries.last = smaller(queries.last, keys.last + t.window - 1 - shift);
  return queries;
}

/// Does each of the queries see each of the keys, with nothing added?
inline bool all_plain(const AttentionTask& t, Range queries, Range keys) {
  if (t.mask || t.slopes || keys.last > t.keys) return false;
  if (t.causal && keys.last - 1 > t.place(queries.first)) return false;
  return t.window == 0 ||
         (keys.first > t.place(queries.last - 1) - t.window && keys.last - 1 < t.place(queries.first) + t.window);
}

/// What the mask adds to the scores of one query and the keys from `key` on, times log2(e).
inline Floats mask_at(const AttentionTask& t, int64_t batch, int64_t head, int64_t query, int64_t key) {
  const auto step = t.mask_steps[3];
  const auto at = batch * t.mask_steps[0] + head * t.mask_steps[1] + query * t.mask_steps[2] + key * step;
  const auto count = smaller(t.keys - key, kLanes);
  if (t.mask_adds) {
    const auto* from = static_cast<const float*>(t.mask) + at;
    if (step == 1) return load(from, count) * kLog2E;
    float part[kLanes] = {};
    for (int64_t i = 0; i < count; ++i) part[i] = from[i * step];
    return load(part) * kLog2E;
  }
  const auto* from = static_cast<const uint8_t*>(t.mask) + at;
  float part[kLanes] = {};
  for (int64_t i = 0; i < count; ++i) part[i] = from[i * step] ? 0 : -kInfinity;
  return load(part);
}

/// What is added to the scores (times log2(e)) of one query and the keys from `key` on: -inf where one is not seen.
inline Floats added_at(const AttentionTask& t, int64_t batch, int64_t head, int64_t query, int64_t key) {
  query = smaller(query, t.queries - 1);
  auto add = t.mask ? mask_at(t, batch, head, query, key) : Floats{};
  const auto index = __builtin_bit_cast(Ints, count_up(static_cast<uint32_t>(key)));
  const auto distance = index - static_cast<int32_t>(t.place(query));
  if (t.slopes) add -= __builtin_convertvector(distance < 0 ? -distance : distance, Floats) * (t.slopes[head] * kLog2E);
  auto hidden = index >= static_cast<int32_t>(t.keys);
  if (t.causal) hidden |= distance > 0;
  if (t.window > 0)
    hidden |= (distance >= static_cast<int32_t>(t.window)) | (distance <= -static_cast<int32_t>(t.window));
  return hidden ? spread(-kInfinity) : add;
}

/// Random words from counters: two rounds of multiply and fold, as in Wellons' lowbias32, between which a second key
/// enters, so that two rows never share a sequence.
struct RowDice {
  uint32_t first, second;

  RowDice(const AttentionTask& t, int64_t batch, int64_t head, int64_t query) {
    auto z = t.seed + 0x9e3779b97f4a7c15u * static_cast<uint64_t>((batch * t.heads + head) * t.queries + query + 1);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;  // SplitMix64
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    first = static_cast<uint32_t>(z), second = static_cast<uint32_t>(z >> 32);
  }
};
inline Words roll(Words first, Words second, Words key) {
  auto x = key * 0x9e3779b9u + first;
  x = (x ^ (x >> 16)) * 0x21f0aaadu;
  x = (x ^ (x >> 15)) + second;
  x *= 0x735a2d97u;
  return x ^ (x >> 15);
}
/// What dropout multiplies the weights with: 0 or 1 / (1 - p).
inline Floats kept(const AttentionTask& t, Words dice) {
  return dice < spread(t.drop_below) ? Floats{} : spread(t.keep_scale);
}

}  // namespace hadal::HADAL_SIMD
