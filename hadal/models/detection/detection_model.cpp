#include "hadal/models/detection/detection_model.h"

#include "hadal/models/detection/yolo.h"

namespace hadal {

const DetectionCatalog& detectors() {
  static const auto catalog = [] {
    DetectionCatalog made("model", "model");
    register_yolo(made);
    return made;
  }();
  return catalog;
}

}  // namespace hadal
