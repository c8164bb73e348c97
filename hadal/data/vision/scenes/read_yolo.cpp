// YOLO's folders: images/ and labels/ side by side, a text file a picture, data.yaml with names and splits.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "hadal/core/error.h"
#include "hadal/data/path.h"
#include "hadal/data/vision/scenes/keypoints.h"
#include "hadal/data/vision/scenes/readers.h"

namespace hadal {
namespace {

bool is_yaml(std::string_view path) {
  const auto ending = ending_of(path);
  return ending == ".yaml" || ending == ".yml";
}

/// The settings' file: the one that was given, else the shallowest that has names.
std::optional<int64_t> settings_file(const Layout& layout, const std::string& given) {
  const auto& tree = layout.tree();
  if (is_yaml(given)) return tree.find(file_of(given));
  std::optional<int64_t> best;
  const auto depth = [&](int64_t file) { return std::count(tree.path(file).begin(), tree.path(file).end(), '/'); };
  for (int64_t file = 0; file < tree.size(); ++file)
    if (is_yaml(tree.path(file)) && (!best || depth(file) < depth(*best)) &&
        tree.read(file).find("names") != std::string::npos)
      best = file;
  return best;
}

/// The last folder called images becomes labels; without one the labels lie beside the picture.
std::vector<std::string> label_paths(const std::string& picture) {
  const auto name = std::string(stem_of(picture)) + ".txt";
  std::vector<std::string> out;
  const auto folder = "/" + std::string(folder_of(picture)) + "/";
  if (const auto at = folder.rfind("/images/"); at != std::string::npos)
    out.push_back(tidy_path(folder.substr(0, at) + "/labels/" + folder.substr(at + 8) + name));
  out.push_back(joined(folder_of(picture), name));
  out.push_back(joined(joined(folder_of(picture), "labels"), name));
  return out;
}

bool in_labels_folder(std::string_view path) { return ("/" + std::string(path)).find("/labels/") != std::string::npos; }

class YoloFolder {
 public:
  YoloFolder(const Layout& layout, const YoloSettings& settings, std::string_view base, FaultLog& log)
      : layout_(layout), tree_(layout.tree()), settings_(settings), base_(base), log_(log) {}

  SceneSplit split(const std::string& name, const std::vector<std::string>& entries, const std::string& where) {
    SceneSplit out{name, {}};
    for (const auto& entry : entries) {
      const auto pictures = pictures_at(entry);
      // Exported settings name a test split whether there is one or not; training does not want it.
      if (pictures.empty())
        log_.add(name == "test" ? Fault::split_missing : Fault::picture_missing, where,
                 fmt::format("{}: {} leads to no picture", name, entry));
      for (const auto picture : pictures) add(picture, out);
    }
    return out;
  }
  void add(int64_t picture, SceneSplit& out) {
    const auto [at, fresh] = owner_.emplace(picture, out.name);
    if (!fresh) {
      const bool here = at->second == out.name;
      log_.add(here ? Fault::picture_twice : Fault::picture_in_two_splits, tree_.name(picture),
               here ? fmt::format("stands in {} twice", out.name)
                    : fmt::format("belongs to {} and {}", at->second, out.name));
      if (here) return;
    }
    SceneRecord record;
    record.picture = picture, record.path = tree_.path(picture), record.relative = true;
    for (const auto& path : label_paths(record.path))
      if (const auto file = tree_.find(path)) {
        record.labels = *file;
        break;
      }
    if (record.labels < 0) {
      log_.add(Fault::labels_missing, tree_.name(picture), "no label file; taken as a picture without objects");
    } else {
      used_.insert(record.labels);
      record.objects = parse_yolo_labels(tree_.read(record.labels), tree_.name(record.labels), settings_, log_);
    }
    out.records.push_back(std::move(record));
  }
  /// What nothing names.
  void orphans() const {
    for (const auto picture : layout_.pictures())
      if (!owner_.contains(picture)) log_.add(Fault::picture_orphan, tree_.name(picture), "no split names it");
    for (const auto file : layout_.files(".txt"))
      if (in_labels_folder(tree_.path(file)) && !used_.contains(file) && stem_of(tree_.path(file)) != "classes")
        log_.add(Fault::labels_orphan, tree_.name(file), "no picture goes with it");
  }

