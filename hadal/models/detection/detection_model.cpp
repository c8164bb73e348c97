#include "hadal/models/detection/detection_model.h"

#include "hadal/models/detection/darknet.h"
#include "hadal/models/detection/yolox.h"

namespace hadal {

const DetectionCatalog& detectors() {
  static const auto catalog = [] {
    DetectionCatalog made("model", "model");
    register_darknet(made);
    register_yolox(made);
    return made;
  }();
  return catalog;
}

}  // namespace hadal
