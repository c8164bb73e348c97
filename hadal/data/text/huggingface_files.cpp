// The files of a Hugging Face tokenizer: which of them lie in a folder, and GPT-2's two.
#include <algorithm>

#include "hadal/data/path.h"
#include "hadal/data/text/huggingface.h"
#include "hadal/io/file.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct HuggingFaceConfig {
  std::string path;
  static Fields<HuggingFaceConfig> fields() {
    return {{"path", &HuggingFaceConfig::path,
             "tokenizer.json, BERT's vocab.txt, or a folder with one of them or with vocab.json and merges.txt; $DATA "
             "is HADAL_DATA",
             file_path()}};
  }
  void validate() const { require(!path.empty(), "tokenizer.path is not set: name a tokenizer.json"); }
};

AddedTokenFiles files_in(const fs::path& folder) {
  const auto text = [&](const char* name) {
    return fs::exists(folder / name) ? read_file(folder / name) : std::string();
  };
  return {text("added_tokens.json"), text("tokenizer_config.json"), text("special_tokens_map.json")};
}

}  // namespace

std::shared_ptr<const SubwordTokenizer> parse_gpt2(std::string_view vocab, std::string_view merges,
                                                   std::string_view name, const AddedTokenFiles& beside,
                                                   Table settings) {
  const auto entries = parse_json(vocab, name);
  json list = json::array();
  for (size_t at = 0; at < merges.size();) {
    const auto end = std::min(merges.find('\n', at), merges.size());
    auto line = merges.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty() && !(at == 0 && line.starts_with("#version"))) list.push_back(line);
    at = end + 1;
  }
  json whole = {
      {"added_tokens", json::array()},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"vocab", entries}, {"merges", list}}},
  };
  add_tokens(whole, beside, name);
  add_tokens(whole, {.special = R"({"eos_token": "<|endoftext|>"})"}, name);  // GPT-2's own, which no file need name
  return make_huggingface(JsonValue(whole, name), std::move(settings));
}

std::shared_ptr<const SubwordTokenizer> read_huggingface(const fs::path& path, Table settings) {
  if (path.extension() == ".txt" && !fs::is_directory(path))
    return parse_bert_vocabulary(read_file(path), path.string(), files_in(path.parent_path()), std::move(settings));
  if (!fs::is_directory(path)) return parse_huggingface(read_file(path), path.string(), {}, std::move(settings));
  const auto one = path / "tokenizer.json", words = path / "vocab.txt";
  const auto vocab = path / "vocab.json", merges = path / "merges.txt";
  if (fs::exists(one)) return parse_huggingface(read_file(one), one.string(), files_in(path), std::move(settings));
  if (fs::exists(words)) return read_huggingface(words, std::move(settings));
  if (!fs::exists(vocab) || !fs::exists(merges))
    throw FileError(path.string(), "neither tokenizer.json, vocab.txt nor vocab.json and merges.txt is here");
  return parse_gpt2(read_file(vocab), read_file(merges), vocab.string(), files_in(path), std::move(settings));
}

void register_huggingface(TokenizerCatalog& catalog) {
  catalog.add("huggingface",
              "Hugging Face's tokenizer.json (byte pairs or WordPiece), BERT's vocab.txt, or GPT-2's two files",
              HuggingFaceConfig{}, [](const HuggingFaceConfig& config, std::string_view) {
                return read_huggingface(data_path(config.path), write_config(config));
              });
}

}  // namespace hadal
