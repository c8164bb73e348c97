// Language modelling: what comes next in a text, or which words are hidden in it.
#pragma once
#include "hadal/tasks/task.h"

namespace hadal {

struct LanguageConfig {
  Part model{"gpt", {}}, data{"text", {}}, tokenizer{"characters", {}};
  std::string windows = "random", sample_prompt = "\n", begin = "auto";
  double hidden = 0.15;
  int64_t samples = 2, sample_tokens = 256;

  static Fields<LanguageConfig> fields();
  void validate() const {}
};

void register_language(TaskCatalog& catalog);

}  // namespace hadal