 private:
  /// What train: and val: name: a folder, a list of pictures, a picture; below the settings' path or folder, or at the
  /// longest end of the name that is here, since exported settings name folders of other machines.
  std::vector<int64_t> pictures_at(const std::string& entry) const {
    for (const auto& from : {joined(joined(base_, settings_.path), entry), joined(base_, entry), entry}) {
      const auto tidy = tidy_path(from);
      for (std::string_view rest = tidy;;) {
        if (const auto file = tree_.find(rest))
          return ending_of(rest) == ".txt" ? listed(*file) : std::vector<int64_t>{*file};
        std::vector<int64_t> out;
        const auto folder = std::string(rest) + "/";
        for (const auto picture : layout_.pictures())
          if (rest.empty() || tree_.path(picture).starts_with(folder)) out.push_back(picture);
        if (!out.empty()) return out;
        const auto slash = rest.find('/');
        if (slash == std::string_view::npos) break;
        // test/images may not end as images, which holds the other splits.
        const bool told = !split_called(rest.substr(0, slash)).empty();
        rest.remove_prefix(slash + 1);
        if (told && split_of_path(joined(rest, "x")).empty()) break;
      }
    }
    return {};
  }
  std::vector<int64_t> listed(int64_t list) const {
    std::vector<int64_t> out;
    const auto lines = lines_of(tree_.read(list));
    for (size_t n = 0; n < lines.size(); ++n) {
      if (const auto file = layout_.find(lines[n], folder_of(tree_.path(list))))
        out.push_back(*file);
      else
        log_.add(Fault::picture_missing, fmt::format("{} entry {}", tree_.name(list), n + 1),
                 fmt::format("there is no picture {}", lines[n]));
    }
    return out;
  }

  const Layout& layout_;
  const FileTree& tree_;
  const YoloSettings& settings_;
  std::string base_;
  FaultLog& log_;
  std::map<int64_t, std::string> owner_;
  std::set<int64_t> used_;
};

/// Without settings the names stand in classes.txt, or the classes are called by their numbers.
void find_names(const Layout& layout, YoloSettings& settings, FaultLog& log) {
  const auto& tree = layout.tree();
  for (const auto file : layout.files(".txt"))
    if (stem_of(tree.path(file)) == "classes") {
      settings.names = lines_of(tree.read(file));
      return;
    }
  int64_t most = -1;
  FaultLog unheard;
  YoloSettings open;
  for (const auto file : layout.files(".txt"))
    if (in_labels_folder(tree.path(file)))
      for (const auto& object : parse_yolo_labels(tree.read(file), tree.name(file), open, unheard))
        most = std::max(most, object.label);
  for (int64_t i = 0; i <= most; ++i) settings.names.push_back(std::to_string(i));
  log.add(Fault::choice, tree.root(),
          fmt::format("no data.yaml and no classes.txt: the {} classes are called by their numbers; names= names them",
                      most + 1));
}

}  // namespace

bool looks_like_yolo(const Layout& layout) {
  if (layout.pictures().empty()) return false;
  const auto& tree = layout.tree();
  for (int64_t file = 0; file < tree.size(); ++file) {
    const auto& path = tree.path(file);
    if (ending_of(path) == ".txt" && in_labels_folder(path)) return true;
    if (is_yaml(path) && stem_of(path).find("data") != std::string::npos) return true;
  }
  return false;
}

void read_yolo(const Layout& layout, const SceneFilesConfig& config, SceneFiles& out, FaultLog& log) {
  const auto& tree = layout.tree();
  const auto file = settings_file(layout, config.path);
  if (!file && is_yaml(config.path)) throw FileError(data_path(config.path).string(), "there is no such file");
  YoloSettings settings;
  if (file) settings = parse_yolo_settings(tree.read(*file), tree.name(*file), log);
  if (!config.names.empty()) settings.names = config.names;
  if (!file && settings.names.empty()) find_names(layout, settings, log);
  out.about.classes = settings.names;
  out.about.swap = settings.flip;
  out.about.keypoints = settings.keypoint_names;
  for (auto k = std::ssize(out.about.keypoints); k < settings.keypoints; ++k)
    out.about.keypoints.push_back(fmt::format("point{}", k + 1));
  if (out.about.swap.empty()) out.about.swap = mirrored_keypoints(out.about.keypoints);
  out.about.sigmas = known_sigmas(out.about.keypoints);

  YoloFolder folder(layout, settings, file ? folder_of(tree.path(*file)) : "", log);
  for (const auto& [name, entries] : settings.splits)
    if (auto split = folder.split(name, entries, tree.name(*file)); name != "test" || !split.records.empty())
      out.splits.push_back(std::move(split));
  if (out.splits.empty()) {
    for (const auto* name : {"train", "val", "test"}) {
      SceneSplit split{name, {}};
      for (const auto picture : layout.pictures())
        if (split_of_path(tree.path(picture)) == name) folder.add(picture, split);
      if (!split.records.empty()) out.splits.push_back(std::move(split));
    }
    if (out.splits.empty()) {
      out.splits.push_back({"train", {}});
      for (const auto picture : layout.pictures()) folder.add(picture, out.splits[0]);
    }
  }
  folder.orphans();
  for (const auto& split : out.splits)
    for (const auto& record : split.records)
      for (const auto& object : record.objects) out.about.masks = out.about.masks || !object.mask.empty();
}

}  // namespace hadal
