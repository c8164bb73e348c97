// What COCO's scores and its kinds of errors share: objects sorted by class and picture.
#pragma once
#include <functional>

#include "hadal/metrics/coco.h"

namespace hadal {

/// The places of its objects in CocoCells::truth and found.
struct CocoCell {
  uint32_t label_index = 0, truth_begin = 0, truth_end = 0, found_begin = 0, found_end = 0;
};

/// What a cell is, and how its truth lies: a class in a picture, or a picture, by label or as it came.
enum class CocoOrder { kClasses, kPicturesByLabel, kPictures };

struct CocoCells {
  std::vector<int64_t> labels;         // that occur, rising; one, 0, where cells are pictures
  std::vector<uint32_t> truth, found;  // the objects' numbers; found by falling score within a cell
  std::vector<CocoCell> cells;         // by label, then picture
};
CocoCells coco_cells(const CocoEvaluation& evaluation, CocoOrder order);

/// body(i) for i in [0, count), a few at a time to whichever thread is free: for pieces of very different sizes.
void parallel_each(int64_t count, int64_t grain, const std::function<void(int64_t)>& body);

}  // namespace hadal
