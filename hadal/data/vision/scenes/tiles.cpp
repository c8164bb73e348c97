#include "hadal/data/vision/scenes/tiles.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "hadal/core/error.h"
#include "hadal/core/random.h"
#include "hadal/data/vision/scenes/scene_view.h"

namespace hadal {
namespace {

constexpr double kWithin = 0.8;      // of the smaller box in another: the same object
constexpr double kCutWithin = 0.6;   // where a tile's edge cuts one of them
constexpr double kCutCounts = 0.25;  // what a score counts of a box that an edge cuts, beside those of whole ones

std::vector<int64_t> starts(int64_t length, int64_t tile, double overlap) {
  if (length <= tile) return {0};
  const auto step = std::max<int64_t>(1, static_cast<int64_t>(std::floor(static_cast<double>(tile) * (1 - overlap))));
  const auto count = (length - tile + step - 1) / step + 1;
  std::vector<int64_t> out;
  for (int64_t i = 0; i < count; ++i) out.push_back(std::min(i * step, length - tile));
  return out;
}

double shared(const float* box, const PixelBox& tile) {
  const auto left = static_cast<double>(tile.left), top = static_cast<double>(tile.top);
  const auto w = std::min<double>(box[2], left + static_cast<double>(tile.width)) - std::max<double>(box[0], left);
  const auto h = std::min<double>(box[3], top + static_cast<double>(tile.height)) - std::max<double>(box[1], top);
  return std::max(0.0, w) * std::max(0.0, h);
}

double area(const float* b) { return double(b[2] - b[0]) * double(b[3] - b[1]); }
double shared(const float* a, const float* b) {
  const double w = std::min(a[2], b[2]) - std::max(a[0], b[0]), h = std::min(a[3], b[3]) - std::max(a[1], b[1]);
  return std::max(0.0, w) * std::max(0.0, h);
}

/// Rows of every tile's part below each other, best first.
Found stacked_tiles(const std::vector<Found>& found, const std::vector<PixelBox>& tiles, Tensor& tile_of) {
  std::vector<Tensor> boxes, labels, scores, masks, keypoints, from;
  for (size_t i = 0; i < found.size(); ++i) {
    const auto& f = found[i];
    const auto left = static_cast<double>(tiles[i].left), top = static_cast<double>(tiles[i].top);
    boxes.push_back(f.boxes + torch::tensor({left, top, left, top}, torch::kFloat32));
    labels.push_back(f.labels), scores.push_back(f.scores);
    from.push_back(torch::full_like(f.labels, static_cast<int64_t>(i)));
    if (f.masks.defined()) {
      require(f.masks_are != Found::Masks::of_input, "[tiles] masks must lie in their boxes (brought_back)");
      masks.push_back(f.masks);
    }
    if (f.keypoints.defined()) keypoints.push_back(f.keypoints + torch::tensor({left, top, 0.0}, torch::kFloat32));
  }
  Found out;
  out.scores = torch::cat(scores);
  const auto order = std::get<1>(out.scores.sort(/*stable=*/true, /*dim=*/0, /*descending=*/true));
  const auto sorted = [&](const std::vector<Tensor>& parts) { return torch::cat(parts).index_select(0, order); };
  out.scores = out.scores.index_select(0, order);
  out.boxes = sorted(boxes), out.labels = sorted(labels), tile_of = sorted(from);
  if (masks.size() == found.size()) out.masks = sorted(masks);
  if (keypoints.size() == found.size()) out.keypoints = sorted(keypoints);
  out.masks_are = found[0].masks_are;
  return out;
}

/// What several tiles say of the same objects.
class Pieces {
 public:
  Pieces(const Found& all, const Tensor& tile_of, const std::vector<PixelBox>& tiles)
      : boxes_(all.boxes.const_data_ptr<float>()),
        labels_(all.labels.const_data_ptr<int64_t>()),
        scores_(all.scores.const_data_ptr<float>()),
        from_(tile_of.const_data_ptr<int64_t>()),
        count_(all.labels.size(0)),
        beside_(tiles.size()) {
    PixelBox picture{0, 0, 0, 0};
    for (const auto& tile : tiles) {
      picture.width = std::max(picture.width, tile.left + tile.width);
      picture.height = std::max(picture.height, tile.top + tile.height);
    }
    for (size_t i = 0; i < tiles.size(); ++i)
      for (size_t j = 0; j < tiles.size(); ++j)
        if (i != j && share(tiles[i], tiles[j])) beside_[i].push_back(j);
    for (int64_t i = 0; i < count_; ++i)
      cut_.push_back(is_cut(boxes_ + 4 * i, tiles[static_cast<size_t>(from_[i])], picture));
  }

