#include <charconv>

#include <sentencepiece_processor.h>

#include "hadal/data/text/sentencepiece.h"

namespace hadal {
namespace {

namespace sp = sentencepiece;

constexpr std::string_view kSpace = "\u2581";  // what pieces have for a space

class SentencePiece : public Tokenizer {
 public:
  SentencePiece(std::string_view model, std::string_view name, Table settings) : settings_(std::move(settings)) {
    const auto status = processor_.LoadFromSerializedProto({model.data(), model.size()});
    if (!status.ok()) throw FileError(name, fmt::format("no SentencePiece model: {}", status.message()));
    if (processor_.GetPieceSize() < 1) throw FileError(name, "a SentencePiece model without pieces");
    for (int id = 0; id < processor_.GetPieceSize(); ++id) texts_.push_back(text_of(id, name));
    // Whether a text's first space is one that encoding put there; only the library knows.
    for (int id = 0; id < processor_.GetPieceSize(); ++id)
      if (texts_[static_cast<size_t>(id)].starts_with(' ') && begins_with_space(id)) {
        drops_space_ = !library_text(id).starts_with(' ');
        break;
      }
  }
  std::vector<int64_t> encode(std::string_view text) const override {
    std::vector<int> ids;
    const auto status = processor_.Encode({text.data(), text.size()}, &ids);
    if (!status.ok()) fail("[sentencepiece] {}", status.ToString());
    return {ids.begin(), ids.end()};
  }
  std::string decode(std::span<const int64_t> ids) const override {
    // By hand: the library makes U+FFFD of bytes whose character ends in an id that is still to come.
    check_ids(ids, size());
    std::string text;
    bool first = drops_space_;
    for (const auto id : ids) {
      std::string_view piece = texts_[static_cast<size_t>(id)];
      if (piece.empty()) continue;
      if (std::exchange(first, false) && begins_with_space(static_cast<int>(id))) piece.remove_prefix(1);
      text += piece;
    }
    return text;
  }
  std::optional<int64_t> begin() const override {
    const auto id = processor_.bos_id();
    return id < 0 ? std::nullopt : std::optional<int64_t>(id);
  }
  int64_t size() const override { return processor_.GetPieceSize(); }
  std::optional<int64_t> special(std::string_view token) const override {
    const auto id = processor_.PieceToId({token.data(), token.size()});
    if (id < 0 || processor_.IdToPiece(id) != std::string(token)) return std::nullopt;
    return processor_.IsControl(id) || processor_.IsUnknown(id) ? std::optional<int64_t>(id) : std::nullopt;
  }
  Table settings() const override { return settings_; }

 private:
  bool begins_with_space(int id) const { return std::string_view(processor_.IdToPiece(id)).starts_with(kSpace); }
  std::string library_text(int id) const {
    std::string text;
    const auto status = processor_.Decode(std::vector<int>{id}, &text);
    if (!status.ok()) fail("[sentencepiece] {}", status.ToString());
    return text;
  }
  /// What a piece adds to a text.
  std::string text_of(int id, std::string_view name) const {
    if (processor_.IsControl(id)) return "";
    if (processor_.IsUnknown(id)) return library_text(id);
    std::string piece = processor_.IdToPiece(id);
    if (processor_.IsByte(id)) {
      int byte = 0;  // <0xNN>
      if (piece.size() != 6 || std::from_chars(&piece[3], &piece[5], byte, 16).ptr != &piece[5])
        throw FileError(name, fmt::format("the piece {} is to be a byte and is none", id));
      return std::string(1, static_cast<char>(byte));
    }
    for (auto at = piece.find(kSpace); at != std::string::npos; at = piece.find(kSpace, at + 1))
      piece.replace(at, kSpace.size(), 1, ' ');
    return piece;
  }

  sp::SentencePieceProcessor processor_;
  Table settings_;
  std::vector<std::string> texts_;  // by id
  bool drops_space_ = false;
};

}  // namespace

std::shared_ptr<const Tokenizer> parse_sentencepiece(std::string_view model, std::string_view name, Table settings) {
  return std::make_shared<SentencePiece>(model, name, std::move(settings));
}

}  // namespace hadal
