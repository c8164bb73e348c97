// Rectified flow (Liu et al. 2022, arXiv:2209.03003): a straight way from the picture at t = 0 to noise at t = 1,
// x_t = (1 - t) x + t e; the network says its velocity e - x.
#pragma once
#include "hadal/models/generative/diffusion/process.h"

namespace hadal {

struct FlowConfig {
  std::string times = "logit_normal";
  double mean = 0, spread = 1, time_scale = 1000;
  std::string weight = "none";
  double gamma = 5;

  static Fields<FlowConfig> fields();
};

void register_flow(ProcessCatalog& catalog);

}  // namespace hadal
