// What can be wrong with a data set, found while its files are read: collected for `hadal check`, thrown where the data
// is to be used and the fault leaves no way to go on.
#pragma once
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

enum class Fault {
  // files
  picture_missing,
  picture_broken,
  picture_twice,
  picture_copy,
  picture_in_two_splits,
  copy_in_two_splits,
  picture_orphan,
  picture_tiny,
  picture_narrow,
  picture_empty,
  labels_missing,
  labels_orphan,
  labels_unreadable,
  // lines and numbers
  columns,
  number,
  size_wrong,
  id_twice,
  object_orphan,
  object_twice,
  // classes
  class_range,
  class_unknown,
  class_unused,
  classes_uneven,
  names_wrong,
  // boxes
  box_without_area,
  box_outside,
  box_over_edge,
  box_off_mask,
  // masks
  polygon_short,
  rle_wrong,
  mask_size,
  mask_missing,
  mask_empty,
  // keypoints
  keypoint_count,
  keypoint_outside,
  keypoint_visibility,
  keypoints_miscounted,
  keypoints_unseen,
  skeleton_wrong,
  sides_wrong,
  // splits
  split_empty,
  split_without_objects,
  split_missing,
  choice,
};

/// note: to know; warning: odd, used as it is; error: wrong, what it touches is left out of training; fatal: the data
/// cannot be used before it is mended.
enum class FaultWeight { note, warning, error, fatal };

struct FaultKind {
  Fault fault;
  FaultWeight weight;
  std::string_view name, about;
};
const FaultKind& kind_of(Fault fault);
const std::vector<FaultKind>& fault_kinds();

struct SceneFault {
  Fault fault;
  std::string where, what;
};

/// May be added to from several threads at once.
class FaultLog {
 public:
  /// `strict`: a fatal fault throws FileError, with where and what; the others are only counted.
  explicit FaultLog(bool strict = false, int64_t most = 100000) : strict_(strict), most_(most) {}

  void add(Fault fault, std::string where, std::string what);
  int64_t count(Fault fault) const;
  int64_t count(FaultWeight weight) const;
  /// At most `most` of them, sorted by place.
  std::vector<SceneFault> list() const;

 private:
  bool strict_;
  int64_t most_;
  mutable std::mutex mutex_;
  std::map<Fault, int64_t> counts_;
  std::vector<SceneFault> list_;
};

}  // namespace hadal