  /// The best `most` rows (K) int64, best first.
  Tensor kept(double iou, int64_t most) const {
    std::vector<int64_t> order(static_cast<size_t>(count_)), out;
    std::iota(order.begin(), order.end(), 0);
    const auto counts = [&](int64_t i) { return scores_[i] * (cut_[static_cast<size_t>(i)] ? kCutCounts : 1); };
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return counts(a) > counts(b); });
    std::vector<std::vector<int64_t>> kept(beside_.size());
    for (const auto i : order) {
      const auto& beside = beside_[static_cast<size_t>(from_[i])];
      const auto any = [&](const auto& holds) {
        return std::any_of(beside.begin(), beside.end(),
                           [&](size_t tile) { return std::any_of(kept[tile].begin(), kept[tile].end(), holds); });
      };
      if (any([&](int64_t j) { return same(i, j, iou) && !gives_way(j, i); })) continue;
      for (const auto tile : beside) std::erase_if(kept[tile], [&](int64_t j) { return same(i, j, iou); });
      kept[static_cast<size_t>(from_[i])].push_back(i);
    }
    for (const auto& rows : kept) out.insert(out.end(), rows.begin(), rows.end());
    std::sort(out.begin(), out.end());  // rows are best first
    out.resize(std::min(out.size(), static_cast<size_t>(most)));
    return torch::tensor(out, torch::kInt64);
  }

 private:
  static bool share(const PixelBox& a, const PixelBox& b) {
    return a.left < b.left + b.width && b.left < a.left + a.width && a.top < b.top + b.height &&
           b.top < a.top + a.height;
  }
  /// Whether it ends at an edge of its tile beyond which the picture goes on.
  static bool is_cut(const float* box, const PixelBox& tile, const PixelBox& picture) {
    const auto at = [](double a, int64_t edge, int64_t side) {
      return std::abs(a - static_cast<double>(edge)) <= std::max(2.0, 0.01 * static_cast<double>(side));
    };
    const auto right = tile.left + tile.width, bottom = tile.top + tile.height;
    return (tile.left > 0 && at(box[0], tile.left, tile.width)) ||
           (tile.top > 0 && at(box[1], tile.top, tile.height)) ||
           (right < picture.width && at(box[2], right, tile.width)) ||
           (bottom < picture.height && at(box[3], bottom, tile.height));
  }
  bool same(int64_t i, int64_t j, double iou) const {
    if (labels_[i] != labels_[j]) return false;
    const auto *a = boxes_ + 4 * i, *b = boxes_ + 4 * j;
    const auto both = shared(a, b);
    const bool cut = cut_[static_cast<size_t>(i)] || cut_[static_cast<size_t>(j)];
    return both > iou * (area(a) + area(b) - both) || both > (cut ? kCutWithin : kWithin) * std::min(area(a), area(b));
  }
  /// The smaller of two pieces, unless the model is far less sure of the larger one.
  bool gives_way(int64_t piece, int64_t to) const {
    return cut_[static_cast<size_t>(piece)] && cut_[static_cast<size_t>(to)] &&
           area(boxes_ + 4 * piece) < area(boxes_ + 4 * to) && scores_[to] > kCutCounts * scores_[piece];
  }

  const float* boxes_;
  const int64_t* labels_;
  const float* scores_;
  const int64_t* from_;
  int64_t count_;
  std::vector<std::vector<size_t>> beside_;  // of each tile those that overlap it
  std::vector<bool> cut_;
};

}  // namespace

std::vector<PixelBox> tiles_of(ImageSize size, int64_t tile, double overlap) {
  require(tile > 0 && overlap >= 0 && overlap < 1,
          "[tiles] wants a tile of at least 1 pixel and an overlap from 0 to "
          "below 1, got {} and {}",
          tile, overlap);
  std::vector<PixelBox> out;
  for (const auto top : starts(size.height, tile, overlap))
    for (const auto left : starts(size.width, tile, overlap))
      out.push_back({left, top, std::min(tile, size.width), std::min(tile, size.height)});
  return out;
}

TiledScenes::TiledScenes(std::shared_ptr<const SceneData> data, int64_t tile, double overlap, const TileShares& shares)
    : data_(std::move(data)) {
  for (int64_t i = 0; i < data_->size(); ++i) add_tiles(i, shares, tile, overlap);
  if (shares.empty) leave_out(shares);
}

