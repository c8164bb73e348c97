// A folder as Hugging Face has it: config.json, weights, a tokenizer, and what says how pictures are prepared or texts
// pooled.
#pragma once
#include "hadal/core/value.h"
#include "hadal/io/passport.h"

namespace hadal {

/// The recipe that such a folder is: task, [model], [tokenizer], ends, [augment], [pooling], and in [learned] class
/// names and the tokenizer. Throws FileError for kinds of models that Hadal does not read, and for what it cannot be.
Table from_huggingface(const Passport& weights);

/// preprocessor_config.json as an [augment], without `size` where it says none; null: a ViT's own. Throws FileError for
/// what no setting gives.
Table augment_settings(const nlohmann::json& preprocessor, const std::string& name);

}  // namespace hadal
