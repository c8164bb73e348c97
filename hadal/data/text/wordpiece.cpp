#include "hadal/data/text/wordpiece.h"

#include <algorithm>

#include "hadal/data/text/unicode.h"

namespace hadal {

WordPieceTokenizer::WordPieceTokenizer(SubwordParts parts, WordPieceRules rules)
    : SubwordTokenizer(std::move(parts)), rules_(std::move(rules)) {
  for (size_t i = 0; i < tokens().size(); ++i) {
    const std::string_view token = tokens()[i];
    longest_ = std::max(longest_, token.size());
    if (token.size() > rules_.prefix.size() && token.starts_with(rules_.prefix))
      later_.emplace(token.substr(rules_.prefix.size()), static_cast<int32_t>(i));
  }
}

void WordPieceTokenizer::encode_piece(std::string_view piece, std::vector<int64_t>& ids, std::vector<int32_t>&) const {
  int64_t characters = 0;
  for (size_t at = 0; at < piece.size() && characters <= rules_.longest_word; ++characters)
    at += any_character_at(piece, at).length;
  const auto before = ids.size();
  if (characters <= rules_.longest_word && spell(piece, ids)) return;
  ids.resize(before);
  ids.push_back(unknown(fmt::format("\"{}\"", piece)));
}

/// False where no token goes on; `ids` then holds those found so far.
bool WordPieceTokenizer::spell(std::string_view word, std::vector<int64_t>& ids) const {
  for (size_t begin = 0; begin < word.size();) {
    auto end = std::min(word.size(), begin + longest_);
    int32_t id = -1;
    for (; end > begin; --end) {
      if (end < word.size() && (static_cast<uint8_t>(word[end]) & 0xC0) == 0x80) continue;  // inside a character
      const auto part = word.substr(begin, end - begin);
      if (begin == 0) {
        id = find(part);
      } else if (const auto found = later_.find(part); found != later_.end()) {
        id = found->second;
      }
      if (id >= 0) break;
    }
    if (id < 0) return false;
    ids.push_back(id);
    begin = end;
  }
  return true;
}

}  // namespace hadal