void TiledScenes::add_tiles(int64_t picture, const TileShares& shares, int64_t tile, double overlap) {
  const auto truth = data_->truth(picture);
  const auto first = tiles_.size();
  for (const auto& box : tiles_of({truth.height, truth.width}, tile, overlap))
    tiles_.push_back({picture, box, {}, {}, Tile::Holds::nothing});
  const auto all = std::span(tiles_).subspan(first);
  const auto* labels = truth.labels.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < truth.boxes.size(0); ++i) {
    const auto* box = truth.boxes.const_data_ptr<float>() + 4 * i;
    double most = 0;
    for (const auto& t : all) most = std::max(most, shared(box, t.box));
    const bool crowd = truth.crowd.defined() && truth.crowd[i].item<bool>();
    for (auto& t : all) {
      const auto here = shared(box, t.box);
      if (here <= 0) continue;
      const bool own = here >= most || here >= shares.least * area(box);
      if (own) t.rows.push_back(i), t.labels.push_back(labels[i]);
      if (own && !crowd) t.holds = Tile::Holds::objects;
      if (t.holds == Tile::Holds::nothing) t.holds = Tile::Holds::parts;
    }
  }
  if (all.size() == 1) all[0].holds = Tile::Holds::objects;
}

void TiledScenes::leave_out(const TileShares& shares) {
  std::vector<size_t> without;
  size_t with = 0;
  for (size_t i = 0; i < tiles_.size(); ++i) {
    if (tiles_[i].holds == Tile::Holds::nothing) without.push_back(i);
    with += tiles_[i].holds == Tile::Holds::objects;
  }
  Random random(shares.seed, {3});
  random.shuffle(without);
  const auto wanted =
      std::min(static_cast<double>(without.size()), std::round(*shares.empty * static_cast<double>(with)));
  for (size_t i = static_cast<size_t>(wanted); i < without.size(); ++i) tiles_[without[i]].holds = Tile::Holds::parts;
  std::erase_if(tiles_, [](const Tile& t) { return t.holds == Tile::Holds::parts; });
}

Tensor TiledScenes::labels(int64_t index) const { return torch::tensor(tiles_.at(index).labels, torch::kInt64); }

Scene TiledScenes::get(int64_t index, const SceneView& view) const {
  const auto& tile = tiles_.at(index);
  return shrunk(data_->part(tile.picture, tile.box, torch::tensor(tile.rows, torch::kInt64), view.masks), view.longest);
}

SceneTruth TiledScenes::truth(int64_t index) const {
  const auto& tile = tiles_.at(index);
  auto truth = data_->truth(tile.picture);
  const auto rows = torch::tensor(tile.rows, torch::kInt64);
  for (auto* part : {&truth.boxes, &truth.labels, &truth.keypoints, &truth.crowd, &truth.area})
    if (part->defined()) *part = part->index_select(0, rows);
  const auto left = static_cast<double>(tile.box.left), top = static_cast<double>(tile.box.top);
  truth.boxes = truth.boxes - torch::tensor({left, top, left, top}, torch::kFloat32);
  const auto limit = torch::tensor({tile.box.width, tile.box.height, tile.box.width, tile.box.height}, torch::kFloat32);
  truth.boxes = torch::minimum(truth.boxes.clamp_min(0), limit);
  if (truth.keypoints.defined()) {
    const auto moved = truth.keypoints - torch::tensor({left, top, 0.0}, torch::kFloat32);
    const auto at = moved.slice(2, 0, 2);
    const auto inside = ((at >= 0) & (at < limit.slice(0, 0, 2))).all(2, true) & (moved.slice(2, 2, 3) > 0);
    truth.keypoints = torch::where(inside, moved, torch::zeros_like(moved));
  }
  truth.width = tile.box.width, truth.height = tile.box.height;
  return truth;
}

std::string TiledScenes::name(int64_t index) const {
  const auto& tile = tiles_.at(index);
  return fmt::format("{}[{},{}]", data_->name(tile.picture), tile.box.left, tile.box.top);
}

Found merged_tiles(const std::vector<Found>& found, const std::vector<PixelBox>& tiles, double iou, int64_t most) {
  require(!found.empty() && found.size() == tiles.size(), "[tiles] {} results for {} tiles", found.size(),
          tiles.size());
  Tensor tile_of;
  auto all = stacked_tiles(found, tiles, tile_of);
  const auto rows = Pieces(all, tile_of, tiles).kept(iou, most);
  for (auto* part : {&all.boxes, &all.labels, &all.scores, &all.masks, &all.keypoints})
    if (part->defined()) *part = part->index_select(0, rows);
  return all;
}

}  // namespace hadal
