#include "hadal/models/text/language_model.h"

#include "hadal/models/text/bert.h"
#include "hadal/models/text/causal_lm.h"

namespace hadal {

DecodingCache LanguageModel::make_cache(int64_t, int64_t) const {
  fail_usage("a model that learns hidden words writes no text; use a gpt or llama");
}

const LanguageCatalog& language_models() {
  static const auto catalog = [] {
    LanguageCatalog made("model", "model");
    register_causal_lm(made);
    register_bert(made);
    return made;
  }();
  return catalog;
}

}  // namespace hadal
