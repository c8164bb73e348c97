// Two nets that learn from each other: one makes pictures, one tells them from real ones (Goodfellow et al. 2014).
#pragma once
#include "hadal/models/generative/ada.h"
#include "hadal/models/generative/gan_steps.h"
#include "hadal/tasks/making/making_task.h"
#include "hadal/trained/making/gan_maker.h"

namespace hadal {

struct GanConfig : GanMakerConfig, MakingConfig {
  GanLossConfig loss;
  std::string augment = "none";
  AdaConfig ada;

  static Fields<GanConfig> fields();
};

void register_gan(TaskCatalog& catalog);

}  // namespace hadal
