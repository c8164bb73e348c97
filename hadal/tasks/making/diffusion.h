// Diffusion models and flows: a network learns to see the noise in pictures.
#pragma once
#include "hadal/models/generative/diffusion/consistency.h"
#include "hadal/tasks/making/making_task.h"
#include "hadal/trained/making/diffusion_maker.h"

namespace hadal {

struct DiffusionConfig : DiffusionMakerConfig, MakingConfig {
  double forget = 0.1, slow_decay = 0.9995;
  ConsistencyConfig consistency;

  static Fields<DiffusionConfig> fields();
};

void register_diffusion(TaskCatalog& catalog);

}  // namespace hadal
