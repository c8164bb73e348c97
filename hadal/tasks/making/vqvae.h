// Pictures as codes, and a prior that learns which codes go together: two nets in one run.
#pragma once
#include "hadal/tasks/making/making_task.h"
#include "hadal/trained/making/vqvae_maker.h"

namespace hadal {

struct VqVaeTaskConfig : VqVaeMakerConfig, MakingConfig {
  double commitment = 0.25;
  std::string binarise = "none";

  static Fields<VqVaeTaskConfig> fields();
};

void register_vqvae(TaskCatalog& catalog);

}  // namespace hadal
