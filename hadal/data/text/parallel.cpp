#include "hadal/data/text/parallel.h"

#include <algorithm>
#include <charconv>

#include "hadal/core/utf8.h"
#include "hadal/data/path.h"
#include "hadal/io/archive.h"
#include "hadal/io/bytes.h"
#include "hadal/io/csv.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
  auto text = read_gz(path);
  check_utf8(text, path.string());
  return text;
}

/// PATH or PATH.gz, whichever is there; nothing when neither is.
std::optional<fs::path> there(const fs::path& path) {
  if (fs::exists(path)) return path;
  auto packed = path;
  packed += ".gz";
  return fs::exists(packed) ? std::optional(packed) : std::nullopt;
}

struct FilesConfig {
  std::string path, source = "en", target = "de", train = "train", val = "val", test = "test";
  static Fields<FilesConfig> fields() {
    using C = FilesConfig;
    return {{"path", &C::path, "folder with SPLIT.LANGUAGE files, gzip or not; $DATA is HADAL_DATA", file_path()},
            {"source", &C::source, "ending of the files to translate from"},
            {"target", &C::target, "ending of the files to translate to"},
            {"train", &C::train, "name of the training files without their ending"},
            {"val", &C::val, "of the validation files; empty: none"},
            {"test", &C::test, "of the test files; empty: none"}};
  }
  void validate() const {
    require(!path.empty(), "data.path is not set: name a folder with train.{} and train.{}, data=FOLDER", source,
            target);
    require(source != target, "data.source and data.target are both \"{}\"", source);
  }
};

ParallelSource open_files(const FilesConfig& config) {
  const auto folder = data_path(config.path);
  const std::vector<std::pair<std::string, std::string>> names = {
      {"train", config.train}, {"val", config.val}, {"test", config.test}};
  const auto file = [=](const std::string& name, const std::string& language) {
    return there(folder / (name + "." + language));
  };
  const auto missing = [&](const std::string& name) {
    throw FileError(folder.string(), fmt::format("neither {0}.{1} nor {0}.{2} is here, with or without .gz", name,
                                                 config.source, config.target));
  };
  ParallelSource made;
  for (const auto& [split, name] : names) {
    if (!name.empty() && (file(name, config.source) || file(name, config.target)))
      made.splits.push_back(split);
    else if (!name.empty() && name != split)  // a name of its own was meant
      missing(name);
  }
  if (made.splits.empty()) missing(config.train);
  made.open = [=](const std::string& split) {
    const auto name = std::find_if(names.begin(), names.end(), [&](const auto& item) { return item.first == split; });
    require(name != names.end() && !name->second.empty(), "the data has no split \"{}\"", split);
    const auto find = [&](const std::string& language) {
      const auto found = file(name->second, language);
      if (!found)
        throw FileError((folder / (name->second + "." + language)).string(), "no such file, with or without .gz");
      return *found;
    };
    return read_pairs(find(config.source), find(config.target));
  };
  return made;
}

struct PairTableConfig {
  std::string path, val, test, source = "1", target = "2";
  static Fields<PairTableConfig> fields() {
    using C = PairTableConfig;
    return {
        {"path", &C::path, "table of the training texts (TSV or CSV), gzip or not; $DATA is HADAL_DATA", file_path()},
        {"val", &C::val, "table of the validation texts; empty: none", goes_with_path()},
        {"test", &C::test, "table of the test texts; empty: none", goes_with_path()},
        {"source", &C::source, "column to translate from: its name in the first record, or its number"},
        {"target", &C::target, "column to translate to"}};
  }
  void validate() const { require(!path.empty(), "data.path is not set: name a table of texts, data=FILE"); }
};

ParallelSource open_tables(const PairTableConfig& config) {
  ParallelSource made{{"train"}, {}};
  if (!config.val.empty()) made.splits.emplace_back("val");
  if (!config.test.empty()) made.splits.emplace_back("test");
  made.open = [=](const std::string& split) {
    const auto& path = split == "train" ? config.path : split == "val" ? config.val : config.test;
    require(!path.empty(), "the data has no split \"{}\"", split);
    return read_pair_table(data_path(path), config.source, config.target);
  };
  return made;
}

}  // namespace

TableColumn table_column(const std::vector<std::string_view>& record, const std::string& wanted,
                         std::string_view name) {
  // Numbers first: a table without names may hold a number as a text or label.
  size_t number = 0;
  const auto [end, error] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), number);
  if (error == std::errc() && end == wanted.data() + wanted.size() && number >= 1 && number <= record.size())
    return {number - 1, false};
  if (std::count(record.begin(), record.end(), wanted) > 1)
    throw FileError(name,
                    fmt::format("has more than one column called {}; its number from 1 names one", shown(wanted)));
  for (size_t i = 0; i < record.size(); ++i)
    if (record[i] == wanted) return {i, true};
  throw FileError(name, fmt::format("there is no column {}; the first record has {}", shown(wanted),
                                    shown(fmt::format("{}", fmt::join(record, ", ")))));
}

std::vector<std::string> split_lines(std::string_view text, std::string_view name) {
  text = without_mark(text);
  if (text.empty()) throw FileError(name, "the file is empty; a line of text at least is needed");
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    auto line = text.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
    at = end + 1;
  }
  return lines;
}

std::vector<std::string> read_lines(const fs::path& path) { return split_lines(read_text(path), path.string()); }

TextPairs read_pairs(const fs::path& source, const fs::path& target) {
  TextPairs pairs{read_lines(source), read_lines(target)};
  if (pairs.source.size() != pairs.target.size())
    throw FileError(source.string(),
                    fmt::format("{} lines, and {} has {}: line i of one is to be the translation of line "
                                "i of the other",
                                pairs.source.size(), target.string(), pairs.target.size()));
  return pairs;
}

TextPairs read_pair_table(const fs::path& path, const std::string& source, const std::string& target) {
  const auto text = read_text(path);
  const auto name = path.string();
  if (const auto first = text.find_first_not_of(" \t\r\n"); first != text.npos && text[first] == '{')
    throw FileError(name, "looks like JSON, a record a line; texts and their translations are read from TSV and CSV");
  const bool tabs = std::string_view(text).substr(0, text.find('\n')).find('\t') != std::string_view::npos;
  CsvReader reader(text, name, tabs ? CsvOptions{.separator = '\t', .quotes = false} : CsvOptions{});
  std::vector<std::string_view> fields;
  if (!reader.next(fields)) throw FileError(name, "the file is empty; a line of text at least is needed");
  const auto from = table_column(fields, source, name), to = table_column(fields, target, name);
  if (from.at == to.at) throw FileError(name, fmt::format("source and target are both column {}", from.at + 1));
  TextPairs pairs;
  const auto add = [&] {
    pairs.source.emplace_back(fields[from.at]);
    pairs.target.emplace_back(fields[to.at]);
  };
  if (!from.named && !to.named) add();  // texts from the first line on
  while (reader.next(fields)) add();
  if (pairs.source.empty()) throw FileError(name, "a record of names, and no text behind it");
  return pairs;
}

const ParallelCatalog& parallel_sources() {
  static const auto catalog = [] {
    ParallelCatalog made("kind of data", "data");
    made.add("files", "two files a split, a line a text", FilesConfig{}, open_files);
    made.add("table", "TSV or CSV with a column for each language", PairTableConfig{}, open_tables);
    return made;
  }();
  return catalog;
}

}  // namespace hadal
