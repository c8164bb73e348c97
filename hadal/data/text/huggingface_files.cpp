// The files of a Hugging Face tokenizer: which of them lie in a folder, and GPT-2's two.
#include <algorithm>

#include "hadal/data/text/huggingface.h"
#include "hadal/io/file.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct HuggingFaceConfig {
  std::string path;
  Table files;
  static Fields<HuggingFaceConfig> fields() {
    using C = HuggingFaceConfig;
    return {{"path", &C::path,
             "tokenizer.json, BERT's vocab.txt, or a folder with one of them or with vocab.json and merges.txt; $DATA "
             "is HADAL_DATA",
             file_path()},
            {"files", &C::files, kFilesHelp}};
  }
  void validate() const {
    require(!path.empty() || !files.empty(), "tokenizer.path is not set: name a tokenizer.json");
  }
};

constexpr const char* kBeside[] = {"added_tokens.json", "tokenizer_config.json", "special_tokens_map.json"};

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

std::shared_ptr<const SubwordTokenizer> make_huggingface(const TokenizerFiles& files, Table settings) {
  const AddedTokenFiles beside{files.of(kBeside[0]), files.of(kBeside[1]), files.of(kBeside[2])};
  const auto has = [&](const char* name) { return files.bytes.contains(name); };
  if (has("tokenizer.json"))
    return parse_huggingface(files.of("tokenizer.json"), files.name, beside, std::move(settings));
  if (has("vocab.txt")) return parse_bert_vocabulary(files.of("vocab.txt"), files.name, beside, std::move(settings));
  if (!has("vocab.json") || !has("merges.txt"))
    throw FileError(files.name, "neither tokenizer.json, vocab.txt nor vocab.json and merges.txt is here");
  return parse_gpt2(files.of("vocab.json"), files.of("merges.txt"), files.name, beside, std::move(settings));
}

TokenizerFiles read_huggingface_files(const fs::path& path) {
  TokenizerFiles files{{}, path.string()};
  const auto take_beside = [&](const fs::path& folder) {
    for (const auto* name : kBeside)
      if (fs::exists(folder / name)) files.bytes[name] = read_file(folder / name);
  };
  if (!fs::is_directory(path)) {
    const bool words = path.extension() == ".txt";
    files.bytes[words ? "vocab.txt" : "tokenizer.json"] = read_file(path);
    if (words) take_beside(path.parent_path());
    return files;
  }
  const auto take = [&](std::initializer_list<const char*> names) {
    for (const auto* name : names)
      if (!fs::exists(path / name)) return false;
    for (const auto* name : names) files.bytes[name] = read_file(path / name);
    files.name = (path / *names.begin()).string();
    return true;
  };
  if (take({"tokenizer.json"}) || take({"vocab.txt"}) || take({"vocab.json", "merges.txt"})) take_beside(path);
  return files;
}

void register_huggingface(TokenizerCatalog& catalog) {
  catalog.add("huggingface",
              "Hugging Face's tokenizer.json (byte pairs or WordPiece), BERT's vocab.txt, or GPT-2's two files",
              HuggingFaceConfig{}, [](HuggingFaceConfig config, std::string_view) {
                const auto files = settled_files(config.files, config.path, read_huggingface_files);
                return make_huggingface(files, write_config(config));
              });
}

}  // namespace hadal
