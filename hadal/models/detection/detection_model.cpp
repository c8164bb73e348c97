#include "hadal/models/detection/detection_model.h"

namespace hadal {

const DetectionCatalog& detectors() {
  static const auto catalog = [] {
    DetectionCatalog made("model", "model");
    return made;
  }();
  return catalog;
}

}  // namespace hadal
