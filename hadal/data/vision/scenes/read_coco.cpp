// COCO's JSON: truth for one split a file.
#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_map>

#include "hadal/core/error.h"
#include "hadal/data/path.h"
#include "hadal/data/vision/coco_json.h"
#include "hadal/data/vision/scenes/keypoints.h"
#include "hadal/data/vision/scenes/readers.h"

namespace hadal {
namespace {

struct Truth {
  std::string split;
  int64_t file;
  CocoTruth content;
};

bool holds_coco(const std::string& bytes) {
  return bytes.find("\"images\"") != std::string::npos && bytes.find("\"annotations\"") != std::string::npos;
}

/// train, val or test by a word of the file's name, else by its folder.
std::string split_of_file(std::string_view path) {
  const auto name = small_letters(stem_of(path));
  for (const auto* split : {"train", "val", "test"})
    if (name.find(split) != std::string::npos) return split;
  return split_of_path(path);
}

/// Lower is better: object files before those of people, captions and whole scenes last; then the shortest name.
std::pair<int, size_t> rank(std::string_view path) {
  const auto name = small_letters(stem_of(path));
  const int kind = name.starts_with("instances")          ? 0
                   : name.starts_with("person_keypoints") ? 1
                   : name.starts_with("captions") || name.starts_with("panoptic") || name.starts_with("stuff") ||
                           name.starts_with("image_info")
                       ? 3
                       : 2;
  return {kind, name.size()};
}

/// The JSON files that are the splits: the one that was given, or of a folder the best one for each.
std::map<std::string, int64_t> choose_files(const Layout& layout, const std::string& given, FaultLog& log) {
  const auto& tree = layout.tree();
  if (ending_of(given) == ".json") {
    const auto path = data_path(given);
    for (const auto file : layout.files(".json"))
      if (file_of(tree.path(file)) == path.filename().string() &&
          std::filesystem::equivalent(std::filesystem::path(tree.root()) / tree.path(file), path))
        return {{"train", file}};
    throw FileError(path.string(), "there is no such file");
  }
  std::map<std::string, std::vector<int64_t>> by_split;
  for (const auto file : layout.files(".json"))
    if (holds_coco(tree.read(file))) by_split[split_of_file(tree.path(file))].push_back(file);
  if (by_split.size() > 1 && by_split.contains("")) {
    for (const auto file : by_split[""])
      log.add(Fault::choice, tree.name(file), "left out: other files say by their names which split they are");
    by_split.erase("");
  }
  std::map<std::string, int64_t> out;
  for (auto& [split, files] : by_split) {
    std::sort(files.begin(), files.end(), [&](int64_t a, int64_t b) {
      return std::pair(rank(tree.path(a)), tree.path(a)) < std::pair(rank(tree.path(b)), tree.path(b));
    });
    for (size_t i = 1; i < files.size(); ++i)
      log.add(Fault::choice, tree.name(files[i]),
              fmt::format("left out: {} was taken; data=FILE.json takes another one", tree.path(files[0])));
    out[by_split.size() == 1 && split.empty() ? "train" : split] = files[0];
  }
  return out;
}

class PictureFinder {
 public:
  PictureFinder(const Layout& layout, const std::string& images, const std::string& json, const std::string& split)
      : layout_(layout) {
    const auto own = std::string(folder_of(json)), above = std::string(folder_of(own));
    if (!images.empty()) folders_.push_back(images);
    for (const auto& top : {own, above})
      for (const auto& folder : {std::string("images"), joined("images", split), std::string(stem_of(json)), split})
        folders_.push_back(joined(top, folder));
    folders_.push_back(own), folders_.push_back(above);
  }
  std::optional<int64_t> find(const std::string& name) {
    const auto tidy = tidy_path(name);
    for (size_t i = 0; i < folders_.size(); ++i)
      if (const auto file = layout_.tree().find(joined(folders_[i], tidy))) {
        std::swap(folders_[0], folders_[i]);  // the next picture lies there, too
        return file;
      }
    if (const auto file = layout_.find(tidy)) return file;
    return layout_.picture(stem_of(tidy), folders_);
  }

 private:
  const Layout& layout_;
  std::vector<std::string> folders_;
};

/// Classes by the categories' rising numbers; keypoints of the first category that has some.
class Categories {
 public:
  Categories(const std::vector<Truth>& truths, const SceneFilesConfig& config, const FileTree& tree, FaultLog& log) {
    std::map<int64_t, std::string> by_id;
    for (const auto& truth : truths)
      for (const auto& category : truth.content.categories) {
        const auto [at, fresh] = by_id.emplace(category.id, category.name);
        if (!fresh && at->second != category.name)
          log.add(Fault::names_wrong, truth.content.name,
                  fmt::format("category {} is \"{}\" here and \"{}\" in another split", category.id, category.name,
                              at->second));
        take_keypoints(category, truth.content.name, log);
      }
    about.classes = config.names;
    if (config.names.empty())
      for (const auto& [id, name] : by_id) about.classes.push_back(name);
    auto& ids = about.categories;
    ids.resize(about.classes.size(), 0);
    for (const auto& [id, name] : by_id) {
      const auto at = std::find(about.classes.begin(), about.classes.end(), name) - about.classes.begin();
      if (at < std::ssize(about.classes)) labels.emplace(id, at), ids[at] = id;
    }
    for (size_t i = 0; i < ids.size(); ++i)
      if (!std::any_of(by_id.begin(), by_id.end(), [&](const auto& c) { return c.second == about.classes[i]; }))
        log.add(Fault::class_unknown, tree.root(), fmt::format("no category is called \"{}\"", about.classes[i]));
  }

