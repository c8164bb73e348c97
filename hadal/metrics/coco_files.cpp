#include "hadal/metrics/coco_files.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "hadal/core/error.h"
#include "hadal/core/parallel.h"
#include "hadal/io/bytes.h"

namespace hadal {
namespace {

using Pictures = std::unordered_map<int64_t, const CocoPicture*>;

std::string entry_place(const std::string& name, const CocoAnnotation& annotation) {
  return fmt::format("{} entry {} at byte {}", name, annotation.entry, annotation.at);
}

/// The first few, for messages.
std::string few(const std::vector<std::string>& all) {
  constexpr size_t kFew = 10;
  const std::vector<std::string> first(all.begin(), all.begin() + static_cast<int64_t>(std::min(all.size(), kFew)));
  return fmt::format("{}{}", fmt::join(first, ", "), all.size() > kFew ? ", ..." : "");
}

/// Pictures of the truth by file name, with folders and ending or without.
class PictureNames {
 public:
  explicit PictureNames(const std::vector<CocoPicture>& pictures) {
    for (const auto& picture : pictures) {
      const std::filesystem::path path = picture.file_name;
      enter(whole_, picture.file_name, picture.id);
      enter(short_, path.filename().string(), picture.id);
      if (path.has_extension()) enter(short_, path.stem().string(), picture.id);
    }
  }
  /// Nothing where none is called so, or several are.
  std::optional<int64_t> find(const std::string& name) const {
    for (const auto& [names, key] :
         {std::pair{&whole_, name}, {&short_, name}, {&short_, std::filesystem::path(name).filename().string()}})
      if (const auto found = names->find(key); found != names->end()) return found->second;
    return {};
  }

 private:
  using Names = std::unordered_map<std::string, std::optional<int64_t>>;
  static void enter(Names& names, const std::string& name, int64_t id) {
    const auto [at, fresh] = names.emplace(name, id);
    if (!fresh && at->second != id) at->second.reset();
  }
  Names whole_, short_;
};

class Filler {
 public:
  Filler(const CocoTruth& truth, const std::string& results_name, CocoSettings settings)
      : truth_(truth),
        results_name_(results_name),
        kind_(settings.kind),
        out_{CocoEvaluation(with_sigmas(settings)), {}, 0, {}} {
    pictures_.reserve(truth.pictures.size());
    for (const auto& picture : truth.pictures) pictures_.emplace(picture.id, &picture);
    for (const auto& category : truth.categories) known_.insert(category.id);
    out_.pictures = static_cast<int64_t>(truth.pictures.size());
    out_.categories = truth.categories;
    std::sort(out_.categories.begin(), out_.categories.end(),
              [](const CocoCategory& a, const CocoCategory& b) { return a.id < b.id; });
  }

