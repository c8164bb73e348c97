#include "hadal/data/vision/scenes/layout.h"

#include <algorithm>
#include <cctype>

#include "hadal/core/utf8.h"
#include "hadal/data/vision/image_folder.h"

namespace hadal {

std::string_view folder_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view file_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::string_view stem_of(std::string_view path) {
  const auto file = file_of(path);
  return file.substr(0, file.rfind('.'));
}

std::string ending_of(std::string_view path) {
  const auto file = file_of(path);
  const auto dot = file.rfind('.');
  return dot == std::string_view::npos ? "" : small_letters(file.substr(dot));
}

std::string small_letters(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

std::string joined(std::string_view folder, std::string_view path) {
  if (folder.empty() || path.empty()) return std::string(folder) + std::string(path);
  return std::string(folder) + "/" + std::string(path);
}

std::string tidy_path(std::string_view path) {
  std::string out;
  size_t at = 0;
  while (at <= path.size()) {
    const auto end = std::min(path.find_first_of("/\\", at), path.size());
    const auto part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..")
      out = std::string(folder_of(out));
    else
      out = joined(out, part);
  }
  return out;
}

std::string split_called(std::string_view name) {
  const auto low = small_letters(name);
  if (low == "train" || low == "training") return "train";
  if (low == "val" || low == "valid" || low == "validation") return "val";
  if (low == "test" || low == "testing") return "test";
  return "";
}

std::string split_of_path(std::string_view path) {
  for (auto folder = folder_of(path); !folder.empty(); folder = folder_of(folder))
    if (const auto split = split_called(file_of(folder)); !split.empty()) return split;
  return "";
}

Layout::Layout(const FileTree& tree) : tree_(tree) {
  for (int64_t i = 0; i < tree.size(); ++i) {
    if (!is_picture(tree, i)) continue;
    pictures_.push_back(i);
    by_stem_[std::string(stem_of(tree.path(i)))].push_back(i);
  }
}

std::vector<int64_t> Layout::files(std::string_view ending) const {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < tree_.size(); ++i)
    if (ending_of(tree_.path(i)) == ending) out.push_back(i);
  return out;
}

std::optional<int64_t> Layout::find(std::string_view path, std::string_view folder) const {
  const auto tidy = tidy_path(path);
  std::string_view rest = tidy;
  while (!rest.empty()) {
    if (const auto found = tree_.find(joined(folder, rest))) return found;
    if (const auto found = tree_.find(rest)) return found;
    const auto slash = rest.find('/');
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  }
  return std::nullopt;
}

std::optional<int64_t> Layout::picture(std::string_view stem, const std::vector<std::string>& folders) const {
  const auto named = by_stem_.find(std::string(stem));
  if (named == by_stem_.end()) return std::nullopt;
  for (const auto& folder : folders)
    for (const auto file : named->second)
      if (folder_of(tree_.path(file)) == folder) return file;
  return named->second.size() == 1 ? std::optional(named->second[0]) : std::nullopt;
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> out;
  text = without_mark(text);
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto first = line.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) continue;
    line = line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
    out.emplace_back(line);
  }
  return out;
}

}  // namespace hadal
