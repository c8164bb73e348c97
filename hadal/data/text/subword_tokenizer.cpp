#include "hadal/data/text/subword_tokenizer.h"

#include <algorithm>

#include "hadal/core/error.h"
#include "hadal/data/text/unicode.h"

namespace hadal {

/// Where the ids of one text gather.
struct SubwordTokenizer::Encoding {
  std::vector<int64_t> ids;
  std::vector<int32_t> symbols;
  bool first = true;  // nothing of the text has been seen yet
};

namespace {

bool in_word(std::string_view text, size_t at) {
  const auto kind = char_kind(any_character_at(text, at).code);
  return kind == CharKind::letter || kind == CharKind::number || text[at] == '_';
}

size_t char_before(std::string_view text, size_t at) {
  do --at;
  while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80);
  return at;
}

bool space_at(std::string_view text, size_t at) {
  return char_kind(any_character_at(text, at).code) == CharKind::space;
}

}  // namespace

SubwordTokenizer::SubwordTokenizer(SubwordParts parts) : subwords_(std::move(parts)) {
  const auto& tokens = subwords_.tokens;
  size_ = static_cast<int64_t>(tokens.size());
  for (const auto& token : subwords_.added) size_ = std::max(size_, token.id + 1);
  for (size_t i = 0; i < tokens.size(); ++i)
    if (!tokens[i].empty()) ids_.emplace(tokens[i], static_cast<int32_t>(i));
  static const std::string nothing;
  literals_.assign(static_cast<size_t>(size_), &nothing);
  for (size_t i = 0; i < tokens.size(); ++i) literals_[i] = &tokens[i];
  for (const auto& token : subwords_.added) {
    literals_[static_cast<size_t>(token.id)] = &token.text;
    auto looked_for = token;
    if (token.normalized)
      for (const auto& step : subwords_.steps.normalize) looked_for.text = step(std::move(looked_for.text));
    if (looked_for.text.empty()) continue;
    auto& [known, lengths] = added_[token.normalized];
    lengths[static_cast<uint8_t>(looked_for.text[0])].push_back(looked_for.text.size());
    known.emplace(looked_for.text, looked_for);
  }
  for (auto& list : added_)
    for (auto& lengths : list.lengths) {
      std::sort(lengths.rbegin(), lengths.rend());
      lengths.erase(std::unique(lengths.begin(), lengths.end()), lengths.end());
    }
}

std::optional<int64_t> SubwordTokenizer::special(std::string_view token) const {
  for (const auto& added : subwords_.added)
    if (added.text == token) return added.id;
  return std::nullopt;
}

/// The leftmost added token at or behind `from`, the longest of those that begin there.
std::optional<SubwordTokenizer::Hit> SubwordTokenizer::find_added(std::string_view text, size_t from,
                                                                  bool normalized) const {
  const auto& [tokens, lengths] = added_[normalized];
  for (auto at = from; at < text.size(); ++at) {
    for (const auto length : lengths[static_cast<uint8_t>(text[at])]) {
      auto begin = at, end = at + length;
      const auto found = end <= text.size() ? tokens.find(std::string(text.substr(at, length))) : tokens.end();
      if (found == tokens.end()) continue;
      const auto& token = found->second;
      if (token.single_word && at > 0 && in_word(text, char_before(text, at))) continue;
      if (token.single_word && end < text.size() && in_word(text, end)) continue;
      while (token.lstrip && begin > from && space_at(text, char_before(text, begin))) begin = char_before(text, begin);
      while (token.rstrip && end < text.size() && space_at(text, end)) end += any_character_at(text, end).length;
      return Hit{begin, end, token.id};
    }
  }
  return std::nullopt;
}

std::vector<int64_t> SubwordTokenizer::encode(std::string_view text) const {
  Encoding made;
  made.ids.reserve(text.size() / 3);
  // Raw tokens cut the text, then those of the normalised text cut what is between them.
  const std::function<void(std::string_view, bool)> cut = [&](std::string_view part, bool normalized) {
    const auto between = [&](std::string_view plain) {
      if (plain.empty()) return;
      if (normalized) return encode_plain(plain, made);
      if (subwords_.steps.normalize.empty()) return cut(plain, true);
      std::string changed(plain);
      for (const auto& step : subwords_.steps.normalize) changed = step(std::move(changed));
      cut(changed, true);
    };
    size_t at = 0;
    while (const auto hit = added_[normalized].tokens.empty() ? std::nullopt : find_added(part, at, normalized)) {
      between(part.substr(at, hit->begin - at));
      made.ids.push_back(hit->id);
      made.first = false;
      at = hit->end;
    }
    between(part.substr(at));
  };
  cut(text, false);
  return std::move(made.ids);
}

void SubwordTokenizer::encode_plain(std::string_view text, Encoding& to) const {
  const auto& cuts = subwords_.steps.cut;
  const std::function<void(size_t, std::string_view)> pass = [&](size_t step, std::string_view piece) {
    if (piece.empty()) return;
    if (step == cuts.size()) {
      to.first = false;
      return encode_piece(piece, to.ids, to.symbols);
    }
    cuts[step](piece, to.first, [&](std::string_view smaller) { pass(step + 1, smaller); });
  };
  pass(0, text);
}

int32_t SubwordTokenizer::find(std::string_view token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? -1 : found->second;
}

int32_t SubwordTokenizer::unknown(std::string_view what) const {
  if (!subwords_.unknown)
    fail("[tokenizer] the vocabulary of {} has no token for {} (and none for what is unknown)", name(), what);
  return *subwords_.unknown;
}

std::string SubwordTokenizer::decode(std::span<const int64_t> ids) const {
  check_ids(ids, size_);
  std::string out;
  if (subwords_.steps.decode.empty()) {
    for (const auto id : ids) out += *literals_[static_cast<size_t>(id)];
    return out;
  }
  std::vector<std::string> tokens;
  for (const auto id : ids) tokens.push_back(*literals_[static_cast<size_t>(id)]);
  for (const auto& step : subwords_.steps.decode) step(tokens);
  for (const auto& token : tokens) out += token;
  return out;
}

}  // namespace hadal
