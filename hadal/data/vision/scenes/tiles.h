// Large pictures in tiles: cut with what is in them, and what was found put together again.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hadal/data/vision/scenes/placement.h"
#include "hadal/data/vision/scenes/scene_data.h"

namespace hadal {

/// Squares of `tile` pixels that overlap by at least that share and cover the picture; the last of a row ends at its
/// edge. A smaller picture is one tile of its own size. Throws UsageError for a tile below 1 or an overlap outside
/// [0, 1).
std::vector<PixelBox> tiles_of(ImageSize size, int64_t tile, double overlap);

/// What becomes of tiles with little in them.
struct TileShares {
  double least = 0.3;  // of an object's box that a tile must hold, unless no other holds more: then it has the object
  // With a number those that are learnt from: tiles with objects, up to so many times as many without, drawn by `seed`.
  // One that has only lesser parts of objects is left out, for it shows what it does not name. A picture that is one
  // tile stays in any case.
  std::optional<double> empty = {};
  uint64_t seed = 0;
};

/// Tiles of every picture as scenes of their own, with the objects that belong to them, cut at their edges.
class TiledScenes : public SceneData {
 public:
  TiledScenes(std::shared_ptr<const SceneData> data, int64_t tile, double overlap, const TileShares& shares = {});
  int64_t size() const override { return std::ssize(tiles_); }
  Scene get(int64_t index, const SceneView& view = {}) const override;
  SceneTruth truth(int64_t index) const override;
  Tensor labels(int64_t index) const override;
  std::string name(int64_t index) const override;
  int64_t picture_id(int64_t index) const override { return data_->picture_id(tiles_.at(index).picture); }
  int64_t category_id(int64_t label) const override { return data_->category_id(label); }
  const SceneAbout& about() const override { return data_->about(); }

 private:
  struct Tile {
    int64_t picture;
    PixelBox box;
    std::vector<int64_t> rows, labels;  // of the picture's objects, those that belong to it
    enum class Holds { objects, parts, nothing } holds;
  };
  void add_tiles(int64_t picture, const TileShares& shares, int64_t tile, double overlap);
  void leave_out(const TileShares& shares);

  std::shared_ptr<const SceneData> data_;
  std::vector<Tile> tiles_;
};

/// What the tiles of a picture found, each in pixels of its tile, masks in their boxes, as one: in pixels of the
/// picture, without boxes of one class that a better one of another tile overlaps by more than `iou` or by more than
/// 0.8 of the smaller one. A box that ends at an edge within the picture is a piece: from 0.6 of the smaller one on it
/// gives way to a whole one, unless that scores less than a quarter of it, and to a larger piece. What one tile says
/// stands as the model said it.
Found merged_tiles(const std::vector<Found>& found, const std::vector<PixelBox>& tiles, double iou, int64_t most);

}  // namespace hadal
