// Diffusion as Karras et al. 2022 (arXiv:2206.00364) have it: time is the noise's deviation, and the network's input
// and output are scaled so that both have variance 1 at any (table 1).
#pragma once
#include "hadal/models/generative/diffusion/process.h"

namespace hadal {

struct EdmConfig {
  double data_deviation = 0.5, mean = -1.2, spread = 1.2, least = 0.002, most = 80, time_scale = 1;
  std::string weight = "none";
  double gamma = 5;

  static Fields<EdmConfig> fields();
  void validate() const;
};

void register_edm(ProcessCatalog& catalog);

}  // namespace hadal
