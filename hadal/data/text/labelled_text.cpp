#include "hadal/data/text/labelled_text.h"

#include <algorithm>

#include "hadal/core/random.h"
#include "hadal/core/utf8.h"
#include "hadal/data/path.h"
#include "hadal/data/text/parallel.h"
#include "hadal/io/archive.h"
#include "hadal/io/bytes.h"
#include "hadal/io/csv.h"
#include "hadal/io/json.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

LabelledTexts parse_json_lines(std::string_view bytes, std::string_view name, const std::string& text,
                               const std::string& label) {
  LabelledTexts made;
  int64_t number = 0;
  for (const auto& line : split_lines(bytes, name)) {
    ++number;
    if (line.find_first_not_of(" \t") == std::string::npos) continue;
    const auto place = fmt::format("{} line {}", name, number);
    const auto json = parse_json(line, place);
    const JsonValue value(json, place);
    const auto said = value.at(label);
    made.texts.push_back(value.at(text).text());
    if (said.raw().is_structured() || said.raw().is_null())
      throw FileError(place, fmt::format("{} wants a text, number or flag, got {}", label, said.raw().type_name()));
    made.labels.push_back(said.raw().is_string() ? said.text() : said.raw().dump());
  }
  return made;
}

LabelledTexts parse_table(std::string_view bytes, std::string_view name, const std::string& text,
                          const std::string& label) {
  const bool tabs = bytes.substr(0, bytes.find('\n')).find('\t') != std::string_view::npos;
  CsvReader reader(bytes, std::string(name), tabs ? CsvOptions{.separator = '\t', .quotes = false} : CsvOptions{});
  std::vector<std::string_view> fields;
  LabelledTexts made;
  if (!reader.next(fields)) return made;
  const auto from = table_column(fields, text, name), of = table_column(fields, label, name);
  if (from.at == of.at) throw FileError(name, fmt::format("text and label are both column {}", from.at + 1));
  const auto add = [&] {
    if (fields[of.at].empty()) throw FileError(reader.place(), fmt::format("no label in column {}", shown(label)));
    made.texts.emplace_back(fields[from.at]);
    made.labels.emplace_back(fields[of.at]);
  };
  if (!from.named && !of.named) add();  // texts from the first line on
  while (reader.next(fields)) add();
  return made;
}

struct TableConfig {
  std::string path, val, test, text = "text", label = "label";
  double val_share = 0.1;
  static Fields<TableConfig> fields() {
    using C = TableConfig;
    return {{"path", &C::path, "training texts: CSV, TSV or JSON lines, gzip or not; $DATA is HADAL_DATA", file_path()},
            {"val", &C::val, "validation texts; empty: a share of the training texts", goes_with_path()},
            {"test", &C::test, "test texts; empty: none", goes_with_path()},
            {"text", &C::text, "column of the text: its name, or its number from 1"},
            {"label", &C::label, "column of the label"},
            {"val_share", &C::val_share, "share of the training texts held out where there is no `val`, by chance",
             held_out(from_below(0, 1))}};
  }
  void validate() const { require(!path.empty(), "data.path is not set: name a table of texts, data=FILE"); }
};

/// Every text of `all` by a coin that its number alone decides: to the validation texts, or not.
LabelledTexts share_of(const LabelledTexts& all, double share, bool held_out) {
  LabelledTexts out;
  for (size_t i = 0; i < all.size(); ++i)
    if ((Random(0, {6, i}).uniform() < share) == held_out) {
      out.texts.push_back(all.texts[i]);
      out.labels.push_back(all.labels[i]);
    }
  return out;
}

LabelledSource open_table(const TableConfig& config) {
  LabelledSource made{.splits = {"train"}, .open = {}, .val_is_share = config.val.empty() && config.val_share > 0};
  if (!config.val.empty() || config.val_share > 0) made.splits.emplace_back("val");
  if (!config.test.empty()) made.splits.emplace_back("test");
  made.open = [=, shared = made.val_is_share](const std::string& split) {
    const auto& own = split == "val" ? config.val : split == "test" ? config.test : config.path;
    const auto path = data_path(own.empty() ? config.path : own);
    const auto all = read_labelled_texts(path, config.text, config.label);
    if (split == "test" || !shared) return all;
    auto part = share_of(all, config.val_share, split == "val");
    if (part.size() == 0)
      throw FileError(path.string(),
                      fmt::format("{} texts leave none for {} with val_share={}", all.size(), split, config.val_share));
    return part;
  };
  return made;
}

