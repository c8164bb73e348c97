// What YOLO models are trained by. Every loss is multiplied by its gain and by the number of pictures, as ultralytics
// does: their sum is what the reference differentiates.
#pragma once
#include "hadal/models/detection/detection_model.h"
#include "hadal/models/detection/yolo_assign.h"

namespace hadal::yolo {

/// Of v8, 11 and 26: "box" (complete IoU), "cls" (cross entropy with the assignment's weights), "dfl" (Li et al. 2020,
/// arXiv:2006.04388) or without bins "l1", and what masks or keypoints add. End to end: both branches', the one-to-many
/// branch's share falling from 0.8 to 0.1 over the run's `progress`, 0 to 1.
TensorsByName losses(const Head& head, const Outputs& outputs, const Targets& targets, double progress);

/// Of v5: "box", "obj", "cls". `height` and `width` are the picture's.
TensorsByName anchor_losses(const AnchorHead& head, const std::vector<Tensor>& levels, const Targets& targets,
                            int64_t height, int64_t width);

/// The F predictions that learn an object, in strides where nothing else is said.
struct Learning {
  Assigned who;
  Tensor points, strides;  // (F, 2), (F, 1)
  Tensor boxes;            // (F, 4): what they should say
  int64_t pictures;        // in the batch
  double height, width;    // of the prepared picture, in pixels
};

// Masks: "seg", cross entropy of each object's mask within its box; YOLO26 in training also "sem", whose prototypes are
// told to know all objects of a class at once.
TensorsByName mask_losses(const Raw& raw, const Tensor& prototypes, const Tensor& semantic, const Learning& learning,
                          const Targets& targets);
/// YOLO26's assignment: half the boxes' overlap, half that of the masks, which only the better candidates are asked
/// for.
void rate_by_masks(Candidates& candidates, const Raw& raw, const Tensor& prototypes, const Tensor& boxes,
                   const Targets& targets, int64_t most, double height);

// Keypoints: "pose" (1 - object keypoint similarity), "kobj" (whether one is seen), YOLO26 in training also "rle".
TensorsByName keypoint_losses(const Head& head, const Raw& raw, const Learning& learning, const Targets& targets);
/// YOLO26's assignment: similarity of keypoints where the object has some that are seen. `keypoints` (B, A, K, 2) are
/// in pixels, in doubles on the CPU.
void rate_by_keypoints(Candidates& candidates, const Tensor& keypoints, const Targets& targets);

}  // namespace hadal::yolo
