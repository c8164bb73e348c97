#include "hadal/models/forecast/forecaster.h"

#include "hadal/models/forecast/dlinear.h"
#include "hadal/models/forecast/patchtst.h"

namespace hadal {

const ForecasterCatalog& forecasters() {
  static const auto catalog = [] {
    ForecasterCatalog made("model", "model");
    register_dlinear(made);
    register_patchtst(made);
    return made;
  }();
  return catalog;
}

}  // namespace hadal
