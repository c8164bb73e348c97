#include "hadal/data/text/bpe.h"

#include <algorithm>
#include <array>
#include <bit>
#include <queue>
#include <unordered_map>

#include "hadal/core/error.h"
#include "hadal/data/text/unicode.h"

namespace hadal {
namespace {

constexpr int32_t kNoRank = 0x7FFFFFFF;
constexpr uint64_t kEmpty = ~uint64_t{0};

uint64_t pair_of(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

uint64_t mixed(uint64_t pair) {
  pair ^= pair >> 32;
  return pair * 0x9E3779B97F4A7C15u;
}

}  // namespace

BpeMerges::BpeMerges(std::span<const BpeMerge> merges) {
  // At most half full, so that a search ends soon.
  const auto bits = std::bit_width(std::max<size_t>(merges.size(), 8) * 2 - 1);
  shift_ = 64 - static_cast<int>(bits);
  slots_.assign(size_t{1} << bits, {kEmpty, kNoRank, -1});
  for (const auto& merge : merges) {
    const auto pair = pair_of(merge.left, merge.right);
    auto at = mixed(pair) >> shift_;
    while (slots_[at].pair != kEmpty && slots_[at].pair != pair) at = (at + 1) & (slots_.size() - 1);
    if (slots_[at].pair == kEmpty) slots_[at] = {pair, merge.rank, merge.into};
  }
}

BpeMerges::Found BpeMerges::find(int32_t left, int32_t right) const {
  const auto pair = pair_of(left, right);
  for (auto at = mixed(pair) >> shift_;; at = (at + 1) & (slots_.size() - 1)) {
    const auto& slot = slots_[at];
    if (slot.pair == pair || slot.pair == kEmpty) return {slot.rank, slot.into};
  }
}

void BpeMerges::apply(std::vector<int32_t>& symbols) const {
  constexpr size_t kShort = 96;
  auto count = symbols.size();
  if (count < 2) return;
  if (count > kShort) return apply_long(symbols);
  std::array<Found, kShort> next;  // what a symbol and the one behind it become
  for (size_t i = 0; i + 1 < count; ++i) next[i] = find(symbols[i], symbols[i + 1]);
  while (count > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i)
      if (next[i].rank < next[best].rank) best = i;
    if (next[best].rank == kNoRank) break;
    symbols[best] = next[best].into;
    std::copy(symbols.begin() + best + 2, symbols.begin() + count, symbols.begin() + best + 1);
    if (best + 2 < count) std::copy(next.begin() + best + 2, next.begin() + count - 1, next.begin() + best + 1);
    --count;
    if (best + 1 < count) next[best] = find(symbols[best], symbols[best + 1]);
    if (best > 0) next[best - 1] = find(symbols[best - 1], symbols[best]);
  }
  symbols.resize(count);
}

/// The same with a queue: n log n where the scan above is n squared.
void BpeMerges::apply_long(std::vector<int32_t>& symbols) const {
  struct Candidate {
    int32_t rank;
    size_t at;
    int32_t left, right, into;
    bool operator<(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : at > other.at;  // for a queue that gives its largest
    }
  };
  const auto end = symbols.size();
  std::vector<size_t> before(end), after(end);
  for (size_t i = 0; i < end; ++i) before[i] = i - 1, after[i] = i + 1;  // before[0] is never used
  std::priority_queue<Candidate> queue;
  const auto offer = [&](size_t at) {
    if (at >= end || after[at] >= end) return;
    const auto left = symbols[at], right = symbols[after[at]];
    if (const auto found = find(left, right); found.rank != kNoRank)
      queue.push({found.rank, at, left, right, found.into});
  };
  constexpr int32_t kGone = -1;
  for (size_t i = 0; i < end; ++i) offer(i);
  while (!queue.empty()) {
    const auto top = queue.top();
    queue.pop();
    const auto behind = after[top.at];
    if (symbols[top.at] != top.left || behind >= end || symbols[behind] != top.right) continue;
    symbols[top.at] = top.into;
    symbols[behind] = kGone;
    after[top.at] = after[behind];
    if (after[behind] < end) before[after[behind]] = top.at;
    offer(top.at);
    if (top.at > 0) offer(before[top.at]);
  }
  std::erase(symbols, kGone);
}

std::span<const uint8_t> bytes_in_order() {
  static const auto order = [] {
    std::array<uint8_t, 256> made;
    size_t count = 0;
    const auto printable = [](int byte) {
      return (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte < 0x100 && byte != 0xAD);
    };
    for (const bool wanted : {true, false})
      for (int byte = 0; byte < 256; ++byte)
        if (printable(byte) == wanted) made[count++] = static_cast<uint8_t>(byte);
    return made;
  }();
  return order;
}

char32_t byte_stand_in(uint8_t byte) {
  static const auto table = [] {
    std::array<char32_t, 256> made;
    const auto order = bytes_in_order();
    for (size_t i = 0; i < 256; ++i) made[order[i]] = i < 188 ? char32_t{order[i]} : char32_t(256 + i - 188);
    return made;
  }();
  return table[byte];
}

std::optional<std::string> bytes_from_stand_ins(std::string_view text) {
  static const auto bytes = [] {
    std::array<int, 512> made;
    made.fill(-1);
    for (int byte = 0; byte < 256; ++byte) made[byte_stand_in(static_cast<uint8_t>(byte))] = byte;
    return made;
  }();
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const auto [code, length] = any_character_at(text, at);
    if (code >= bytes.size() || bytes[code] < 0) return std::nullopt;
    out += static_cast<char>(bytes[code]);
    at += length;
  }
  return out;
}

BpeVocabulary bpe_from_merges(std::span<const std::string> merges) {
  BpeVocabulary made;
  std::unordered_map<std::string, int32_t> ids;
  const auto add = [&](const std::string& token) {
    const auto [at, fresh] = ids.emplace(token, static_cast<int32_t>(made.tokens.size()));
    if (fresh) made.tokens.push_back(token);
    return at->second;
  };
  for (const auto byte : bytes_in_order()) add(std::string(1, static_cast<char>(byte)));
  for (const auto& merge : merges) {
    const auto space = merge.find(' ');
    const auto part = [&](std::string_view text) {
      const auto bytes = bytes_from_stand_ins(text);
      const auto found = bytes ? ids.find(*bytes) : ids.end();
      require(space != std::string::npos && found != ids.end(),
              "[bpe] merge {} (\"{}\") is no pair of tokens that are there before it", made.merges.size(), merge);
      return found->second;
    };
    const auto left = part(std::string_view(merge).substr(0, space));
    const auto right = part(std::string_view(merge).substr(std::min(space, merge.size() - 1) + 1));
    const auto into = add(made.tokens[left] + made.tokens[right]);
    made.merges.push_back({left, right, into, static_cast<int32_t>(made.merges.size())});
  }
  return made;
}

}  // namespace hadal
