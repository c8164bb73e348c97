#include "hadal/data/text/text.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "hadal/core/utf8.h"
#include "hadal/data/path.h"
#include "hadal/io/archive.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

/// Train's part of a text whose last share is kept for val, cut between characters.
size_t cut_of(std::string_view text, double val) {
  auto at = static_cast<size_t>(std::floor(static_cast<double>(text.size()) * (1 - val)));
  while (at > 0 && at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

/// SPLIT.txt in a folder, or SPLIT.txt.gz.
std::optional<fs::path> file_of(const fs::path& folder, const std::string& split) {
  for (const auto* ending : {".txt", ".txt.gz"})
    if (auto path = folder / (split + ending); fs::exists(path)) return path;
  return {};
}

}  // namespace

std::string plain_text(std::string text, const std::string& name) {
  check_utf8(text, name);
  text.erase(0, text.size() - without_mark(text).size());
  if (text.empty()) throw FileError(name, "is empty: there is no text");
  return text;
}

std::string read_plain_text(const fs::path& path) { return plain_text(read_gz(path), path.string()); }

Fields<TextConfig> TextConfig::fields() {
  return {{"path", &TextConfig::path, "a text file, or a folder with train.txt, val.txt, test.txt; $DATA is HADAL_DATA",
           file_path()},
          {"val", &TextConfig::val, "share at the end of the file that is kept for validation (0: all for every split)",
           held_out(from_below(0, 1))}};
}

void TextConfig::validate() const { require(!path.empty(), "say which text: data=FILE or data=FOLDER"); }

TextSource open_text(const TextConfig& config) {
  const auto path = data_path(config.path);
  const auto val = config.val;
  if (!fs::is_directory(path)) {
    if (val == 0) return {{"train", "val", "test"}, [=](const std::string&) { return read_plain_text(path); }};
    return {{"train", "val"}, [=](const std::string& split) {
              const auto text = read_plain_text(path);
              const auto cut = cut_of(text, val);
              return split == "train" ? text.substr(0, cut) : text.substr(cut);
            }};
  }
  TextSource source;
  for (const auto* split : {"train", "val", "test"})
    if (file_of(path, split)) source.splits.emplace_back(split);
  if (source.splits.empty())
    throw FileError(path.string(), "holds no train.txt, val.txt or test.txt, with or without .gz");
  const bool train = source.splits[0] == "train";
  const bool shared = train && !file_of(path, "val") && val > 0;
  if (shared) source.splits.insert(source.splits.begin() + 1, "val");
  source.open = [=](const std::string& split) {
    const auto find = [&](const std::string& name) { return file_of(path, name).value_or(path / (name + ".txt")); };
    if (!shared || split == "test") return read_plain_text(find(split));
    const auto text = read_plain_text(find("train"));
    const auto cut = cut_of(text, val);
    return split == "train" ? text.substr(0, cut) : text.substr(cut);
  };
  return source;
}

const TextCatalog& text_sources() {
  static const auto catalog = [] {
    TextCatalog made("kind of data", "data");
    made.add("text", "plain text files", TextConfig{}, open_text);
    return made;
  }();
  return catalog;
}

TokenWindows::TokenWindows(const std::vector<int64_t>& ids, int64_t length)
    : ids_(torch::tensor(ids, torch::kInt64).to(torch::kInt32)), length_(length) {}

Tensor TokenWindows::strided(int64_t index) const {
  const auto begin = index * length_;
  return ids_.slice(0, begin, std::min(begin + length_ + 1, tokens())).to(torch::kInt64);
}

Tensor TokenWindows::random(Random& random) const {
  const auto begin = random.below(tokens() - length_);
  return ids_.slice(0, begin, begin + length_ + 1).to(torch::kInt64);
}

}  // namespace hadal
