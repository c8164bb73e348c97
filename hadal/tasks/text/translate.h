// Translation: a text in, a text out.
#pragma once
#include "hadal/tasks/task.h"
#include "hadal/trained/text/translator.h"

namespace hadal {

struct TranslateConfig : TranslatorConfig {
  Part data{"files", {}};
  double label_smoothing = 0.1;
  int64_t tokens = 4096;

  static Fields<TranslateConfig> fields();
};

void register_translate(TaskCatalog& catalog);

}  // namespace hadal
