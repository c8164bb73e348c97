// From a file of weights to a model that can be used: what the weights say of themselves, what is said besides, and who
// is right.
#pragma once
#include "hadal/trained/trained.h"

namespace hadal {

/// The weights' own recipe, or the word of other programs translated into one ([task], [model] and what goes with it).
/// Empty where nobody says which model it is. Throws FileError for a model that Hadal cannot be, by what it lacks.
Table recipe_of(const Passport& weights);

/// The first task whose models hold `model`; throws UsageError with the nearest names.
std::string task_with_model(const std::string& model);

/// `recipe` with the [model] settings of `theirs`, the weights', where it says nothing itself. Throws UsageError where
/// it says something else: settings that shapes do not show would load and mean nonsense. Which may change is each
/// field's Limit::change; `learns`: training goes on, so the classes may be others too. Of another model's settings
/// only those count that both have.
Table over_weights(Table recipe, const Table& theirs, bool learns);

/// Copies the weights into the model under its own names. Strict; `learns`: its heads() may begin anew.
void load_into(Model& model, const Passport& weights, bool learns);

/// A program's words for Use.
struct UseOptions {
  std::string device = "auto", precision = "fp32";
  int64_t batch = 16;
};

/// Of a run folder, a weights file or a published folder. `words` go over its recipe, as on the command line:
/// {{"predict", Table{{"conf", 0.5}}}}. Throws UsageError where nobody says which model it is.
std::unique_ptr<Trained> open_trained(const std::filesystem::path& what, const UseOptions& options = {},
                                      const Table& words = {});
/// The same with all that is known already: a recipe over its weights (see over_weights), and `use` naming them.
std::unique_ptr<Trained> make_trained(const Table& recipe, const Use& use);

/// The task a recipe is for. Throws UsageError where it names none, or one that does not exist.
std::string task_of(const Table& recipe);

/// open_trained as the class it is: auto model = load_as<TrainedClassifier>("classify", "best.safetensors"). Throws
/// UsageError, "best.safetensors is for detect, not for classify", for another.
template <class T>
std::unique_ptr<T> load_as(const std::string& task, const std::filesystem::path& what, const UseOptions& options = {}) {
  auto opened = open_trained(what, options);
  auto* as_asked = dynamic_cast<T*>(opened.get());
  if (!as_asked)
    fail_usage("{} is not for {}: hadal predict {} --help says what it is", what.string(), task, what.string());
  opened.release();
  return std::unique_ptr<T>(as_asked);
}

}  // namespace hadal
