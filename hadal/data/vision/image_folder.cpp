#include "hadal/data/vision/image_folder.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "hadal/core/error.h"
#include "hadal/core/utf8.h"
#include "hadal/io/image.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

/// Files that end so are to be pictures, and one that is none is an error; others are pictures if they begin so.
constexpr std::string_view kEndings[] = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp"};

/// What folders call the splits, in small or capital letters.
const std::vector<std::pair<std::string, std::vector<std::string>>> kSplits = {
    {"train", {"train", "training"}}, {"val", {"val", "valid", "validation"}}, {"test", {"test", "testing"}}};

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

/// The part of a path before its first slash; empty when there is none.
std::string_view first_part(std::string_view path) {
  const auto slash = path.find('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

struct FolderEntry {
  int64_t file;
  std::string_view path;  // below the folders passed through so far
  bool picture;
};

/// What lies below `folder`, with paths relative to it.
std::vector<FolderEntry> below(const std::vector<FolderEntry>& entries, std::string_view folder) {
  std::vector<FolderEntry> out;
  for (const auto& [file, path, picture] : entries)
    if (first_part(path) == folder) out.push_back({file, path.substr(folder.size() + 1), picture});
  return out;
}

/// The pictures by class folder. Folders without a picture are there too, with an empty list.
std::map<std::string, std::vector<int64_t>> by_class(const std::vector<FolderEntry>& entries) {
  std::map<std::string, std::vector<int64_t>> classes;
  for (const auto& [file, path, picture] : entries)
    if (const auto name = first_part(path); !name.empty()) {
      auto& pictures = classes[std::string(name)];
      if (picture) pictures.push_back(file);
    }
  return classes;
}

struct Split {
  std::string name, folder;  // val, Validation
};

/// A folder is a split only if its pictures lie in class folders: there may be a class called "train".
std::vector<Split> splits_of(const std::vector<FolderEntry>& entries, const std::string& where) {
  std::set<std::string_view> folders;
  for (const auto& [file, path, picture] : entries)
    if (const auto top = first_part(path); !top.empty() && !first_part(path.substr(top.size() + 1)).empty() && picture)
      folders.insert(top);
  std::vector<Split> found;
  for (const auto& [name, called] : kSplits)
    for (const auto folder : folders) {
      if (std::find(called.begin(), called.end(), lower(folder)) == called.end()) continue;
      if (!found.empty() && found.back().name == name)
        throw FileError(where,
                        fmt::format("{} and {} are both the {} split; keep one", found.back().folder, folder, name));
      found.push_back({name, std::string(folder)});
    }
  return found;
}

/// The folder that all pictures lie in, if it is none of a class: some lie in folders of their own in it.
std::string_view leading_folder(const std::vector<FolderEntry>& entries) {
  std::optional<std::string_view> lead;
  bool deeper = false;
  for (const auto& [file, path, picture] : entries) {
    if (!picture) continue;
    const auto top = first_part(path);
    if (top.empty() || lead.value_or(top) != top) return {};
    lead = top;
    deeper = deeper || !first_part(path.substr(top.size() + 1)).empty();
  }
  return deeper ? *lead : std::string_view();
}

struct Layout {
  std::string folder;  // that all lies in, with a slash, or empty
  std::vector<FolderEntry> entries;
  std::vector<Split> splits;

  const Split* find(std::string_view name) const {
    const auto found = std::find_if(splits.begin(), splits.end(), [&](const Split& s) { return s.name == name; });
    return found == splits.end() ? nullptr : &*found;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& split : splits) out.push_back(split.name);
    return out;
  }
};

/// The one folder that holds a division, train and another, where the top holds none: beside a pool that its links
/// point into, or beside what is no part of it.
std::string_view divided_folder(const std::vector<FolderEntry>& entries, const std::string& where) {
  std::set<std::string_view> tops;
  for (const auto& entry : entries)
    if (entry.picture) tops.insert(first_part(entry.path));
  std::string_view found;
  for (const auto top : tops) {
    if (top.empty()) continue;
    const auto splits = splits_of(below(entries, top), fmt::format("{}{}/", where, top));
    if (splits.size() < 2 || splits[0].name != "train") continue;
    if (!found.empty()) return {};
    found = top;
  }
  return found;
}

Layout find_layout(const FileTree& tree) {
  Layout layout;
  for (int64_t i = 0; i < tree.size(); ++i) layout.entries.push_back({i, tree.path(i), is_picture(tree, i)});
  while (true) {
    const auto where = tree.root() + "/" + layout.folder;
    layout.splits = splits_of(layout.entries, where);
    auto lead = layout.splits.empty() ? leading_folder(layout.entries) : std::string_view();
    if (layout.splits.empty() && lead.empty()) lead = divided_folder(layout.entries, where);
    if (lead.empty()) return layout;
    layout.folder += std::string(lead) + "/";
    layout.entries = below(layout.entries, lead);
  }
}

/// Folders that hold no file at all: trees list files only.
void add_empty_folders(const fs::path& folder, std::map<std::string, std::vector<int64_t>>& classes) {
  if (!fs::is_directory(folder)) return;
  for (const auto& entry : fs::directory_iterator(folder))
    if (const auto name = entry.path().filename().string(); entry.is_directory() && !name.starts_with('.'))
      classes[name];
}

}  // namespace

