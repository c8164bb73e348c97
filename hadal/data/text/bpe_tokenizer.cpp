#include "hadal/data/text/bpe_tokenizer.h"

#include <algorithm>

#include "hadal/core/error.h"
#include "hadal/data/text/unicode.h"

namespace hadal {
namespace {

/// How bytes are written where a vocabulary of characters has to spell them.
std::string byte_token(int byte) { return fmt::format("<0x{:02X}>", byte); }

}  // namespace

BpeTokenizer::BpeTokenizer(BpeParts parts)
    : SubwordTokenizer(std::move(parts.subwords)), merges_(parts.merges), rules_(parts.rules) {
  if (!rules_.bytes && !rules_.byte_fallback) return;
  for (int byte = 0; byte < 256; ++byte) {
    byte_ids_.push_back(find(rules_.bytes ? std::string(1, static_cast<char>(byte)) : byte_token(byte)));
    if (byte_ids_.back() < 0 && !rules_.some_bytes)
      throw FileError(name(), fmt::format("the vocabulary has no token for the byte 0x{:02x}", byte));
  }
}

void BpeTokenizer::encode_piece(std::string_view piece, std::vector<int64_t>& ids,
                                std::vector<int32_t>& symbols) const {
  if (rules_.whole_pieces || piece.size() == 1)
    if (const auto whole = find(piece); whole >= 0) return ids.push_back(whole);
  symbols.clear();
  if (rules_.bytes)
    for (const auto c : piece) add_byte(c, symbols);
  else
    for (size_t at = 0; at < piece.size();) {
      const auto length = any_character_at(piece, at).length;
      add_character(piece.substr(at, length), symbols);
      at += length;
    }
  merges_.apply(symbols);
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}

void BpeTokenizer::add_byte(char byte, std::vector<int32_t>& symbols) const {
  const auto id = byte_ids_[static_cast<uint8_t>(byte)];
  id >= 0 ? symbols.push_back(id) : add_unknown(fmt::format("the byte 0x{:02x}", static_cast<uint8_t>(byte)), symbols);
}

void BpeTokenizer::add_character(std::string_view character, std::vector<int32_t>& symbols) const {
  if (const auto known = find(character); known >= 0) return symbols.push_back(known);
  const bool spelled = rules_.byte_fallback && std::all_of(character.begin(), character.end(), [&](char c) {
                         return byte_ids_[static_cast<uint8_t>(c)] >= 0;
                       });
  if (!spelled) return add_unknown(fmt::format("\"{}\"", character), symbols);
  for (const auto c : character) symbols.push_back(byte_ids_[static_cast<uint8_t>(c)]);
}

void BpeTokenizer::add_unknown(std::string_view what, std::vector<int32_t>& symbols) const {
  const auto id = unknown(what);
  if (!rules_.fuse_unknown || symbols.empty() || symbols.back() != id) symbols.push_back(id);
}

}  // namespace hadal
