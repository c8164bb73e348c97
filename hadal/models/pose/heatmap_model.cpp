#include "hadal/models/pose/heatmap_model.h"

#include "hadal/models/pose/simple_baseline.h"
#include "hadal/models/pose/vitpose.h"

namespace hadal {

const HeatmapCatalog& heatmap_models() {
  static const auto catalog = [] {
    HeatmapCatalog made("model", "model");
    register_simple_baseline(made);
    register_vitpose(made);
    return made;
  }();
  return catalog;
}

}  // namespace hadal
