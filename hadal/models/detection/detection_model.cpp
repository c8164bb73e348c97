#include "hadal/models/detection/detection_model.h"

#include "hadal/models/detection/darknet.h"
#include "hadal/models/detection/dfine.h"
#include "hadal/models/detection/rcnn.h"
#include "hadal/models/detection/retinanet.h"
#include "hadal/models/detection/yolo.h"
#include "hadal/models/detection/yolox.h"

namespace hadal {

Tensor class_weights_like(const Targets& targets, const Tensor& like, bool background) {
  if (!targets.class_weights.defined()) return {};
  const auto own = targets.class_weights.to(like.options());
  return background ? torch::cat({torch::ones({1}, own.options()), own}) : own;
}

const DetectionCatalog& detectors() {
  static const auto catalog = [] {
    DetectionCatalog made("model", "model");
    register_rcnn(made);
    register_retinanet(made);
    register_yolo(made);
    register_darknet(made);
    register_yolox(made);
    register_dfine(made);
    return made;
  }();
  return catalog;
}

}  // namespace hadal
