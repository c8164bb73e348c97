// Byte-pair encoding: words are put together from symbols by a ranked list of merges (Sennrich et al. 2016,
// arXiv:1508.07909). Symbols are numbers here; what they stand for is the tokenizer's matter.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hadal {

struct BpeMerge {
  int32_t left, right, into;
  int32_t rank;  // lower goes first
};

/// The merges as a table that is fast to ask.
class BpeMerges {
 public:
  /// Of two merges of the same pair the first counts.
  explicit BpeMerges(std::span<const BpeMerge> merges);
  /// Merges neighbours in place, the lowest rank first, the leftmost of equals, until no merge fits.
  void apply(std::vector<int32_t>& symbols) const;

 private:
  struct Slot {
    uint64_t pair;
    int32_t rank, into;
  };
  struct Found {
    int32_t rank, into;
  };
  Found find(int32_t left, int32_t right) const;
  void apply_long(std::vector<int32_t>& symbols) const;

  std::vector<Slot> slots_;
  int shift_;
};

/// A vocabulary of byte strings, by id, and the merges that make it from the 256 bytes.
struct BpeVocabulary {
  std::vector<std::string> tokens;
  std::vector<BpeMerge> merges;
};

/// Learns up to `size` tokens from words and how often each occurs: the pair that occurs most is merged first, of
/// equals that with the smaller ids. Stops early when no pair occurs `least` times. The bytes come first, in GPT-2's
/// order; throws UsageError when `size` has no room for them.
BpeVocabulary train_bpe(std::span<const std::pair<std::string, int64_t>> words, int64_t size, int64_t least);

/// The vocabulary that merges make, "left right" each, bytes written as their stand-ins. Throws UsageError for a merge
/// of what is not there yet.
BpeVocabulary bpe_from_merges(std::span<const std::string> merges);

/// GPT-2's printable stand-ins for bytes in vocabulary files: byte -> code point, and GPT-2's order of the bytes.
char32_t byte_stand_in(uint8_t byte);
/// Bytes from their stand-ins; nothing where the text holds any other character.
std::optional<std::string> bytes_from_stand_ins(std::string_view text);
std::span<const uint8_t> bytes_in_order();

}  // namespace hadal
