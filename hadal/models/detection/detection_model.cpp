#include "hadal/models/detection/detection_model.h"

#include "hadal/models/detection/rcnn.h"
#include "hadal/models/detection/retinanet.h"
#include "hadal/models/detection/yolo.h"

namespace hadal {

const DetectionCatalog& detectors() {
  static const auto catalog = [] {
    DetectionCatalog made("model", "model");
    register_rcnn(made);
    register_retinanet(made);
    register_yolo(made);
    return made;
  }();
  return catalog;
}

}  // namespace hadal
