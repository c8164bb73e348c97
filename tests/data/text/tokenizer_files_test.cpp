#include "hadal/data/text/tokenizer_files.h"

#include "hadal/data/text/tokenizer.h"
#include "hadal/io/file.h"

#include "tests/support/support.h"

using namespace hadal;
namespace fs = std::filesystem;

namespace {

std::shared_ptr<const Tokenizer> make(const std::string& name, const Table& settings) {
  return tokenizers().make({name, settings}, "");
}

/// A tokenizer of `path`, then of its settings alone, as weights hold them.
void expect_made_again(const std::string& name, const fs::path& path, const std::vector<std::string>& files) {
  const auto made = make(name, {{"path", path.string()}});
  const auto whole = made->settings();
  std::vector<std::string> held;
  for (const auto& [file, content] : whole.find("files")->get_if<Table>()->entries()) held.push_back(file);
  EXPECT_EQ(held, files);
  const auto settings = parse_toml(to_toml(whole), "weights");
  fs::remove_all(path);
  EXPECT_THROW(make(name, {{"path", path.string()}}), FileError);
  for (const auto* kept : {"as it was", ""}) {
    auto own = settings;
    if (!*kept) own.erase("path");
    const auto again = make(name, own);
    EXPECT_EQ(again->encode("abba <x>"), made->encode("abba <x>"));
    EXPECT_EQ(again->size(), made->size());
    EXPECT_EQ(*again->settings().find("files"), *made->settings().find("files"));
  }
}

constexpr auto kJson =
    R"({"model": {"type": "BPE", "unk_token": "?", "vocab": {"a": 0, "b": 1, "ab": 2, "?": 3}, "merges": ["a b"]}})";

}  // namespace

TEST(TokenizerFiles, HuggingFacesAreMadeAgainWithoutThem) {
  const test::TemporaryFolder folder;
  write_file(folder / "one.json", kJson);
  expect_made_again("huggingface", folder / "one.json", {"tokenizer.json"});
  write_file(folder / "whole/tokenizer.json", kJson);
  write_file(folder / "whole/added_tokens.json", R"({"<x>": 4})");
  write_file(folder / "whole/model.safetensors", "not read");
  expect_made_again("huggingface", folder / "whole", {"added_tokens.json", "tokenizer.json"});
  write_file(folder / "gpt/vocab.json", R"({"a": 0, "b": 1, "ab": 2, "Ġ": 3, "<": 4, "x": 5, ">": 6})");
  write_file(folder / "gpt/merges.txt", "#version: 0.2\na b\n");
  write_file(folder / "gpt/special_tokens_map.json", R"({"eos_token": "x"})");
  expect_made_again("huggingface", folder / "gpt", {"merges.txt", "special_tokens_map.json", "vocab.json"});
  write_file(folder / "bert/vocab.txt", "[UNK]\nabba\n");
  write_file(folder / "bert/tokenizer_config.json",
             R"({"do_lower_case": false, "added_tokens_decoder": {"2": {"content": "<x>"}}})");
  expect_made_again("huggingface", folder / "bert", {"tokenizer_config.json", "vocab.txt"});
}

TEST(TokenizerFiles, TiktokensAreMadeAgainWithoutThem) {
  const test::TemporaryFolder folder;
  std::string ranks;
  static constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (int byte = 0; byte < 256; ++byte)
    ranks += fmt::format("{}{}== {}\n", digits[byte >> 2], digits[(byte & 3) << 4], byte);
  write_file(folder / "r.tiktoken", ranks);
  expect_made_again("tiktoken", folder / "r.tiktoken", {"ranks.tiktoken"});
}

TEST(TokenizerFiles, AnyBytesComeBack) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  const TokenizerFiles files{{{"a b.txt", "text\r\n\"'''"}, {"bytes", bytes}, {"none", ""}}, "x"};
  const auto table = parse_toml(to_toml(files_table(files)), "t");
  EXPECT_EQ(files_of(table).bytes, files.bytes);
  EXPECT_EQ(files.of("bytes"), bytes);
  EXPECT_EQ(files.of("other"), "");
}

TEST(TokenizerFiles, MistakesSayTheWayOut) {
  const TokenizerFiles large{{{"a", std::string(40 << 20, 'a')}, {"b", std::string((24 << 20) + 1, 'b')}}, "f.json"};
  EXPECT_ERROR(files_table(large),
               "f.json: the tokenizer's files have 65 MB; weights keep them, and at most 64 MB are kept");
  const auto refuse = [](const Value& content) {
    EXPECT_ERROR(make("huggingface", {{"files", Table{{"vocab.json", content}}}}),
                 "tokenizer.files.vocab.json wants the file's text, or { base64 = \"...\" }");
  };
  refuse(3);
  refuse(Table{{"base64", "!"}});
  refuse(Table{{"base46", "AA"}});
  EXPECT_ERROR(make("huggingface", {{"files", "x"}}), "tokenizer.files wants a table");
  EXPECT_ERROR(make("huggingface", {{"files", Table{{"vocab.json", "{}"}}}}),
               "tokenizer.files: neither tokenizer.json, vocab.txt nor vocab.json and merges.txt is here");
  EXPECT_ERROR(make("huggingface", {{"files", Table{{"tokenizer.json", "{}"}}}}), "tokenizer.files: has no \"model\"");
  EXPECT_ERROR(make("tiktoken", {{"files", Table{{"x", "y"}}}}), "tokenizer.files: there is no ranks.tiktoken");
  EXPECT_ERROR(make("tiktoken", {}), "tokenizer.path is not set");
}
