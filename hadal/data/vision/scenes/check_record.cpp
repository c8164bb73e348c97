// One picture's labels: boxes, masks and keypoints against the picture and each other.
#include <algorithm>
#include <cmath>

#include "hadal/core/error.h"
#include "hadal/data/vision/scenes/readers.h"
#include "hadal/data/vision/scenes/scene_check.h"
#include "hadal/ops/rle.h"

namespace hadal {
namespace {

class RecordCheck {
 public:
  RecordCheck(const SceneRecord& record, const SceneAbout& about, const std::string& where, int64_t width,
              int64_t height, FaultLog& log)
      : record_(record),
        about_(about),
        where_(where),
        log_(log),
        known_(record.relative || (width > 0 && height > 0)),
        right_(record.relative ? 1.0f : static_cast<float>(width)),
        bottom_(record.relative ? 1.0f : static_cast<float>(height)),
        pixel_x_(record.relative && width > 0 ? 1.0f / static_cast<float>(width)
                 : record.relative            ? 0.0f
                                              : 1.0f),
        pixel_y_(record.relative && height > 0 ? 1.0f / static_cast<float>(height)
                 : record.relative             ? 0.0f
                                               : 1.0f) {}

  void run() {
    std::vector<const ObjectLabel*> sorted;
    for (const auto& object : record_.objects) {
      box(object);
      mask(object);
      keypoints(object);
      sorted.push_back(&object);
    }
    const auto key = [](const ObjectLabel* o) { return std::tie(o->label, o->box); };
    std::stable_sort(sorted.begin(), sorted.end(), [&](auto* a, auto* b) { return key(a) < key(b); });
    for (size_t i = 1; i < sorted.size(); ++i)
      // Two masks of one box may be two objects.
      if (key(sorted[i - 1]) == key(sorted[i]) && sorted[i - 1]->mask.polygons == sorted[i]->mask.polygons &&
          sorted[i - 1]->mask.runs == sorted[i]->mask.runs && sorted[i - 1]->keypoints == sorted[i]->keypoints)
        add(Fault::object_twice, *sorted[i], "the same as " + called(*sorted[i - 1]));
  }

 private:
  void add(Fault fault, const ObjectLabel& object, const std::string& what) const {
    log_.add(fault, fmt::format("{} {}", where_, called(object)), what);
  }
  /// Objects of a file of their own are called by their lines, those of COCO's by their ids.
  std::string called(const ObjectLabel& object) const {
    return fmt::format("{} {}", record_.labels >= 0 ? "line" : "object", object.id);
  }
  static std::string text(const std::array<float, 4>& b) {
    return fmt::format("[{:.6g} {:.6g} {:.6g} {:.6g}]", b[0], b[1], b[2], b[3]);
  }
  void box(const ObjectLabel& object) const {
    const auto& b = object.box;
    if (!(b[2] > b[0] && b[3] > b[1])) {
      add(Fault::box_without_area, object, fmt::format("the box {} has no area", text(b)));
      return;
    }
    if (!known_) return;
    if (b[0] >= right_ || b[1] >= bottom_ || b[2] <= 0 || b[3] <= 0)
      add(Fault::box_outside, object, fmt::format("the box {} lies outside the picture", text(b)));
    else if (b[0] < -pixel_x_ || b[1] < -pixel_y_ || b[2] > right_ + pixel_x_ || b[3] > bottom_ + pixel_y_)
      if (pixel_x_ > 0) add(Fault::box_over_edge, object, fmt::format("the box {} reaches over the edge", text(b)));
  }
  void mask(const ObjectLabel& object) const {
    if (!about_.masks || record_.mask >= 0 || object.mask.refused) return;
    if (object.mask.empty()) {
      add(Fault::mask_missing, object, "has a box and no mask");
      return;
    }
    std::array<float, 4> around;
    if (!object.mask.polygons.empty()) {
      for (const auto& polygon : object.mask.polygons) {
        double twice = 0;
        const auto n = polygon.size() / 2;
        for (size_t i = 0; i < n; ++i) {
          const auto j = (i + 1) % n;
          twice += static_cast<double>(polygon[2 * i]) * polygon[2 * j + 1] -
                   static_cast<double>(polygon[2 * j]) * polygon[2 * i + 1];
        }
        if (twice == 0 && object.mask.polygons.size() == 1) add(Fault::mask_empty, object, "its polygon has no area");
      }
      around = box_around(object.mask.polygons);
    } else {
      const auto rle = rle_from_string(object.mask.runs, object.mask.height, object.mask.width);
      if (rle_area(rle) == 0) {
        add(Fault::mask_empty, object, "its mask has no pixel");
        return;
      }
      const auto b = rle_box(rle);
      around = {static_cast<float>(b[0]), static_cast<float>(b[1]), static_cast<float>(b[0] + b[2]),
                static_cast<float>(b[1] + b[3])};
    }
    fits(object, around);
  }
  /// Half of each must lie in the other.
  void fits(const ObjectLabel& object, const std::array<float, 4>& around) const {
    const auto& b = object.box;
    const auto area = [](const std::array<float, 4>& x) {
      return std::max(0.0f, x[2] - x[0]) * std::max(0.0f, x[3] - x[1]);
    };
    const auto both = area(
        {std::max(b[0], around[0]), std::max(b[1], around[1]), std::min(b[2], around[2]), std::min(b[3], around[3])});
    if (area(b) > 0 && area(around) > 0 && 2 * both < std::max(area(b), area(around)))
      add(Fault::box_off_mask, object, fmt::format("the box {} is not the mask's, {}", text(b), text(around)));
  }
  void keypoints(const ObjectLabel& object) const {
    for (size_t k = 0; k + 2 < object.keypoints.size(); k += 3) {
      const auto x = object.keypoints[k], y = object.keypoints[k + 1], seen = object.keypoints[k + 2];
      const auto& name = about_.keypoints.at(k / 3);
      if (seen != 0 && seen != 1 && seen != 2)
        add(Fault::keypoint_visibility, object, fmt::format("{}: visibility {}; it is 0, 1 or 2", name, seen));
      if (seen > 0 && known_ && (x < 0 || y < 0 || x > right_ || y > bottom_))
        add(Fault::keypoint_outside, object, fmt::format("{} at {:.6g}, {:.6g}", name, x, y));
    }
  }

  const SceneRecord& record_;
  const SceneAbout& about_;
  const std::string& where_;
  FaultLog& log_;
  bool known_;
  float right_, bottom_, pixel_x_, pixel_y_;
};

}  // namespace

void check_record(const SceneRecord& record, const SceneAbout& about, const std::string& where, int64_t width,
                  int64_t height, FaultLog& log) {
  RecordCheck(record, about, where, width, height, log).run();
}

}  // namespace hadal
