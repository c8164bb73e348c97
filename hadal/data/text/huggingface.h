// Tokenizers in the files of Hugging Face's libraries: tokenizer.json with byte pairs or WordPiece, BERT's vocab.txt,
// GPT-2's two files.
#pragma once
#include <filesystem>

#include "hadal/data/text/subword_tokenizer.h"
#include "hadal/io/json.h"

namespace hadal {

/// tokenizer.json. Special tokens that its template puts around a text are not put there; the first before it is
/// begin(). Throws FileError for other models than BPE and WordPiece and for steps that Hadal does not have.
std::shared_ptr<const SubwordTokenizer> parse_huggingface(std::string_view json, std::string_view name,
                                                          Table settings = {});
/// The same of what is read already; the value's name is for messages.
std::shared_ptr<const SubwordTokenizer> make_huggingface(const JsonValue& json, Table settings = {});
/// GPT-2's `vocab.json` and `merges.txt`.
std::shared_ptr<const SubwordTokenizer> parse_gpt2(std::string_view vocab, std::string_view merges,
                                                   std::string_view name, Table settings = {});

/// An empty text: there is no such file. The name is for messages.
struct TokenizerFile {
  std::string text, name;
};
/// BERT's vocab.txt, a line a token, with what lies beside it: `config` (tokenizer_config.json: do_lower_case,
/// strip_accents, tokenize_chinese_chars, added tokens) and `special` (special_tokens_map.json). Where nothing says
/// whether texts are lower-cased, they are unless the vocabulary has capitals. begin() is [CLS]. Throws FileError.
std::shared_ptr<const SubwordTokenizer> parse_bert_vocabulary(const TokenizerFile& vocab,
                                                              const TokenizerFile& config = {},
                                                              const TokenizerFile& special = {}, Table settings = {});

/// tokenizer.json, vocab.txt, or a folder with one of them or with GPT-2's two files.
std::shared_ptr<const SubwordTokenizer> read_huggingface(const std::filesystem::path& path, Table settings = {});

void register_huggingface(TokenizerCatalog& catalog);

}  // namespace hadal
