#include "hadal/data/image_folder.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <map>
#include <string_view>

#include "hadal/core/error.h"
#include "hadal/io/image.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEndings[] = {".jpg", ".jpeg", ".png", ".webp", ".bmp"};
const std::vector<std::string> kSplits = {"train", "val", "test"};

bool is_picture(std::string_view path) {
  const auto dot = path.rfind('.');
  if (dot == std::string_view::npos) return false;
  std::string ending(path.substr(dot));
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return std::find(std::begin(kEndings), std::end(kEndings), ending) != std::end(kEndings);
}

bool is_hidden(std::string_view path) {
  return path.starts_with('.') || path.find("/.") != std::string_view::npos || path.find("__MACOSX/") == 0;
}

/// The part of a path before its first slash; empty when there is none.
std::string_view first_part(std::string_view path) {
  const auto slash = path.find('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

struct Entry {
  int64_t file;
  std::string_view path;  // below the folders passed through so far
};

/// What lies below `folder`, with paths relative to it.
std::vector<Entry> below(const std::vector<Entry>& entries, std::string_view folder) {
  std::vector<Entry> out;
  for (const auto& [file, path] : entries)
    if (first_part(path) == folder) out.push_back({file, path.substr(folder.size() + 1)});
  return out;
}

/// The pictures by class folder. Folders without a picture are there too, with an empty list.
std::map<std::string, std::vector<int64_t>> by_class(const std::vector<Entry>& entries) {
  std::map<std::string, std::vector<int64_t>> classes;
  for (const auto& [file, path] : entries)
    if (const auto name = first_part(path); !name.empty()) {
      auto& pictures = classes[std::string(name)];
      if (is_picture(path)) pictures.push_back(file);
    }
  return classes;
}

/// A folder is a split only if its pictures lie in class folders: there may be a class called "train".
bool is_split(const std::vector<Entry>& entries, std::string_view name) {
  return std::any_of(entries.begin(), entries.end(), [&](const Entry& e) {
    return first_part(e.path) == name && !first_part(e.path.substr(name.size() + 1)).empty() && is_picture(e.path);
  });
}

std::vector<std::string> splits_of(const std::vector<Entry>& entries) {
  std::vector<std::string> found;
  for (const auto& name : kSplits)
    if (is_split(entries, name)) found.push_back(name);
  return found;
}

struct Layout {
  std::string folder;  // that all lies in, with a slash, or empty
  std::vector<Entry> entries;
  std::vector<std::string> splits;
};

Layout find_layout(const FileTree& tree) {
  Layout layout;
  for (int64_t i = 0; i < tree.size(); ++i)
    if (!is_hidden(tree.path(i))) layout.entries.push_back({i, tree.path(i)});
  layout.splits = splits_of(layout.entries);
  if (!layout.splits.empty() || layout.entries.empty()) return layout;

  const auto lead = first_part(layout.entries.front().path);
  const auto leads = [&](const Entry& e) {
    return first_part(e.path) == lead && (!is_picture(e.path) || !first_part(e.path.substr(lead.size() + 1)).empty());
  };
  if (lead.empty() || !std::all_of(layout.entries.begin(), layout.entries.end(), leads)) return layout;
  auto inner = below(layout.entries, lead);
  if (by_class(inner).empty()) return layout;
  layout.folder = std::string(lead) + "/";
  layout.entries = std::move(inner);
  layout.splits = splits_of(layout.entries);
  return layout;
}

/// Folders that hold no file at all: trees list files only.
void add_empty_folders(const fs::path& folder, std::map<std::string, std::vector<int64_t>>& classes) {
  if (!fs::is_directory(folder)) return;
  for (const auto& entry : fs::directory_iterator(folder))
    if (const auto name = entry.path().filename().string(); entry.is_directory() && !name.starts_with('.'))
      classes[name];
}

}  // namespace

std::vector<std::string> image_folder_splits(const FileTree& tree) { return find_layout(tree).splits; }

ImageFolder::ImageFolder(FileTree tree, const std::string& split, const ImageFolderOptions& options)
    : tree_(std::move(tree)), options_(options) {
  require(std::find(kSplits.begin(), kSplits.end(), split) != kSplits.end(),
          "unknown split \"{}\" of {}; expected train, val or test", split, tree_.root());
  const auto layout = find_layout(tree_);
  const auto& splits = layout.splits;
  const auto has = [&](const std::string& name) {
    return std::find(splits.begin(), splits.end(), name) != splits.end();
  };
  require(splits.empty() || has(split), "{} has no split {}; it has {}", tree_.root(), split, fmt::join(splits, ", "));

  auto where = tree_.root() + "/" + layout.folder;
  if (!splits.empty()) where += split + "/";
  auto found = by_class(splits.empty() ? layout.entries : below(layout.entries, split));
  add_empty_folders(where, found);
  if (std::all_of(found.begin(), found.end(), [](const auto& c) { return c.second.empty(); }))
    throw FileError(tree_.root(),
                    "no class folders with pictures; expected [SPLIT/]CLASS/picture.jpg, such as train/cat/1.jpg");
  for (const auto& [name, files] : found)
    if (files.empty())
      throw FileError(where + name, fmt::format("class folder without a picture ({}); fill it or remove it",
                                                fmt::join(kEndings, " ")));

  for (const auto& [name, files] : has("train") ? by_class(below(layout.entries, "train")) : found)
    classes_.push_back(name);
  for (const auto& [name, files] : found) {
    const auto at = std::find(classes_.begin(), classes_.end(), name);
    if (at == classes_.end())
      throw FileError(where + name, fmt::format("train has no class {}{}", name, suggest(name, classes_)));
    for (const auto file : files) pictures_.push_back({file, at - classes_.begin()});
  }
  if (options_.cache_bytes > 0) cache_ = std::make_unique<std::atomic<const Tensor*>[]>(pictures_.size());
}

ImageFolder::~ImageFolder() {
  if (cache_)
    for (size_t i = 0; i < pictures_.size(); ++i) delete cache_[i].load();
}

LabelledImage ImageFolder::get(int64_t index) const {
  const auto& picture = pictures_.at(index);
  if (cache_)
    if (const auto* kept = cache_[index].load(std::memory_order_acquire)) return {*kept, picture.label};
  const auto image = decode_image(tree_.read(picture.file), name(index), {.channels = options_.channels});
  if (cache_) keep(index, image);
  return {image, picture.label};
}

/// Two threads may decode the same picture at once; the first to store it wins.
void ImageFolder::keep(int64_t index, const Tensor& image) const {
  const auto bytes = image.numel();
  if (cached_bytes_.fetch_add(bytes) + bytes <= options_.cache_bytes) {
    auto kept = std::make_unique<const Tensor>(image);
    const Tensor* none = nullptr;
    if (cache_[index].compare_exchange_strong(none, kept.get(), std::memory_order_acq_rel)) {
      (void)kept.release();
      return;
    }
  }
  cached_bytes_.fetch_sub(bytes);
}

}  // namespace hadal
