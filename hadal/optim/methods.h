// The optimisers by the files that hold them; optimizers() is all of them.
#pragma once
#include "hadal/optim/optimizer.h"

namespace hadal {

void register_adam(OptimizerCatalog& catalog);       // Adam, AdamW, SparseAdam
void register_adam_kin(OptimizerCatalog& catalog);   // Adamax, NAdam, RAdam
void register_sgd(OptimizerCatalog& catalog);        // SGD, ASGD, Rprop
void register_adagrad(OptimizerCatalog& catalog);    // Adagrad, Adadelta, RMSprop
void register_lion_adan(OptimizerCatalog& catalog);  // Lion, Adan, ADOPT
void register_lamb_lars(OptimizerCatalog& catalog);  // LAMB, LARS
void register_schedule_free(OptimizerCatalog& catalog);
void register_adafactor(OptimizerCatalog& catalog);
void register_muon(OptimizerCatalog& catalog);
void register_lbfgs(OptimizerCatalog& catalog);
void register_sam(OptimizerCatalog& catalog);  // around any of the others

/// The catalog while it is being filled: what a method that wraps another one looks into.
OptimizerCatalog& optimizer_catalog();

}  // namespace hadal
