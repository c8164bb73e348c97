// Vocoders: a net learns to make sounds of their spectrograms, from the spectra of both and from discriminators.
#pragma once
#include "hadal/tasks/task.h"
#include "hadal/trained/making/vocoder.h"

namespace hadal {

struct VocoderLosses {
  double mel = 45, stft = 2, features = 1, adversarial = 1;
  std::string kind = "hinge";
  double alone = 0.3;

  static Fields<VocoderLosses> fields();
};

struct VocoderTaskConfig : VocoderConfig {
  VocoderJudgesConfig judges = VocoderJudgesConfig::small();
  VocoderLosses loss;
  int64_t frames = 64;
  double gain = 6;

  static Fields<VocoderTaskConfig> fields();
};

void register_vocoder(TaskCatalog& catalog);

}  // namespace hadal
