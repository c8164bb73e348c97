#include "hadal/data/vision/scenes/scene_batch.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "hadal/core/error.h"

namespace hadal {
namespace {

Scene without_crowds(Scene scene) {
  if (!scene.crowd.defined() || !scene.crowd.any().item<bool>()) return scene;
  const auto kept = scene.crowd.logical_not().nonzero().squeeze(1);
  for (auto* part : {&scene.boxes, &scene.labels, &scene.masks, &scene.keypoints, &scene.crowd, &scene.area})
    if (part->defined()) *part = part->index_select(0, kept);
  return scene;
}

/// Masks of pictures that differ in size, in the upper left corner of one size.
Tensor joined_masks(const std::vector<Scene>& scenes, int64_t height, int64_t width) {
  int64_t count = 0;
  for (const auto& scene : scenes) count += scene.masks.size(0);
  auto out = torch::empty({count, height, width}, torch::kUInt8);
  int64_t at = 0;
  for (const auto& scene : scenes) {
    const auto n = scene.masks.size(0), h = scene.masks.size(1), w = scene.masks.size(2);
    auto part = out.slice(0, at, at + n);
    at += n;
    if (n == 0) continue;
    if (h == height && w == width) {
      std::memcpy(part.data_ptr(), scene.masks.contiguous().data_ptr(), static_cast<size_t>(n * h * w));
      continue;
    }
    std::memset(part.data_ptr(), 0, static_cast<size_t>(part.numel()));
    part.slice(1, 0, h).slice(2, 0, w).copy_(scene.masks);
  }
  return out;
}

}  // namespace

Targets targets_of(const std::vector<Scene>& scenes) {
  require(!scenes.empty(), "[batch] holds no scene");
  Targets out;
  std::vector<Tensor> boxes, labels, owner, keypoints;
  bool masks = true, points = true;
  int64_t height = 0, width = 0;
  for (size_t i = 0; i < scenes.size(); ++i) {
    const auto& s = scenes[i];
    boxes.push_back(s.boxes), labels.push_back(s.labels);
    owner.push_back(torch::full({s.labels.size(0)}, static_cast<int64_t>(i), torch::kInt64));
    masks = masks && s.masks.defined(), points = points && s.keypoints.defined();
    keypoints.push_back(s.keypoints);
    height = std::max(height, s.image.size(0)), width = std::max(width, s.image.size(1));
  }
  out.boxes = torch::cat(boxes), out.labels = torch::cat(labels), out.owner = torch::cat(owner);
  if (masks) out.masks = joined_masks(scenes, height, width);
  if (points) out.keypoints = torch::cat(keypoints);
  return out;
}

SceneTransform::SceneTransform(const SceneAugmentConfig& config, const Preparation& preparation, bool train, bool masks,
                               int64_t size)
    : config_(config),
      preparation_(preparation),
      train_(train),
      masks_(masks),
      size_(size > 0 ? size : preparation.size) {
  validate_config(config, "augment");
  require(size_ > 0 && preparation_.stride > 0, "[preparation] size and stride must be at least 1");
  const auto stride = preparation_.stride;
  require(preparation_.fit == Preparation::Fit::shorter_side || size_ % stride == 0,
          "size ({}) must be a multiple of the model's stride ({}); nearest: {}", size_, stride,
          nearest_multiple(size_, stride));
}

SceneFrame SceneTransform::frame_for(const SceneData& data, int64_t index, int64_t size, double progress) const {
  SceneFrame frame{size, size, preparation_.fit == Preparation::Fit::squash, static_cast<uint8_t>(preparation_.fill),
                   masks_};
  const bool mosaics = config_.mosaic > 0 && progress < 1 - config_.close_mosaic;
  if (preparation_.fit != Preparation::Fit::shorter_side || mosaics) return frame;
  const auto truth = data.truth(index);
  const auto shorter = static_cast<double>(std::min(truth.height, truth.width));
  const auto longer = static_cast<double>(std::max(truth.height, truth.width));
  const auto longest = preparation_.longest > 0 ? static_cast<double>(preparation_.longest) *
                                                      static_cast<double>(size) / static_cast<double>(preparation_.size)
                                                : 8 * static_cast<double>(size);
  const auto s = std::min(static_cast<double>(size) / shorter, longest / longer);
  const auto side = [&](int64_t v) { return std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(v) * s)); };
  frame.height = side(truth.height), frame.width = side(truth.width);
  return frame;
}

Scene SceneTransform::train_scene(const SceneData& data, int64_t index, double progress, int64_t size,
                                  Random& random) const {
  return augmented(config_, frame_for(data, index, size, progress), data, index, progress, random);
}

SceneBatch SceneTransform::operator()(const SceneData& data, const BatchPlan& plan, double progress) const {
  SceneBatch batch;
  batch.indices = plan.indices;
  std::vector<Scene> scenes;
  std::vector<Tensor> images;
  std::vector<int64_t> sizes;
  auto size = size_;
  if (train_ && config_.multi_scale > 0) {
    auto random = plan.whole();
    const auto wanted = static_cast<double>(size_) * random.uniform(1 - config_.multi_scale, 1 + config_.multi_scale);
    size = nearest_multiple(static_cast<int64_t>(wanted), preparation_.stride);
  }
  for (const auto index : plan.indices) {
    if (train_) {
      auto random = plan.sample(index);
      scenes.push_back(train_scene(data, index, progress, size, random));
      images.push_back(scenes.back().image);
      sizes.insert(sizes.end(), {images.back().size(0), images.back().size(1)});
      continue;
    }
    auto scene = without_crowds(data.get(index, {.masks = masks_}));
    const auto prepared = prepare(scene.image, preparation_, size_);
    scene.boxes = placed_boxes(scene.boxes, prepared.placement);
    scene.keypoints = placed_keypoints(scene.keypoints, prepared.placement);
    scene.masks = placed_masks(scene.masks, prepared);
    scene.image = prepared.image;
    images.push_back(scene.image);
    sizes.insert(sizes.end(), {prepared.size.height, prepared.size.width});
    batch.placements.push_back(prepared.placement);
    scenes.push_back(std::move(scene));
  }
  batch.pixels = stacked(images, preparation_);
  batch.sizes = torch::tensor(sizes, torch::kInt64).reshape({-1, 2});
  batch.targets = targets_of(scenes);
  // Targets lie on the batch's size, which strides may have made larger than every picture.
  if (auto& masks = batch.targets.masks; masks.defined() && masks.size(0) > 0)
    masks = F::pad(
        masks, F::PadFuncOptions({0, batch.pixels.size(3) - masks.size(2), 0, batch.pixels.size(2) - masks.size(1)}));
  return batch;
}

}  // namespace hadal