  CocoFiles fill(std::vector<CocoAnnotation>& results) {
    out_.evaluation.reserve(truth_.annotations.size(), results.size());
    add_truth();
    add_results(results);
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail_at(const std::string& name, const CocoAnnotation& annotation, std::string_view what) const {
    throw FileError(entry_place(name, annotation), what);
  }

  CocoSettings with_sigmas(CocoSettings settings) const {
    if (settings.kind != CocoKind::kKeypoints || !settings.sigmas.empty()) return settings;
    for (const auto& category : truth_.categories)
      if (!category.keypoints.empty() && category.keypoints.size() != coco_sigmas().size())
        settings.sigmas = equal_sigmas(category.keypoints.size());
    return settings;
  }

  CocoObject begin(const CocoAnnotation& annotation) const {
    CocoObject object;
    object.picture = annotation.image_id, object.label = annotation.category_id;
    object.score = annotation.score;
    object.area = annotation.area.value_or(-1);
    if (annotation.bbox) object.box = *annotation.bbox;
    return object;
  }

  void fill_keypoints(CocoObject& object, const CocoAnnotation& annotation, const std::string& name) const {
    const auto expected = 3 * out_.evaluation.settings().sigmas.size();
    if (annotation.keypoints.size() != expected)
      fail_at(name, annotation,
              fmt::format("{} keypoints, expected {}", annotation.keypoints.size() / 3, expected / 3));
    object.keypoints = annotation.keypoints;
  }

  Rle mask(const CocoAnnotation& annotation, const std::string& name) const {
    const auto& picture = *pictures_.at(annotation.image_id);
    const auto& segmentation = annotation.segmentation;
    // Runs say of which picture they are; polygons do not.
    const bool runs = segmentation.polygons.empty();
    const auto height = picture.height == 0 && runs ? segmentation.height : picture.height;
    const auto width = picture.width == 0 && runs ? segmentation.width : picture.width;
    if (height == 0 || width == 0)
      throw FileError(truth_.name, fmt::format("picture {} has no width or height, which masks need", picture.id));
    return *coco_mask(segmentation, height, width, entry_place(name, annotation));
  }

  // Masks take the time; the rest is quick. Annotations without one keep an empty mask.
  template <class Annotations>
  std::vector<Rle> masks(const Annotations& annotations, const std::string& name, bool also_boxes) const {
    std::vector<Rle> out(annotations.size());
    parallel_for(0, static_cast<int64_t>(out.size()), 16, [&](int64_t first, int64_t last) {
      for (auto i = static_cast<size_t>(first); i < static_cast<size_t>(last); ++i) {
        const auto& annotation = annotations[i];
        if (!pictures_.contains(annotation.image_id) || !known_.contains(annotation.category_id)) continue;
        if (!annotation.segmentation.empty()) {
          out[i] = mask(annotation, name);
        } else if (also_boxes && annotation.bbox) {
          const auto& picture = *pictures_.at(annotation.image_id);
          out[i] = rle_from_box(*annotation.bbox, picture.height, picture.width, entry_place(name, annotation));
        }
      }
    });
    return out;
  }

  void add_truth() {
    std::unordered_set<int64_t> ids;
    ids.reserve(truth_.annotations.size());
    std::vector<Rle> made;
    if (kind_ == CocoKind::kMask) made = masks(truth_.annotations, truth_.name, false);
    int64_t strangers = 0, ignored = 0;
    for (size_t i = 0; i < truth_.annotations.size(); ++i) {
      const auto& annotation = truth_.annotations[i];
      if (annotation.id >= 0 && !ids.insert(annotation.id).second)
        fail_at(truth_.name, annotation, fmt::format("two annotations have the id {}", annotation.id));
      if (!pictures_.contains(annotation.image_id) || !known_.contains(annotation.category_id)) {
        ++strangers;
        continue;
      }
      auto object = begin(annotation);
      object.crowd = annotation.iscrowd;
      ignored += annotation.ignore && !annotation.iscrowd;
      if (annotation.id == 0) {
        object.never_found = true;
        out_.notes.push_back(
            "an annotation has the id 0; pycocotools takes that for none and so never counts it as found");
      }
      if (kind_ == CocoKind::kMask) {
        object.mask = std::move(made[i]);
        if (object.mask.counts.empty()) fail_at(truth_.name, annotation, "this annotation has no segmentation");
      } else if (kind_ == CocoKind::kKeypoints) {
        fill_truth_keypoints(object, annotation);
      }
      if (!annotation.bbox && kind_ != CocoKind::kMask) {
        if (kind_ == CocoKind::kBox) fail_at(truth_.name, annotation, "this annotation has no bbox");
        if (!object.ignore) fail_at(truth_.name, annotation, "this annotation has keypoints, but no bbox");
      }
      out_.evaluation.add_truth(std::move(object));
    }
    if (strangers > 0)
      out_.notes.push_back(
          fmt::format("{} annotations of pictures or categories that the truth does not list are left out", strangers));
    if (ignored > 0)
      out_.notes.push_back(
          fmt::format("{} annotations say \"ignore\", which is not looked at; \"iscrowd\" is", ignored));
  }

  void fill_truth_keypoints(CocoObject& object, const CocoAnnotation& annotation) const {
    const auto count = out_.evaluation.settings().sigmas.size();
    if (annotation.keypoints.empty())
      object.keypoints.assign(3 * count, 0);
    else
      fill_keypoints(object, annotation, truth_.name);
    int64_t visible = 0;
    for (size_t k = 2; k < object.keypoints.size(); k += 3) visible += object.keypoints[k] > 0;
    object.ignore = annotation.num_keypoints.value_or(visible) == 0;
  }

  void add_results(std::vector<CocoAnnotation>& results) {
    if (results.empty()) {
      out_.notes.emplace_back("there are no results");
      return;
    }
    const bool boxes = results[0].bbox.has_value(), segments = !boxes && !results[0].segmentation.empty();
    std::vector<Rle> made;
    find_pictures(results);
    if (kind_ == CocoKind::kMask || segments) made = masks(results, results_name_, boxes);
    const auto strangers = count_strangers(results);
    for (size_t i = 0; i < results.size(); ++i) {
      auto& result = results[i];
      if (!known_.contains(result.category_id)) continue;
      if (boxes && !result.bbox) fail_at(results_name_, result, "the first result has a bbox, this one has none");
      auto object = begin(result);
      if (!made.empty()) object.mask = std::move(made[i]);
      if (kind_ == CocoKind::kKeypoints) {
        if (result.keypoints.empty()) fail_at(results_name_, result, "this result has no keypoints");
        fill_keypoints(object, result, results_name_);
      }
      set_area(object, result, boxes, segments);
      out_.evaluation.add_found(std::move(object));
    }
    if (!strangers.empty()) out_.notes.push_back(strangers);
  }

  /// Every result gets its picture's number: that of the picture it names, or else its own.
  void find_pictures(std::vector<CocoAnnotation>& results) {
    std::optional<PictureNames> names;
    int64_t otherwise = 0;
    for (auto& result : results) {
      if (!result.picture.empty()) {
        if (!names) names.emplace(truth_.pictures);
        if (const auto id = names->find(result.picture)) {
          otherwise += result.has_number && result.image_id != *id;
          result.image_id = *id;
          continue;
        }
      }
      if (!result.has_number)
        fail_at(results_name_, result,
                fmt::format("a result of picture {}, and no file_name of {} is that of one picture alone",
                            shown(result.picture), truth_.name));
      if (!pictures_.contains(result.image_id))
        fail_at(results_name_, result,
                fmt::format("a result of picture {}, which {} does not have", result.image_id, truth_.name));
    }
    if (otherwise > 0)
      out_.notes.push_back(fmt::format(
          "{} results name another picture by file_name than by image_id; the name is what counts", otherwise));
  }

  /// A note on results of categories that the truth does not have. Throws FileError where all are.
  std::string count_strangers(const std::vector<CocoAnnotation>& results) const {
    size_t strangers = 0;
    std::set<int64_t> ids;
    for (const auto& result : results)
      if (!known_.contains(result.category_id)) ++strangers, ids.insert(result.category_id);
    if (strangers == 0) return "";
    std::vector<std::string> theirs, ours;
    for (const auto id : ids) theirs.push_back(std::to_string(id));
    for (const auto& category : out_.categories) ours.push_back(fmt::format("{} ({})", category.id, category.name));
    if (strangers == results.size())
      throw FileError(results_name_, fmt::format("no result is of a category that {} has: their category_id is one of "
                                                 "{}, the truth's categories are {}",
                                                 truth_.name, few(theirs), few(ours)));
    return fmt::format("{} of {} results are of categories that the truth does not have ({}), and are left out",
                       strangers, results.size(), few(theirs));
  }

  void set_area(CocoObject& object, const CocoAnnotation& result, bool boxes, bool segments) const {
    if (kind_ == CocoKind::kMask && object.mask.counts.empty())
      fail_at(results_name_, result, "this result has no segmentation, which iou=segm scores");
    if (boxes) {
      object.area = object.box[2] * object.box[3];
    } else if (segments) {
      if (object.mask.counts.empty())
        fail_at(results_name_, result, "the first result has a segmentation, this one has none");
      object.area = static_cast<double>(rle_area(object.mask));
      if (!result.bbox) object.box = rle_box(object.mask);
    } else if (kind_ == CocoKind::kKeypoints) {
      double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
      for (size_t i = 0; i < result.keypoints.size(); ++i)
        if (i % 3 != 2)
          low[i % 3] = std::min(low[i % 3], result.keypoints[i]),
                  high[i % 3] = std::max(high[i % 3], result.keypoints[i]);
      object.box = {low[0], low[1], high[0] - low[0], high[1] - low[1]};
      object.area = object.box[2] * object.box[3];
    } else {
      fail_at(results_name_, result,
              "this result has neither bbox nor segmentation; keypoints are scored by iou=keypoints");
    }
  }

  const CocoTruth& truth_;
  const std::string& results_name_;
  CocoKind kind_;
  Pictures pictures_;
  std::unordered_set<int64_t> known_;  // categories
  CocoFiles out_;
};

}  // namespace

CocoKind coco_kind(const std::string& name) {
  if (name == "bbox") return CocoKind::kBox;
  if (name == "segm") return CocoKind::kMask;
  if (name == "keypoints") return CocoKind::kKeypoints;
  fail_usage("iou is bbox, segm or keypoints, got \"{}\"{}", name, suggest(name, {"bbox", "segm", "keypoints"}));
}

CocoFiles make_coco_files(const CocoTruth& truth, std::vector<CocoAnnotation> results, const std::string& results_name,
                          CocoSettings settings) {
  if (truth.categories.empty())
    throw FileError(truth.name, "this truth has no \"categories\", and without them nothing can be scored");
  return Filler(truth, results_name, std::move(settings)).fill(results);
}

CocoFiles read_coco_files(const std::filesystem::path& truth, const std::filesystem::path& results,
                          CocoSettings settings) {
  return make_coco_files(read_coco_truth(truth), read_coco_results(results), results.string(), std::move(settings));
}

}  // namespace hadal
