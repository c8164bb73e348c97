// Text classification: one label a text.
#pragma once
#include "hadal/tasks/task.h"
#include "hadal/trained/text/classifier.h"

namespace hadal {

struct ClassifyTextConfig : TextClassifierConfig {
  Part data{"table", {}};
  double label_smoothing = 0;
  int64_t tokens = 4096;

  static Fields<ClassifyTextConfig> fields();
};

void register_classify_text(TaskCatalog& catalog);

}  // namespace hadal
