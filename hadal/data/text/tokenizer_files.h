// The files that a tokenizer is made of, as its settings keep them: by them it is made again where the files are not.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "hadal/core/value.h"

namespace hadal {

struct TokenizerFiles {
  std::map<std::string, std::string> bytes;  // by the usual names: "vocab.json", whatever the files are called
  std::string name;                          // of the one that matters most, for messages

  /// Empty where there is none.
  std::string of(const std::string& file) const;
  /// Throws FileError where there is none.
  const std::string& need(const std::string& file) const;
};

/// {FILE = TEXT}, or {FILE = {base64 = ...}} where the bytes are no text that TOML writes without escapes. Throws
/// FileError for more than 64 MB: they go into every file of weights.
Table files_table(const TokenizerFiles& files);
/// Throws UsageError for a table of another form.
TokenizerFiles files_of(const Table& table);

/// Those that `table` holds; where it is empty, what `read` finds at `path`, and `table` holds them then.
TokenizerFiles settled_files(Table& table, const std::string& path,
                             const std::function<TokenizerFiles(const std::filesystem::path&)>& read);
/// A file alone, under the name `usual`.
TokenizerFiles read_one_file(const std::filesystem::path& path, const std::string& usual);

/// What is said of the setting.
inline constexpr auto kFilesHelp = "the files themselves, by name, as weights keep them; then none is read from `path`";

}  // namespace hadal