bool is_picture(const FileTree& tree, int64_t file) {
  const std::string_view path = tree.path(file);
  const auto name = path.substr(path.rfind('/') + 1);
  if (const auto dot = name.rfind('.'); dot != std::string_view::npos)
    if (std::find(std::begin(kEndings), std::end(kEndings), lower(name.substr(dot))) != std::end(kEndings)) return true;
  return begins_like_picture(tree.read_start(file, 32));
}

ImageFolderContents image_folder_contents(const FileTree& tree) {
  const auto layout = find_layout(tree);
  std::vector<bool> taken(static_cast<size_t>(tree.size()));
  const auto take = [&](const std::vector<FolderEntry>& entries) {
    for (const auto& [name, files] : by_class(entries))
      for (const auto file : files) taken[static_cast<size_t>(file)] = true;
  };
  for (const auto& split : layout.splits) take(below(layout.entries, split.folder));
  if (layout.splits.empty()) take(layout.entries);
  ImageFolderContents out{layout.names(), {}};
  for (int64_t i = 0; i < tree.size(); ++i)
    if (!taken[static_cast<size_t>(i)]) out.passed_over.push_back(tree.path(i));
  return out;
}

ImageFolder::ImageFolder(FileTree tree, const std::string& split, const ImageFolderOptions& options)
    : tree_(std::move(tree)), options_(options) {
  require(std::any_of(kSplits.begin(), kSplits.end(), [&](const auto& known) { return known.first == split; }),
          "unknown split \"{}\" of {}; expected train, val or test", split, tree_.root());
  const auto layout = find_layout(tree_);
  const auto *asked = layout.find(split), *train = layout.find("train");
  require(layout.splits.empty() || asked, "{} has no split {}; it has {}", tree_.root(), split,
          fmt::join(layout.names(), ", "));

  auto where = tree_.root() + "/" + layout.folder;
  if (asked) where += asked->folder + "/";
  auto found = by_class(asked ? below(layout.entries, asked->folder) : layout.entries);
  add_empty_folders(where, found);
  if (std::all_of(found.begin(), found.end(), [](const auto& c) { return c.second.empty(); }))
    throw FileError(tree_.root(),
                    "no class folders with pictures; expected [SPLIT/]CLASS/picture.jpg, such as train/cat/1.jpg");
  for (const auto& [name, files] : found)
    if (files.empty())
      throw FileError(where + name, fmt::format("class folder without a picture ({}); fill it or remove it",
                                                fmt::join(kEndings, " ")));

  for (const auto& [name, files] : train ? by_class(below(layout.entries, train->folder)) : found) {
    // Names go into weights and reports, which are UTF-8.
    if (const auto bad = find_bad_utf8(name); bad != std::string::npos)
      throw FileError(where + name, fmt::format("the class's name is not UTF-8 (byte 0x{:02x}); rename the folder",
                                                static_cast<unsigned char>(name[bad])));
    classes_.push_back(name);
  }
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