  SceneAbout about;
  std::unordered_map<int64_t, int64_t> labels;

 private:
  void take_keypoints(const CocoCategory& category, const std::string& file, FaultLog& log) {
    if (category.keypoints.empty()) return;
    if (about.keypoints.empty()) {
      about.keypoints = category.keypoints;
      for (const auto& [from, to] : category.skeleton) about.skeleton.push_back({from - 1, to - 1});
      about.swap = mirrored_keypoints(about.keypoints);
      about.sigmas = known_sigmas(about.keypoints);
    } else if (about.keypoints != category.keypoints) {
      log.add(Fault::keypoint_count, file,
              fmt::format("{} has other keypoints ({}) than the category before ({})", category.name,
                          category.keypoints.size(), about.keypoints.size()));
    }
  }
};

/// The mask as the record keeps it; what cannot be one is a fault and is left out.
MaskLabel mask_of(const CocoAnnotation& annotation, const SceneRecord& record, const std::string& where,
                  FaultLog& log) {
  MaskLabel mask;
  const auto& from = annotation.segmentation;
  for (const auto& polygon : from.polygons) {
    const bool finite = std::all_of(polygon.begin(), polygon.end(), [](double v) { return std::abs(v) < 1e7; });
    if (polygon.size() < 6)
      log.add(Fault::polygon_short, where, fmt::format("a polygon of {} points", polygon.size() / 2));
    else if (polygon.size() % 2 == 1 || !finite)
      log.add(Fault::number, where, "a polygon wants pairs of finite numbers");
    else
      mask.polygons.emplace_back(polygon.begin(), polygon.end());
  }
  mask.refused = mask.polygons.empty() && !from.polygons.empty();
  if (from.counts.empty() && from.compressed.empty()) return mask;
  if (record.width > 0 && (from.width != record.width || from.height != record.height)) {
    log.add(
        Fault::mask_size, where,
        fmt::format("a mask of {} x {} in a picture of {} x {}", from.width, from.height, record.width, record.height));
    mask.refused = true;
    return mask;
  }
  try {
    mask.height = from.height, mask.width = from.width;
    mask.runs = from.compressed.empty() ? rle_to_string(rle_from_counts(from.counts, from.height, from.width))
                                        : rle_to_string(rle_from_string(from.compressed, from.height, from.width));
  } catch (const Error& error) {
    log.add(Fault::rle_wrong, where, error.what());
    mask = {};
    mask.refused = true;
  }
  return mask;
}

class SplitReader {
 public:
  SplitReader(const Truth& truth, const Categories& categories, FaultLog& log)
      : truth_(truth), categories_(categories), points_(std::ssize(categories.about.keypoints)), log_(log) {}

  void pictures(const Layout& layout, const SceneFilesConfig& config, SceneSplit& out) {
    PictureFinder finder(layout, config.images, layout.tree().path(truth_.file), truth_.split);
    std::set<int64_t> seen;
    for (const auto& picture : truth_.content.pictures) {
      const auto where = fmt::format("{} image {}", truth_.content.name, picture.id);
      SceneRecord record;
      record.id = picture.id, record.path = picture.file_name;
      record.width = picture.width, record.height = picture.height;
      const auto file = finder.find(picture.file_name);
      if (!file) {
        log_.add(Fault::picture_missing, where, fmt::format("there is no picture {}", picture.file_name));
      } else {
        if (!seen.insert(*file).second)
          log_.add(Fault::picture_twice, where, fmt::format("{} is listed twice", picture.file_name));
        record.picture = *file;
      }
      at_[picture.id] = std::ssize(out.records);
      out.records.push_back(std::move(record));
    }
  }

  void objects(SceneSplit& out, bool& masks) {
    std::set<int64_t> ids;
    for (const auto& annotation : truth_.content.annotations) {
      const auto where = fmt::format("{} annotation {}", truth_.content.name, annotation.id);
      if (annotation.id >= 0 && !ids.insert(annotation.id).second)
        log_.add(Fault::id_twice, where, "another annotation has the same id");
      const auto at = at_.find(annotation.image_id);
      if (at == at_.end()) {
        log_.add(Fault::object_orphan, where, fmt::format("there is no image {}", annotation.image_id));
        continue;
      }
      auto& record = out.records[at->second];
      if (auto object = read(annotation, record, where)) {
        masks = masks || !object->mask.empty();
        record.objects.push_back(std::move(*object));
      }
    }
  }

