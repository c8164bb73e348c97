// Tokenizers in the files of Hugging Face's libraries: tokenizer.json with byte pairs or WordPiece, BERT's vocab.txt,
// GPT-2's two files; and the files beside them that add tokens.
#pragma once
#include "hadal/data/text/added_tokens.h"
#include "hadal/data/text/subword_tokenizer.h"
#include "hadal/data/text/tokenizer_files.h"
#include "hadal/io/json.h"

namespace hadal {

/// tokenizer.json. Special tokens that its template puts around a text are not put there; the first before it is
/// begin(). Throws FileError for other models than BPE and WordPiece and for steps that Hadal does not have.
std::shared_ptr<const SubwordTokenizer> parse_huggingface(std::string_view json, std::string_view name,
                                                          const AddedTokenFiles& beside = {}, Table settings = {});
/// The same of what is read already; the value's name is for messages.
std::shared_ptr<const SubwordTokenizer> make_huggingface(const JsonValue& json, Table settings = {});
/// GPT-2's `vocab.json` and `merges.txt`.
std::shared_ptr<const SubwordTokenizer> parse_gpt2(std::string_view vocab, std::string_view merges,
                                                   std::string_view name, const AddedTokenFiles& beside = {},
                                                   Table settings = {});
/// BERT's vocab.txt, a line a token. What lies beside it also says how texts are read: tokenizer_config.json's
/// do_lower_case, strip_accents and tokenize_chinese_chars. Where nothing says whether texts are lower-cased, they are
/// unless the vocabulary has capitals. begin() is [CLS]. Throws FileError.
std::shared_ptr<const SubwordTokenizer> parse_bert_vocabulary(std::string_view vocab, std::string_view name,
                                                              const AddedTokenFiles& beside = {}, Table settings = {});

/// From the files of one of these forms; several: in that order.
std::shared_ptr<const SubwordTokenizer> make_huggingface(const TokenizerFiles& files, Table settings = {});
/// `path`: tokenizer.json, vocab.txt, or a folder with one of them or with GPT-2's two files. Of a folder and of a
/// vocab.txt the files beside are taken too.
TokenizerFiles read_huggingface_files(const std::filesystem::path& path);

void register_huggingface(TokenizerCatalog& catalog);

}  // namespace hadal
