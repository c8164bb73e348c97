// Translation: a text in, a text out.
#pragma once
#include "hadal/tasks/task.h"

namespace hadal {

struct TranslateConfig {
  Part model{"transformer", {}}, data{"files", {}}, tokenizer{"bpe", {}};
  double label_smoothing = 0.1;
  int64_t tokens = 4096, longest = 200;
  int64_t beams = 5;
  double length_penalty = 1;

  static Fields<TranslateConfig> fields();
};

void register_translate(TaskCatalog& catalog);

}  // namespace hadal
