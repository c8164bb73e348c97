// Diffusion in T small steps (Ho et al. 2020, arXiv:2006.11239): signal^2 is the product of 1 - beta up to t, noise^2
// the rest.
#pragma once
#include "hadal/models/generative/diffusion/process.h"

namespace hadal {

struct DdpmConfig {
  int64_t times = 1000;
  std::string betas = "cosine";
  double beta_from = 1e-4, beta_to = 0.02;
  std::string predict = "v", weight = "none";
  double gamma = 5;

  static Fields<DdpmConfig> fields();
  void validate() const;
};

/// (times) float64: "linear"; "scaled_linear", whose roots are; or "cosine", for which signal^2 falls like a squared
/// cosine (Nichol & Dhariwal 2021, arXiv:2102.09672, eq. 17), no beta above .999.
Tensor ddpm_betas(const DdpmConfig& config);

void register_ddpm(ProcessCatalog& catalog);

}  // namespace hadal
