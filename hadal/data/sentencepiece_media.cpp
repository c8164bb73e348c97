#include <algorithm>

#include <sentencepiece_processor.h>

#include "hadal/data/sentencepiece.h"

namespace hadal {
namespace {

namespace sp = sentencepiece;

class SentencePiece : public Tokenizer {
 public:
  SentencePiece(std::string_view model, std::string_view name, Table settings) : settings_(std::move(settings)) {
    const auto status = processor_.LoadFromSerializedProto({model.data(), model.size()});
    if (!status.ok()) throw FileError(name, fmt::format("no SentencePiece model: {}", status.message()));
    if (processor_.GetPieceSize() < 1) throw FileError(name, "a SentencePiece model without pieces");
  }
  std::vector<int64_t> encode(std::string_view text) const override {
    std::vector<int> ids;
    const auto status = processor_.Encode({text.data(), text.size()}, &ids);
    if (!status.ok()) fail("[sentencepiece] {}", status.ToString());
    return {ids.begin(), ids.end()};
  }
  std::string decode(std::span<const int64_t> ids) const override {
    check_ids(ids, size());
    std::string text;
    const auto status = processor_.Decode(std::vector<int>(ids.begin(), ids.end()), &text);
    if (!status.ok()) fail("[sentencepiece] {}", status.ToString());
    return text;
  }
  int64_t size() const override { return processor_.GetPieceSize(); }
  std::optional<int64_t> special(std::string_view token) const override {
    const auto id = processor_.PieceToId({token.data(), token.size()});
    if (id < 0 || processor_.IdToPiece(id) != std::string(token)) return std::nullopt;
    return processor_.IsControl(id) || processor_.IsUnknown(id) ? std::optional<int64_t>(id) : std::nullopt;
  }
  Table settings() const override { return settings_; }

 private:
  sp::SentencePieceProcessor processor_;
  Table settings_;
};

}  // namespace

std::shared_ptr<const Tokenizer> parse_sentencepiece(std::string_view model, std::string_view name, Table settings) {
  return std::make_shared<SentencePiece>(model, name, std::move(settings));
}

}  // namespace hadal
