// Label pictures: beside every picture one whose pixels hold 0 or the number of the instance that they belong to
// (Penn-Fudan, nuclei).
#include <algorithm>
#include <set>

#include "hadal/core/error.h"
#include "hadal/data/vision/scenes/readers.h"

namespace hadal {
namespace {

constexpr std::string_view kEnding = "_mask";

bool is_mask_folder(std::string_view folder) {
  const auto name = small_letters(file_of(folder));
  return name == "masks" || name == "mask" || name == "pedmasks" || name == "instances";
}

/// Whether a folder on the way to the file is one of masks: masks/train/x.png.
bool in_mask_folder(std::string_view path) {
  for (auto folder = folder_of(path); !folder.empty(); folder = folder_of(folder))
    if (is_mask_folder(folder)) return true;
  return false;
}

bool is_mask(std::string_view path) {
  const auto ending = ending_of(path);
  return (ending == ".png" || ending == ".bmp") && in_mask_folder(path);
}

std::string picture_stem(std::string_view path) {
  auto stem = stem_of(path);
  if (stem.ends_with(kEnding)) stem.remove_suffix(kEnding.size());
  return std::string(stem);
}

}  // namespace

bool looks_like_label_masks(const Layout& layout) {
  const auto& tree = layout.tree();
  std::set<std::string_view> stems;
  for (const auto file : layout.pictures())
    if (!is_mask(tree.path(file))) stems.insert(stem_of(tree.path(file)));
  return std::any_of(layout.pictures().begin(), layout.pictures().end(), [&](int64_t file) {
    return is_mask(tree.path(file)) && stems.contains(picture_stem(tree.path(file)));
  });
}

void read_label_masks(const Layout& layout, const SceneFilesConfig& config, SceneFiles& out, FaultLog& log) {
  const auto& tree = layout.tree();
  require(config.names.size() <= 1, "label pictures know instances of one class; names= gives {}", config.names.size());
  out.about.classes = config.names.empty() ? std::vector<std::string>{"object"} : config.names;
  out.about.masks = true;
  std::map<std::string, int64_t> masks;
  std::string top;
  for (const auto file : layout.pictures())
    if (is_mask(tree.path(file))) {
      masks[picture_stem(tree.path(file))] = file;
      if (masks.size() == 1) {
        auto folder = folder_of(tree.path(file));
        while (!is_mask_folder(folder)) folder = folder_of(folder);
        top = folder_of(folder);
      }
    }
  if (masks.empty()) throw FileError(tree.root(), "holds no label picture (masks/*_mask.png)");
  std::vector<SceneRecord> records;
  for (const auto file : layout.pictures()) {
    if (is_mask(tree.path(file))) continue;
    if (!config.images.empty() && folder_of(tree.path(file)) != config.images) continue;
    SceneRecord record;
    record.picture = file, record.path = tree.path(file);
    const auto mask = masks.find(std::string(stem_of(tree.path(file))));
    if (mask == masks.end()) {
      log.add(Fault::labels_missing, tree.name(file), "there is no label picture for it");
      continue;
    }
    record.mask = mask->second;
    masks.erase(mask);
    records.push_back(std::move(record));
  }
  for (const auto& [stem, file] : masks)
    log.add(Fault::labels_orphan, tree.name(file), fmt::format("there is no picture {}", stem));
  split_records(layout, top, std::move(records), out, log);
}

}  // namespace hadal
