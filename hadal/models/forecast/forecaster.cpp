#include "hadal/models/forecast/forecaster.h"

#include "hadal/models/forecast/dlinear.h"
#include "hadal/models/forecast/itransformer.h"
#include "hadal/models/forecast/patchtst.h"
#include "hadal/models/forecast/step_encoder.h"

namespace hadal {

const ForecasterCatalog& forecasters() {
  static const auto catalog = [] {
    ForecasterCatalog made("model", "model");
    register_dlinear(made);
    register_patchtst(made);
    register_itransformer(made);
    register_step_encoder(made);
    return made;
  }();
  return catalog;
}

}  // namespace hadal
