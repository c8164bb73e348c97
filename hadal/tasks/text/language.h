// Language modelling: what comes next in a text, or which words are hidden in it.
#pragma once
#include "hadal/tasks/task.h"
#include "hadal/trained/text/writer.h"

namespace hadal {

struct LanguageConfig : WriterConfig {
  Part data{"text", {}};
  std::string windows = "random", sample_prompt = "\n";
  int64_t samples = 2, sample_tokens = 256;

  static Fields<LanguageConfig> fields();
};

void register_language(TaskCatalog& catalog);

}  // namespace hadal
