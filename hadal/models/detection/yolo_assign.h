// Which predictions learn which object: task-aligned assignment (Feng et al. 2021, arXiv:2108.07755) as YOLOv8, 11 and
// 26 have it. Each object takes the predictions within its box whose score and overlap together are best.
#pragma once
#include <functional>
#include <vector>

#include "hadal/models/detection/detection_model.h"
#include "hadal/models/detection/yolo_predict.h"

namespace hadal::yolo {

/// One object's candidates: predictions whose centre lies in its box, in rising order.
struct Candidates {
  int64_t target, picture;
  std::vector<int64_t> places;
  std::vector<double> scores;    // of the object's class, 0 to 1
  std::vector<double> overlaps;  // with the object, 0 to 1
};

struct AssignOptions {
  int64_t most = 10;       // predictions that an object takes
  int64_t most_final = 0;  // of these, how many it keeps once no two objects share one; 0: all
  /// Objects only look at levels whose strides suit their size (YOLO26's keypoints).
  bool by_level = false;
  /// Puts another overlap in the place of the boxes'.
  std::function<void(Candidates&)> rate;
};

/// A row for each prediction that learns an object; all int64 on the predictions' device.
struct Assigned {
  Tensor pictures, places, targets;
  Tensor weights;  // what its score should be, in the predictions' type
};

/// boxes (B, A, 4) in pixels and score logits (B, classes, A), both without gradients. Computes in doubles, on the CPU;
/// where several predictions are equally good the earlier one is taken, and none whose overlap is 0.
Assigned assign(const Tensor& boxes, const Tensor& scores, const Grid& grid, const Targets& targets,
                const AssignOptions& options = {});

/// How much a score of s and an overlap of o are worth: s^0.5 o^6.
double alignment(double score, double overlap);

}  // namespace hadal::yolo
