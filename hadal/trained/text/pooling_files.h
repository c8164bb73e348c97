// How a published folder makes vectors of texts: the files of sentence-transformers beside its weights.
#pragma once
#include <filesystem>
#include <string_view>

#include "hadal/models/text/pooling.h"

namespace hadal {

/// modules.json names the steps, 1_Pooling/config.json the kind of vector, sentence_bert_config.json how many tokens of
/// a text are read. A folder without them: the mean over tokens, normalised. Throws FileError for steps that Hadal does
/// not have, such as Dense, for several kinds at once, and for paths that lead out of the folder.
Pooling read_pooling(const std::filesystem::path& folder);

/// What modules.json says; a path is "" where it names no such step.
struct PoolingSteps {
  std::string transformer, pooling;  // folders
  bool normalize = false;
};
PoolingSteps parse_pooling_steps(std::string_view json, std::string_view name);
/// 1_Pooling/config.json: sets the mode and the width of `pooling`.
void parse_pooling(std::string_view json, std::string_view name, Pooling& pooling);

}  // namespace hadal
