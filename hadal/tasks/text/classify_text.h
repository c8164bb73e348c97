// Text classification: one label a text.
#pragma once
#include "hadal/tasks/task.h"

namespace hadal {

struct ClassifyTextConfig {
  Part model{"text_encoder", {}}, data{"table", {}}, tokenizer{"bpe", {}};
  std::vector<std::string> names;
  double label_smoothing = 0;
  int64_t tokens = 4096;

  static Fields<ClassifyTextConfig> fields();
};

void register_classify_text(TaskCatalog& catalog);

}  // namespace hadal
