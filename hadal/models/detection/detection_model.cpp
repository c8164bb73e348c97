#include "hadal/models/detection/detection_model.h"

#include "hadal/models/detection/darknet.h"

namespace hadal {

const DetectionCatalog& detectors() {
  static const auto catalog = [] {
    DetectionCatalog made("model", "model");
    register_darknet(made);
    return made;
  }();
  return catalog;
}

}  // namespace hadal
