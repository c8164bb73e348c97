// What a training picture goes through: mosaic of four, turning, scaling, cutting, mixing, pasting, colours. All
// geometry becomes one matrix a picture, so that every pixel is read once.
#pragma once
#include <functional>

#include "hadal/core/config.h"
#include "hadal/core/random.h"
#include "hadal/data/vision/scenes/scene_data.h"
#include "hadal/data/vision/scenes/warp.h"

namespace hadal {

/// Defaults are those that YOLO models are usually trained with.
struct SceneAugmentConfig {
  double mosaic = 1, close_mosaic = 0.1, mixup = 0, copy_paste = 0;
  double degrees = 0, translate = 0.1, scale = 0.5, shear = 0, perspective = 0;
  double crop = 0, zoom_out = 0;
  double hsv_h = 0.015, hsv_s = 0.7, hsv_v = 0.4;
  double hflip = 0.5, vflip = 0;
  double least_visible = 0.1;
  double multi_scale = 0;

  static Fields<SceneAugmentConfig> fields();
  void validate() const;
};

/// How the pictures of training reach their size.
struct SceneFrame {
  int64_t height = 640, width = 640;  // of the result
  bool squash = false;                // both sides are stretched; otherwise the shape is kept and the rest filled
  uint8_t fill = 114;
  bool masks = false;  // wanted of the result
};

/// An augmented training scene of exactly the frame's size. Partners of mosaic, mixup and copy-paste are drawn from
/// `random`; `progress` (0 to 1) is how far the run is: the last close_mosaic of it has neither mosaic nor mixup.
/// Crowds are left out. Objects stay while least_visible of their box is left and it is over 2 pixels wide and high.
Scene augmented(const SceneAugmentConfig& config, const SceneFrame& frame, const SceneData& data, int64_t index,
                double progress, Random& random);

/// ---- Its steps
/// One picture's place in the result.
struct PlacedScene {
  Scene scene;
  Window window;       // the part of it that can be seen
  Homography forward;  // to the result
};
/// Draws them onto a frame filled with its colour. `mirrored`: keypoints change sides by `swap`.
Scene composed(const std::vector<PlacedScene>& parts, const SceneFrame& frame, const SceneAbout& about, bool mirrored,
               double least_visible);
/// Four pictures around a random centre of a canvas twice as large, as matrices onto the canvas.
std::vector<PlacedScene> mosaic_places(std::vector<Scene> scenes, const SceneFrame& frame, Random& random);
/// Random perspective, turn, scale, shear and shift from a canvas (height, width) to the frame, about their centres.
Homography choose_warp(const SceneAugmentConfig& config, ImageSize canvas, const SceneFrame& frame, Random& random);
/// share x a + (1 - share) x b, with the objects of both.
Scene mixed(const Scene& a, const Scene& b, double share);
/// Pastes mirrored objects of `from`, each with probability p, where they cover less than 30 % of every object
/// (Ghiasi et al. 2021, arXiv:2012.07177). Both have masks.
Scene pasted(const Scene& onto, const Scene& from, double p, const std::vector<int64_t>& swap, Random& random);

}  // namespace hadal