 private:
  std::optional<ObjectLabel> read(const CocoAnnotation& annotation, const SceneRecord& record,
                                  const std::string& where) {
    ObjectLabel object;
    const auto label = categories_.labels.find(annotation.category_id);
    if (label == categories_.labels.end()) {
      log_.add(Fault::class_unknown, where,
               fmt::format("category {} is not among the classes", annotation.category_id));
      return std::nullopt;
    }
    object.label = label->second;
    object.id = annotation.id;
    object.crowd = annotation.iscrowd || annotation.ignore;
    if (annotation.area) object.area = static_cast<float>(*annotation.area);
    object.mask = mask_of(annotation, record, where, log_);
    keypoints(annotation, where, object.keypoints);
    if (annotation.bbox) {
      const auto& [x, y, width, height] = *annotation.bbox;
      if (!(std::abs(x) + std::abs(y) + std::abs(width) + std::abs(height) < 1e7)) {
        log_.add(Fault::number, where, "the bbox is not four finite numbers of pixels");
        return std::nullopt;
      }
      object.box = {static_cast<float>(x), static_cast<float>(y), static_cast<float>(x + width),
                    static_cast<float>(y + height)};
    } else if (!object.mask.polygons.empty()) {
      object.box = box_around(object.mask.polygons);
    } else if (!object.mask.runs.empty()) {
      const auto box = rle_box(rle_from_string(object.mask.runs, object.mask.height, object.mask.width));
      object.box = {static_cast<float>(box[0]), static_cast<float>(box[1]), static_cast<float>(box[0] + box[2]),
                    static_cast<float>(box[1] + box[3])};
    }
    if (!(object.box[2] > object.box[0] && object.box[3] > object.box[1]))
      if (const auto box = box_of_keypoints(object.keypoints)) std::copy(box->begin(), box->end(), object.box.begin());
    return object;
  }
  void keypoints(const CocoAnnotation& annotation, const std::string& where, std::vector<float>& out) {
    const auto& from = annotation.keypoints;
    if (points_ == 0 || from.empty()) return;
    if (std::ssize(from) != 3 * points_) {
      log_.add(Fault::keypoint_count, where,
               fmt::format("{} keypoints; the category has {}", from.size() / 3, points_));
      return;
    }
    int64_t seen = 0;
    for (const auto value : from) {
      if (!(std::abs(value) < 1e7)) {
        log_.add(Fault::number, where, "a keypoint is not finite");
        return out.clear();
      }
      out.push_back(static_cast<float>(value));
    }
    for (int64_t k = 0; k < points_; ++k) seen += from[3 * k + 2] > 0;
    if (annotation.num_keypoints && *annotation.num_keypoints != seen)
      log_.add(Fault::keypoints_miscounted, where,
               fmt::format("num_keypoints is {}, {} are marked", *annotation.num_keypoints, seen));
  }

  const Truth& truth_;
  const Categories& categories_;
  int64_t points_;
  FaultLog& log_;
  std::unordered_map<int64_t, int64_t> at_;
};

/// Pictures in the folders of listed ones that no file lists.
void find_orphans(const Layout& layout, const SceneFiles& out, FaultLog& log) {
  std::set<int64_t> used;
  std::set<std::string_view> folders;
  for (const auto& split : out.splits)
    for (const auto& record : split.records)
      if (record.picture >= 0)
        used.insert(record.picture), folders.insert(folder_of(layout.tree().path(record.picture)));
  for (const auto picture : layout.pictures())
    if (!used.contains(picture) && folders.contains(folder_of(layout.tree().path(picture))))
      log.add(Fault::picture_orphan, layout.tree().name(picture), "no JSON lists it");
}

}  // namespace

bool looks_like_coco(const Layout& layout) {
  const auto files = layout.files(".json");
  return std::any_of(files.begin(), files.end(), [&](int64_t file) { return holds_coco(layout.tree().read(file)); });
}

void read_coco(const Layout& layout, const SceneFilesConfig& config, SceneFiles& out, FaultLog& log) {
  const auto& tree = layout.tree();
  std::vector<Truth> truths;
  const auto chosen = choose_files(layout, config.path, log);
  for (const auto* split : {"train", "val", "test"}) {
    const auto file = chosen.find(split);
    if (file == chosen.end()) continue;
    const auto name = tree.name(file->second);
    try {
      truths.push_back({split, file->second, parse_coco_truth(tree.read(file->second), name)});
    } catch (const FileError& error) {
      const std::string what = error.what();
      log.add(what.find("have the id") != std::string::npos ? Fault::id_twice : Fault::labels_unreadable, name, what);
    }
  }
  if (chosen.empty()) throw FileError(tree.root(), "holds no JSON with images and annotations");
  const Categories categories(truths, config, tree, log);
  out.about = categories.about;
  for (const auto& truth : truths) {
    SplitReader reader(truth, categories, log);
    auto& split = out.splits.emplace_back(SceneSplit{truth.split, {}});
    reader.pictures(layout, config, split);
    reader.objects(split, out.about.masks);
  }
  if (ending_of(config.path) != ".json") find_orphans(layout, out, log);
}

}  // namespace hadal
