#include "hadal/data/vision/scenes/scene_faults.h"

#include <algorithm>

#include "hadal/core/error.h"

namespace hadal {

const std::vector<FaultKind>& fault_kinds() {
  using enum FaultWeight;
  static const std::vector<FaultKind> kinds = {
      {Fault::picture_missing, fatal, "picture-missing", "a picture that labels or lists name is not there"},
      {Fault::picture_broken, error, "picture-broken", "a picture does not decode"},
      {Fault::picture_twice, error, "picture-twice", "a picture stands in a split twice"},
      {Fault::picture_copy, warning, "picture-copy", "two files of a split hold the same picture"},
      {Fault::picture_in_two_splits, error, "picture-in-two-splits", "a file belongs to two splits"},
      {Fault::copy_in_two_splits, error, "copy-in-two-splits", "two splits hold the same picture"},
      {Fault::picture_orphan, warning, "picture-orphan", "a picture that no labels and no list name"},
      {Fault::picture_tiny, warning, "picture-tiny", "a picture with a side below 8 pixels"},
      {Fault::picture_narrow, warning, "picture-narrow", "a picture more than 20 times as long as wide"},
      {Fault::picture_empty, note, "picture-empty", "a picture without objects"},
      {Fault::labels_missing, warning, "labels-missing", "a picture has no file of labels"},
      {Fault::labels_orphan, warning, "labels-orphan", "labels whose picture is not there"},
      {Fault::labels_unreadable, fatal, "labels-unreadable", "labels that cannot be read"},
      {Fault::columns, fatal, "columns", "a line with a wrong number of columns"},
      {Fault::number, fatal, "number", "a number that is none, infinite or impossible"},
      {Fault::size_wrong, error, "size-wrong", "the labels say another size than the picture has"},
      {Fault::id_twice, fatal, "id-twice", "a number that should be unique stands twice"},
      {Fault::object_orphan, fatal, "object-orphan", "an object of a picture that is not listed"},
      {Fault::object_twice, error, "object-twice", "the same object stands in a picture twice"},
      {Fault::class_range, fatal, "class-range", "a class number beyond the names"},
      {Fault::class_unknown, fatal, "class-unknown", "a class that is not among the names"},
      {Fault::class_unused, warning, "class-unused", "a class without an object"},
      {Fault::classes_uneven, warning, "classes-uneven", "the commonest class is over 100 times the rarest"},
      {Fault::names_wrong, fatal, "names-wrong", "the list of class names does not hold"},
      {Fault::box_without_area, error, "box-without-area", "a box without width or height"},
      {Fault::box_outside, error, "box-outside", "a box wholly outside its picture"},
      {Fault::box_over_edge, warning, "box-over-edge", "a box that reaches more than a pixel over the edge"},
      {Fault::box_off_mask, warning, "box-off-mask", "a box that does not fit its mask"},
      {Fault::polygon_short, error, "polygon-short", "a polygon of less than three points"},
      {Fault::rle_wrong, error, "rle-wrong", "a run-length mask that does not fill its picture"},
      {Fault::mask_size, error, "mask-size", "a mask of another size than its picture"},
      {Fault::mask_missing, warning, "mask-missing", "an object without a mask among ones that have it"},
      {Fault::mask_empty, error, "mask-empty", "a mask without a pixel"},
      {Fault::keypoint_count, fatal, "keypoint-count", "another number of keypoints than the data set has"},
      {Fault::keypoint_outside, error, "keypoint-outside", "a keypoint outside its picture"},
      {Fault::keypoint_visibility, error, "keypoint-visibility", "a keypoint's visibility is not 0, 1 or 2"},
      {Fault::keypoints_miscounted, warning, "keypoints-miscounted", "num_keypoints is not their number"},
      {Fault::keypoints_unseen, warning, "keypoints-unseen", "no keypoint of a split is there"},
      {Fault::skeleton_wrong, error, "skeleton-wrong", "the skeleton names a point that is not there"},
      {Fault::sides_wrong, fatal, "sides-wrong", "the table of mirrored keypoints is no permutation"},
      {Fault::split_empty, error, "split-empty", "a split without pictures"},
      {Fault::split_without_objects, warning, "split-without-objects", "a split without a single object"},
      {Fault::split_missing, warning, "split-missing", "a test split that is named and not there"},
      {Fault::choice, note, "choice", "one of several files was chosen"},
  };
  return kinds;
}

const FaultKind& kind_of(Fault fault) { return fault_kinds().at(static_cast<size_t>(fault)); }

void FaultLog::add(Fault fault, std::string where, std::string what) {
  // Errors of files say where by themselves, and better: "a.json at byte 7: ...".
  if (const auto end = what.find(": ", where.size()); what.starts_with(where) && end != what.npos) {
    where = what.substr(0, end);
    what.erase(0, end + 2);
  }
  if (strict_ && kind_of(fault).weight == FaultWeight::fatal) throw FileError(where, what);
  std::lock_guard lock(mutex_);
  ++counts_[fault];
  if (std::ssize(list_) < most_) list_.push_back({fault, std::move(where), std::move(what)});
}

int64_t FaultLog::count(Fault fault) const {
  std::lock_guard lock(mutex_);
  const auto found = counts_.find(fault);
  return found == counts_.end() ? 0 : found->second;
}

int64_t FaultLog::count(FaultWeight weight) const {
  std::lock_guard lock(mutex_);
  int64_t total = 0;
  for (const auto& [fault, count] : counts_)
    if (kind_of(fault).weight == weight) total += count;
  return total;
}

std::vector<SceneFault> FaultLog::list() const {
  std::lock_guard lock(mutex_);
  auto out = list_;
  std::stable_sort(out.begin(), out.end(), [](const SceneFault& a, const SceneFault& b) {
    return std::tie(a.where, a.fault, a.what) < std::tie(b.where, b.fault, b.what);
  });
  return out;
}

}  // namespace hadal
