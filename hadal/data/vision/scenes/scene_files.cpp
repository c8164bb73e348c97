#include "hadal/data/vision/scenes/scene_files.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "hadal/core/random.h"
#include "hadal/data/path.h"
#include "hadal/data/vision/scenes/readers.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

/// A file that is no archive stands for the folder it lies in: COCO's JSON, YOLO's data.yaml.
bool is_label_file(const fs::path& path) {
  const auto ending = small_letters(path.extension().string());
  return fs::is_regular_file(path) && (ending == ".json" || ending == ".yaml" || ending == ".yml");
}

FileTree tree_at(const fs::path& path) {
  if (!is_label_file(path)) return FileTree(path);
  auto folder = fs::absolute(path).parent_path();
  // COCO's pictures lie beside the folder of its annotations.
  const auto name = small_letters(folder.filename().string());
  if (small_letters(path.extension().string()) == ".json" && (name == "annotations" || name == "labels"))
    folder = folder.parent_path();
  return FileTree(folder);
}

/// Everything is one split: some of it becomes val and test, drawn by the seed.
void divide(const SceneFilesConfig& config, SceneFiles& files) {
  if (config.val <= 0 && config.test <= 0) return;
  require(files.splits.size() == 1,
          "data.val and data.test draw splits from data without any; {} has {} of its own: leave them out",
          files.tree.root(), files.splits.size());
  auto all = std::move(files.splits[0].records);
  const auto count = std::ssize(all);
  const auto part = [&](double share) {
    return share <= 0 ? 0 : std::max<int64_t>(1, static_cast<int64_t>(share * static_cast<double>(count) + 0.5));
  };
  const auto val = part(config.val), test = part(config.test);
  require(val + test < count, "val={} and test={} leave none of {} pictures to train with", config.val, config.test,
          count);
  Random random(static_cast<uint64_t>(config.seed), {0x5713});
  auto order = permutation(count, random);
  std::sort(order.begin(), order.begin() + val);
  std::sort(order.begin() + val, order.begin() + val + test);
  std::sort(order.begin() + val + test, order.end());
  const auto take = [&](int64_t first, int64_t last) {
    std::vector<SceneRecord> out;
    for (auto i = first; i < last; ++i) out.push_back(std::move(all[order[i]]));
    return out;
  };
  files.splits = {{"train", take(val + test, count)}};
  if (val > 0) files.splits.push_back({"val", take(0, val)});
  if (test > 0) files.splits.push_back({"test", take(val, val + test)});
  files.divided = true;
}

/// Lines of the skeleton that lead nowhere are left out.
void check_about(SceneFiles& files, FaultLog& log) {
  auto& about = files.about;
  const auto root = files.tree.root();
  std::set<std::string> seen;
  for (const auto& name : about.classes)
    if (!seen.insert(name).second)
      log.add(Fault::names_wrong, root, fmt::format("the class \"{}\" stands twice among the names", name));
  const auto points = std::ssize(about.keypoints);
  std::erase_if(about.skeleton, [&](const std::array<int64_t, 2>& bone) {
    const auto [from, to] = bone;
    const bool wrong = from < 0 || to < 0 || from >= points || to >= points;
    if (wrong)
      log.add(Fault::skeleton_wrong, root,
              fmt::format("the skeleton joins points {} and {}; there are 1 to {}", from + 1, to + 1, points));
    return wrong;
  });
  if (about.swap.empty()) return;
  auto sorted = about.swap;
  std::sort(sorted.begin(), sorted.end());
  bool right = std::ssize(sorted) == points;
  for (int64_t k = 0; right && k < points; ++k) right = sorted[k] == k && about.swap[about.swap[k]] == k;
  if (!right)
    log.add(Fault::sides_wrong, root,
            fmt::format("the table of mirrored keypoints must hold each of 0 to {} once and go both ways, got [{}]",
                        points - 1, fmt::join(about.swap, ", ")));
}

}  // namespace

Fields<SceneFilesConfig> SceneFilesConfig::fields() {
  using C = SceneFilesConfig;
  return {{"path", &C::path, "folder, archive, COCO's JSON or YOLO's data.yaml; $DATA is HADAL_DATA"},
          {"images", &C::images, "folder of the pictures, within the data (empty: found)"},
          {"names", &C::names, "class names in order (empty: from the data)", example("[\"cell\"]")},
          {"val", &C::val, "share of the pictures to hold out, of data without splits", from_below(0, 1)},
          {"test", &C::test, "share of the pictures to score in the end, of data without splits", from_below(0, 1)},
          {"seed", &C::seed, "another seed holds out other pictures", at_least(0)},
          {"from_one", &C::from_one, "VOC: pixels count from 1 and both ends of a box belong to it"},
          {"difficult", &C::difficult, "VOC: objects marked as difficult are ordinary ones (otherwise as crowds)"},
          {"cache_mb", &C::cache_mb, "memory for decoded pictures, in MB (0: decode every time)", at_least(0)}};
}

void SceneFilesConfig::validate() const {
  require(!path.empty(), "data.path is not set: name a folder, an archive, a JSON or a data.yaml, data=PATH");
  require(val + test < 1, "val ({}) and test ({}) together leave nothing to train with", val, test);
}

const SceneSplit* SceneFiles::find(const std::string& split) const {
  const auto found = std::find_if(splits.begin(), splits.end(), [&](const SceneSplit& s) { return s.name == split; });
  return found == splits.end() ? nullptr : &*found;
}

std::string name_of(SceneKind kind) {
  constexpr const char* kNames[] = {"coco", "yolo", "voc", "labelmask", "deeplabcut"};
  return kNames[static_cast<int>(kind)];
}

SceneKind find_scene_kind(const SceneFilesConfig& config) {
  config.validate();
  const auto path = data_path(config.path);
  if (is_label_file(path)) {
    const auto ending = small_letters(path.extension().string());
    if (ending == ".json") return SceneKind::coco;
    if (looks_like_deeplabcut(Layout(tree_at(path))) && path.stem() == "config") return SceneKind::deeplabcut;
    return SceneKind::yolo;
  }
  const Layout layout(tree_at(path));
  if (looks_like_deeplabcut(layout)) return SceneKind::deeplabcut;
  if (looks_like_voc(layout)) return SceneKind::voc;
  if (looks_like_label_masks(layout)) return SceneKind::labelmask;
  if (looks_like_yolo(layout)) return SceneKind::yolo;
  if (looks_like_coco(layout)) return SceneKind::coco;
  throw FileError(path.string(),
                  "holds no labels of a known kind: neither COCO's JSON with images and annotations, nor YOLO's "
                  "data.yaml or labels/*.txt, nor VOC's *.xml, nor masks/*_mask.png, nor DeepLabCut's "
                  "CollectedData_*.csv with its config.yaml");
}

SceneFiles read_scene_files(SceneKind kind, const SceneFilesConfig& config, FaultLog& log) {
  validate_config(config, "data");
  SceneFiles files(tree_at(data_path(config.path)));
  const Layout layout(files.tree);
  constexpr void (*kReaders[])(const Layout&, const SceneFilesConfig&, SceneFiles&, FaultLog&) = {
      read_coco, read_yolo, read_voc, read_label_masks, read_deeplabcut};
  kReaders[static_cast<int>(kind)](layout, config, files, log);
  check_about(files, log);
  for (const auto& split : files.splits)
    if (split.records.empty()) log.add(Fault::split_empty, files.tree.root(), "the split " + split.name + " is empty");
  files.divided = files.splits.size() > 1;
  divide(config, files);
  return files;
}

}  // namespace hadal
