#include "hadal/data/text/tokenizer_files.h"

#include <algorithm>

#include "hadal/core/error.h"
#include "hadal/core/utf8.h"
#include "hadal/data/path.h"
#include "hadal/io/base64.h"
#include "hadal/io/file.h"

namespace hadal {
namespace {

constexpr size_t kMost = size_t{64} << 20;

/// Whether weights can hold the text nearly as it is. With TOML's escapes within JSON's a file of quotes grows
/// fourfold, in base64 by a third.
bool is_plain(std::string_view text) {
  const auto control = [](unsigned char c) { return (c < 0x20 && c != '\n' && c != '\t') || c == 0x7F; };
  return find_bad_utf8(text) == std::string::npos && text.find("'''") == text.npos &&
         std::none_of(text.begin(), text.end(), control);
}

}  // namespace

std::string TokenizerFiles::of(const std::string& file) const {
  const auto found = bytes.find(file);
  return found == bytes.end() ? std::string() : found->second;
}

const std::string& TokenizerFiles::need(const std::string& file) const {
  const auto found = bytes.find(file);
  if (found == bytes.end()) throw FileError(name, fmt::format("there is no {}", file));
  return found->second;
}

Table files_table(const TokenizerFiles& files) {
  Table table;
  size_t size = 0;
  for (const auto& [name, bytes] : files.bytes) {
    table.set(name, is_plain(bytes) ? Value(bytes) : Value(Table{{"base64", to_base64(bytes)}}));
    size += bytes.size();
  }
  if (size > kMost)
    throw FileError(files.name,
                    fmt::format("the tokenizer's files have {} MB; weights keep them, and at most {} MB are kept",
                                (size + (1 << 20) - 1) >> 20, kMost >> 20));
  return table;
}

TokenizerFiles files_of(const Table& table) {
  TokenizerFiles files{{}, "tokenizer.files"};
  for (const auto& [name, value] : table.entries()) {
    const auto* text = value.get_if<std::string>();
    const auto* coded = value.get_if<Table>();
    const auto* digits = coded && coded->find("base64") ? coded->find("base64")->get_if<std::string>() : nullptr;
    const auto bytes = text ? std::optional(*text) : digits ? from_base64(*digits) : std::nullopt;
    require(bytes.has_value(), "tokenizer.files.{} wants the file's text, or {{ base64 = \"...\" }}", name);
    files.bytes[name] = *bytes;
  }
  return files;
}

TokenizerFiles settled_files(Table& table, const std::string& path,
                             const std::function<TokenizerFiles(const std::filesystem::path&)>& read) {
  if (!table.empty()) return files_of(table);
  auto files = read(data_path(path));
  table = files_table(files);
  return files;
}

TokenizerFiles read_one_file(const std::filesystem::path& path, const std::string& usual) {
  return {{{usual, read_file(path)}}, path.string()};
}

}  // namespace hadal
