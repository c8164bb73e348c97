// Text to token ids and back: what every tokenizer does, and the catalog of them.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hadal/core/catalog.h"

namespace hadal {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  /// Throws Error where the text holds what the tokenizer cannot express.
  virtual std::vector<int64_t> encode(std::string_view text) const = 0;
  /// The bytes of the ids; single ids may be parts of a character. Throws Error for an id that is none of 0 to size()
  /// - 1.
  virtual std::string decode(std::span<const int64_t> ids) const = 0;
  /// How many ids there are.
  virtual int64_t size() const = 0;
  /// The id of a token that stands for no text, such as <|endoftext|>.
  virtual std::optional<int64_t> special(std::string_view) const { return std::nullopt; }
  /// The id that stands before every text, such as <s>, where the tokenizer has one; encode() does not put it there.
  virtual std::optional<int64_t> begin() const { return std::nullopt; }
  /// The settings that make this tokenizer again, what it learned included: config.toml and weights files keep them.
  virtual Table settings() const = 0;
};

/// The maker is given the training text, for tokenizers that learn from it; empty when a trained one is to be made from
/// its settings.
using TokenizerCatalog = Catalog<std::shared_ptr<const Tokenizer>, std::string_view>;
const TokenizerCatalog& tokenizers();

/// Throws Error, "[tokenizer] there is no token 65; ids are 0 to 64", unless every id is one of them.
void check_ids(std::span<const int64_t> ids, int64_t size);

}  // namespace hadal
