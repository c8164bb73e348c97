// Large pictures in tiles: cut with what is in them, and what was found put together again.
#pragma once
#include <memory>
#include <vector>

#include "hadal/data/vision/scenes/placement.h"
#include "hadal/data/vision/scenes/scene_data.h"

namespace hadal {

/// Squares of `tile` pixels that overlap by at least that share and cover the picture; the last of a row ends at its
/// edge. A smaller picture is one tile of its own size. Throws UsageError for a tile below 1 or an overlap outside
/// [0, 1).
std::vector<PixelBox> tiles_of(ImageSize size, int64_t tile, double overlap);

/// Every tile of every picture as a scene of its own. An object belongs to a tile that holds `least` of its box, or
/// more of it than any other tile.
class TiledScenes : public SceneData {
 public:
  TiledScenes(std::shared_ptr<const SceneData> data, int64_t tile, double overlap, double least = 0.3);
  int64_t size() const override { return std::ssize(tiles_); }
  Scene get(int64_t index, const SceneView& view = {}) const override;
  SceneTruth truth(int64_t index) const override;
  std::string name(int64_t index) const override;
  int64_t picture_id(int64_t index) const override { return data_->picture_id(tiles_.at(index).picture); }
  int64_t category_id(int64_t label) const override { return data_->category_id(label); }
  const SceneAbout& about() const override { return data_->about(); }

 private:
  struct Tile {
    int64_t picture;
    PixelBox box;
  };
  Tensor kept(const SceneTruth& truth, const Tile& tile) const;

  std::shared_ptr<const SceneData> data_;
  int64_t tile_;
  double overlap_, least_;
  std::vector<Tile> tiles_;
};

/// What the tiles of a picture found, each in pixels of its tile, masks in their boxes, as one: in pixels of the
/// picture, without boxes of one class that overlap by more than `iou` or whose smaller one lies by more than 0.8
/// within a better one of another tile, as objects that a tile's edge cuts do.
Found merged_tiles(const std::vector<Found>& found, const std::vector<PixelBox>& tiles, double iou, int64_t most);

}  // namespace hadal
