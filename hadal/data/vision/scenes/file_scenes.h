// Scenes from files: pictures decoded when they are asked for, masks kept as their labels write them.
#pragma once
#include <atomic>
#include <memory>

#include "hadal/data/vision/scenes/scene_files.h"

namespace hadal {

/// What a label picture (H, W) int32 holds: boxes and areas in the order of the instances' numbers, and the picture
/// with instance n as n + 1.
struct Instances {
  Tensor boxes, area;  // (N, 4), (N) float32
  Tensor numbered;     // (H, W) int32
};
Instances instances_of(const Tensor& label_picture);

/// Objects whose box has no area within the picture are left out, keypoints outside are absent, boxes are cut at the
/// edges. An object without a mask among ones that have it gets its box's rectangle.
class FileScenes : public SceneData {
 public:
  /// Throws UsageError where the files have splits, but not this one.
  FileScenes(std::shared_ptr<const SceneFiles> files, const std::string& split, int64_t cache_bytes = 0);
  ~FileScenes() override;
  FileScenes(const FileScenes&) = delete;
  FileScenes& operator=(const FileScenes&) = delete;

  int64_t size() const override { return std::ssize(split_->records); }
  Scene get(int64_t index, const SceneView& view = {}) const override;
  /// Of a picture that the cache has no room for no more is decoded than the part needs.
  Scene part(int64_t index, const PixelBox& box, const Tensor& rows, bool masks) const override;
  SceneTruth truth(int64_t index) const override;
  Tensor labels(int64_t index) const override;
  std::string name(int64_t index) const override;
  int64_t picture_id(int64_t index) const override;
  int64_t category_id(int64_t label) const override;
  const SceneAbout& about() const override { return files_->about; }

 private:
  struct Kept {
    Tensor image;
    int64_t longest, width, height;  // what it was shrunk to fit, and its own size on the disk
    Instances instances;             // of its label picture, where it has one
  };
  Kept picture(int64_t index, int64_t longest) const;
  Kept picture_part(int64_t index, const PixelBox& box) const;
  Instances instances(int64_t index, int64_t width, int64_t height) const;
  const SceneRecord& record(int64_t index) const { return split_->records.at(index); }

  std::shared_ptr<const SceneFiles> files_;
  const SceneSplit* split_;
  int64_t cache_bytes_;
  // A slot a picture, empty until it is decoded: filled once, then read without a lock.
  std::unique_ptr<std::atomic<const Kept*>[]> cache_;
  mutable std::atomic<int64_t> cached_bytes_ = 0;
};

/// Boxes, labels, keypoints, crowd and area of a record in a picture of this size; `kept` gets the numbers of the
/// objects that are left.
SceneTruth truth_of(const SceneRecord& record, const SceneAbout& about, int64_t width, int64_t height,
                    std::vector<int64_t>* kept = nullptr);

/// The mask at height x width of an object in a picture of full_height x full_width, (height, width) uint8. `relative`:
/// polygons are shares of the sides. Throws Error on runs that do not fit.
Tensor mask_of(const ObjectLabel& object, bool relative, int64_t full_height, int64_t full_width, int64_t height,
               int64_t width, std::string_view name);

}  // namespace hadal
