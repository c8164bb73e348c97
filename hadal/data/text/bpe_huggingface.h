// Between the files of a Hugging Face tokenizer and what it does.
#pragma once
#include <memory>
#include <string_view>

#include <nlohmann/json.hpp>

#include "hadal/data/text/bpe_tokenizer.h"

namespace hadal {

/// From what tokenizer.json holds, wherever it was read or put together. Throws FileError with `name`.
std::shared_ptr<const BpeTokenizer> make_huggingface(const nlohmann::json& json, std::string_view name);

}  // namespace hadal
