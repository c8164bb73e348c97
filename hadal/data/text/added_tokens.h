// Tokens that files beside a Hugging Face tokenizer's own add to it.
#pragma once
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace hadal {

/// The texts of the files; empty where there is none.
struct AddedTokenFiles {
  std::string added, config, special;  // added_tokens.json, tokenizer_config.json, special_tokens_map.json
  bool empty() const { return added.empty() && config.empty() && special.empty(); }
};

/// Puts what they say among the "added_tokens" of `whole`, which has the form of tokenizer.json; of a token that is
/// there already its own word counts. Throws FileError, "added_tokens.json beside NAME: ...".
void add_tokens(nlohmann::json& whole, const AddedTokenFiles& beside, std::string_view name);

/// What a message calls such a file: "tokenizer_config.json beside NAME".
std::string beside_name(std::string_view file, std::string_view name);

}  // namespace hadal
