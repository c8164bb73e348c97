// What tasks on texts share: a tokenizer that travels with the weights, what lies beside these, and texts to predict
// on.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hadal/data/text/tokenizer.h"
#include "hadal/io/weights.h"
#include "hadal/models/text/about.h"
#include "hadal/tasks/predictions.h"
#include "hadal/tasks/task.h"

namespace hadal {

/// Is it still to be learned from a text?
bool learns(const Part& tokenizer);
/// The texts it is to be learned from: those of `train`, and for characters of all splits, as nanoGPT takes them: one
/// that only val has would end the run there.
std::string texts_to_learn(const Part& tokenizer, const std::vector<std::string>& splits,
                           const std::function<std::string(const std::string& split)>& text_of);
/// `part` as it is where it is of a kind that learns nothing, else the tokenizer of the weights file where it brings
/// one (see tokenizer_metadata), else what `part` has learned or learns from `training_text`, which is called at most
/// once. `part` is given its settings with what was learned. Throws Error for weights that bring none to a `part` that
/// would learn one.
std::shared_ptr<const Tokenizer> settle_tokenizer(Part& part, const TaskContext& context,
                                                  const std::function<std::string()>& training_text);
/// A tokenizer with all that it learned, as text for the weights' metadata under "tokenizer".
std::string tokenizer_metadata(const Part& part, const Tokenizer& tokenizer);

/// The config.json beside `weights`, a file or a folder. Nothing where there is none, or none with a model_type.
std::optional<About> about_beside(const std::filesystem::path& weights);

/// The names of a classifier's classes, from its own weights file or config.json's id2label; empty where neither has
/// them.
std::vector<std::string> classes_of(const std::filesystem::path& weights);
/// Throws Error where weights that Hadal saved were trained with other settings than `model`'s among those that shapes
/// do not show. One that `trains` on may have another reach and other rotary positions; a reach and a scaling may be
/// given to a model that had none.
void check_own_settings(const NamedTensors& weights, const Part& model, bool trains);

struct NamedText {
  std::string name, text;  // "FILE:LINE", or "text"
};
/// The texts on the command line and the lines of the input files; files that are empty or not UTF-8 have failed.
std::vector<NamedText> texts_to_predict(const PredictOptions& options, Predictions& predictions);
/// Those that `read` takes; one at which it throws has failed, and the others go on.
std::vector<NamedText> readable(std::vector<NamedText> texts, Predictions& predictions,
                                const std::function<void(const NamedText&)>& read);
int64_t finish_texts(Predictions& predictions, const PredictOptions& options);

/// A whole-number setting of a model: what the recipe gives, which must be `value` (`or_more`: or above), or else
/// `value` itself.
void agree(Part& model, const char* key, int64_t value, const char* what, bool or_more = false);

}  // namespace hadal
