// Sounds by a process that ends in noise, run backwards: over spectrograms, or over samples.
#pragma once
#include "hadal/tasks/making/sound_judge.h"

namespace hadal {

struct SpeechConfig : SpeechMakerConfig {
  bool conditional = true;
  double gain = 3, forget = 0.1;
  int64_t shift = 4;
  JudgeConfig judge;
  int64_t shown = 20;

  static Fields<SpeechConfig> fields();
};

void register_speech(TaskCatalog& catalog);

}  // namespace hadal
