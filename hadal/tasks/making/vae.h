// Variational autoencoders: a bound on the likelihood of pictures is raised (Kingma & Welling 2013, arXiv:1312.6114).
#pragma once
#include "hadal/tasks/making/making_task.h"
#include "hadal/trained/making/vae_maker.h"

namespace hadal {

struct VaeConfig : VaeMakerConfig, MakingConfig {
  VaeLossConfig loss;
  std::string binarise = "dynamic";
  double warmup = 0;
  int64_t bound_samples = 0, bound_pictures = 1000;

  static Fields<VaeConfig> fields();
};

void register_vae(TaskCatalog& catalog);

/// Grey levels in [0, 1] as black and white, in place: anew by chance each epoch (`dynamic`), always the same
/// (`fixed`), by `threshold` at one half, or `none`. What is scored is drawn once, whatever the epoch.
void binarise(const std::string& how, PictureBatch& batch, uint64_t seed, bool training);

}  // namespace hadal
