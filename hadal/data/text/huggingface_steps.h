// The steps that a tokenizer.json names: normalizers, pre-tokenizers, decoders.
#pragma once
#include "hadal/data/text/subword_tokenizer.h"
#include "hadal/io/json.h"

namespace hadal {

/// The steps of a whole tokenizer.json; `byte_level`: its vocabulary holds bytes in GPT-2's stand-ins. Throws FileError
/// for a step that Hadal does not have.
SubwordSteps read_subword_steps(const JsonValue& root, bool& byte_level);

/// Calls `use` with the step itself or, of a Sequence, with each that its `list` holds.
void for_each_step(const JsonValue& value, const char* list, const std::function<void(const JsonValue&)>& use);

}  // namespace hadal
