#include "hadal/optim/methods.h"

namespace hadal {

OptimizerCatalog& optimizer_catalog() {
  static OptimizerCatalog catalog("optimizer", "train.optimizer");
  return catalog;
}

const OptimizerCatalog& optimizers() {
  static const auto& filled = [&]() -> const OptimizerCatalog& {
    auto& catalog = optimizer_catalog();
    register_adam(catalog);
    register_adam_kin(catalog);
    register_sgd(catalog);
    register_adagrad(catalog);
    register_lion_adan(catalog);
    register_lamb_lars(catalog);
    register_schedule_free(catalog);
    register_adafactor(catalog);
    register_muon(catalog);
    register_lbfgs(catalog);
    register_sam(catalog);
    return catalog;
  }();
  return filled;
}

std::string lr_path(const Part& optimizer) {
  return outermost(optimizers().at(optimizer.name).schema.paths_to("lr", optimizer.settings)).value_or("lr");
}

}  // namespace hadal