struct LinesConfig {
  std::string path, train = "train", val = "val", test = "test";
  static Fields<LinesConfig> fields() {
    using C = LinesConfig;
    return {{"path", &C::path, "folder with SPLIT.CLASS files of a text a line, gzip or not; $DATA is HADAL_DATA",
             file_path()},
            {"train", &C::train, "name of the training files without their ending"},
            {"val", &C::val, "of the validation files; empty: none"},
            {"test", &C::test, "of the test files; empty: none"}};
  }
  void validate() const { require(!path.empty(), "data.path is not set: name a folder, data=FOLDER"); }
};

/// PATH/NAME.CLASS[.gz] by class, sorted.
std::vector<std::pair<std::string, fs::path>> class_files(const fs::path& folder, const std::string& name) {
  std::vector<std::pair<std::string, fs::path>> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    auto file = entry.path().filename().string();
    if (file.ends_with(".gz")) file.resize(file.size() - 3);
    if (!name.empty() && file.starts_with(name + ".") && file.size() > name.size() + 1)
      found.emplace_back(file.substr(name.size() + 1), entry.path());
  }
  if (error) throw FileError(folder.string(), error.message());
  std::sort(found.begin(), found.end());
  return found;
}

LabelledSource open_lines(const LinesConfig& config) {
  const auto folder = data_path(config.path);
  LabelledSource made;
  const auto missing = [&](const std::string& name) {
    throw FileError(folder.string(), fmt::format("no {}.CLASS files are here, with or without .gz", name));
  };
  for (const auto& [split, name] : {std::pair("train", config.train), {"val", config.val}, {"test", config.test}}) {
    if (!class_files(folder, name).empty())
      made.splits.emplace_back(split);
    else if (!name.empty() && name != split)  // a name of its own was meant
      missing(name);
  }
  if (made.splits.empty()) missing(config.train);
  made.open = [=](const std::string& split) {
    LabelledTexts out;
    for (const auto& [name, path] : class_files(folder, split == "val"    ? config.val
                                                        : split == "test" ? config.test
                                                                          : config.train))
      for (auto& line : read_lines(path)) {
        out.texts.push_back(std::move(line));
        out.labels.push_back(name);
      }
    return out;
  };
  return made;
}

}  // namespace

LabelledTexts parse_labelled_texts(std::string_view bytes, std::string_view name, const std::string& text,
                                   const std::string& label) {
  check_utf8(bytes, name);
  bytes = without_mark(bytes);
  const auto first = bytes.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos)
    throw FileError(name, "the file is empty; a text with its label at least is needed");
  // A table may begin with a bracket, but hardly with a brace behind it.
  if (bytes[first] == '[')
    if (const auto next = bytes.find_first_not_of(" \t\r\n", first + 1);
        next != std::string_view::npos && bytes[next] == '{')
      throw FileError(name, "a JSON list; write one object a line, without the list's brackets and commas");
  auto made = bytes[first] == '{' ? parse_json_lines(bytes, name, text, label) : parse_table(bytes, name, text, label);
  if (made.size() == 0) throw FileError(name, "a record of names, and no text behind it");
  return made;
}

LabelledTexts read_labelled_texts(const fs::path& path, const std::string& text, const std::string& label) {
  return parse_labelled_texts(read_gz(path), path.string(), text, label);
}

const LabelledCatalog& labelled_sources() {
  static const auto catalog = [] {
    LabelledCatalog made("kind of data", "data");
    made.add("table", "CSV, TSV or JSON lines with a column of texts and one of labels", TableConfig{}, open_table);
    made.add("lines", "a file a class, a text a line", LinesConfig{}, open_lines);
    return made;
  }();
  return catalog;
}

}  // namespace hadal
