// Detectors that a Darknet .cfg describes: YOLOv2 (Redmon & Farhadi 2016, arXiv:1612.08242), v3 (2018,
// arXiv:1804.02767), v4 (Bochkovskiy et al. 2020, arXiv:2004.10934) and all that people made of their parts.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "hadal/io/darknet_weights.h"
#include "hadal/models/detection/darknet_plan.h"
#include "hadal/models/detection/detection_model.h"

namespace hadal {

struct DarknetConfig {
  std::string cfg;      // a .cfg file, its text, or the name of one that Hadal writes itself (darknet_presets())
  int64_t classes = 0;  // 0: as the .cfg says

  static Fields<DarknetConfig> fields();
  void validate() const;
};

/// Parameters are layers.N.conv.weight, .conv.bias and, with batch_normalize, layers.N.bn.weight, .bias, .running_mean,
/// .running_var, N being Darknet's number of the layer.
struct DarknetImpl : DetectionModel {
  /// Throws FileError for what plan_darknet() does not take, UsageError for an empty cfg.
  explicit DarknetImpl(const DarknetConfig& config);

  /// pixels (B, 3, H, W), 0 to 1 -> (B, N, 5 + classes): x1 y1 x2 y2 in pixels, objectness, then what each class's
  /// probability is where there is an object. H and W need not be the .cfg's: multiples of the stride will do.
  Tensor forward(const Tensor& pixels);
  /// What comes into each head, (B, anchors x (5 + classes), h, w).
  std::vector<Tensor> maps(const Tensor& pixels);

  /// box, objectness and classes: sums over cells and objects, a picture's mean. A [yolo] learns by v3's rule (an
  /// object belongs to the anchor of the most similar shape, and v4's iou_thresh to more), squared or overlap losses as
  /// the .cfg says; a [region] by v2's squared errors. Of objects that fall to one anchor of one cell the last counts.
  TensorsByName losses(const Tensor& pixels, const Tensor& sizes, const Targets& targets) override;
  /// As Darknet does, a box may be found as several classes; overlaps are compared within a class.
  std::vector<Found> find(const Tensor& pixels, const Tensor& sizes, const FindOptions& options) override;
  /// The whole picture squashed to the .cfg's size; letterboxed where it says letter_box=1.
  Preparation preparation() const override;
  FindOptions usual() const override { return {.iou = 0.45, .most = 300}; }
  /// The convolutions before the heads.
  std::vector<std::string> heads() const override;
  /// The one row of a .weights file (kDarknetFloats) is cut into this network's tensors, also one of another number of
  /// classes; other names stay. Throws Error that says by how many floats the row is too short or too long.
  TensorsByName own_names(const TensorsByName& weights) const override;

  /// The .cfg that describes it, for pictures whose longer side is `side`.
  std::string cfg(int64_t side) const;
  const DarknetPlan& plan() const { return plan_; }
  /// Every tensor of a .weights file, in its order.
  std::vector<Tensor> in_file_order() const;

 private:
  Tensor run(size_t number, const Tensor& x, const std::vector<Tensor>& before);

  std::vector<CfgSection> sections_;
  DarknetPlan plan_;
  std::vector<size_t> last_use_;  // of each layer's output
  std::vector<nn::Conv2d> convs_;
  std::vector<nn::BatchNorm2d> norms_;
};
TORCH_MODULE(Darknet);

/// The network's weights as Darknet reads them; load_weights() takes back what read_darknet_weights() gives of it
/// through own_names().
void save_darknet_weights(const std::filesystem::path& path, const DarknetImpl& model,
                          const DarknetHeader& header = {});

/// What makes the network of a .cfg from a recipe: `cfg`, its text without comments, and `classes`, its number of them.
/// Throws FileError as plan_darknet() does.
Table darknet_settings(std::string_view text, const std::string& name);

/// The text of a .cfg, without comments, where `what` is its path; else `what` itself, a text or a preset's name.
/// Throws UsageError where there is no such file, FileError as plan_darknet() does.
std::string darknet_cfg(const std::string& what);

/// Whether two of them, as darknet_cfg() takes them, describe one network but for the number of classes, the size of
/// pictures and what only training looks at.
bool same_darknet(const std::string& a, const std::string& b);

/// yolov2, yolov2-tiny, yolov3, yolov3-tiny, yolov3-spp, yolov4, yolov4-tiny.
const std::vector<std::string>& darknet_presets();
/// The .cfg of one, for COCO's 80 classes. Throws UsageError for another name.
std::string darknet_preset(const std::string& name);

/// "darknet" and the presets.
void register_darknet(DetectionCatalog& catalog);

}  // namespace hadal
