// Every model Hadal has, by kind, with an example of what it is given: for what goes over all of them.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hadal/core/config.h"
#include "hadal/models/model.h"

namespace hadal {

struct Example {
  std::string input;              // "a picture of 224 x 224"
  std::function<void()> forward;  // what the model computes for it; in eval mode, without gradients
};

struct ModelKind {
  std::vector<std::string> names;
  /// What says how large an example is: "size" (the side of a picture in pixels), "tokens", or empty where the model
  /// alone does.
  std::string measure;
  /// One with its settings over the preset's. Throws UsageError for a wrong setting.
  std::function<std::shared_ptr<Model>(const Part& part)> make;
  std::function<const Schema&(const std::string& name)> schema;
  /// The part with every default written out, checked.
  std::function<Part(const Part& part)> resolve;
  /// One input; `measure` 0: what the model is made for, but at most 1024 tokens. `part` has all settings.
  std::function<Example(std::shared_ptr<Model> model, const Part& part, int64_t measure)> example;

  bool has(const std::string& name) const;
};

const std::vector<ModelKind>& model_kinds();
/// The kind with this model. Throws UsageError where there is none.
const ModelKind& kind_of_model(const std::string& name);

/// `part` resolved, with the example's measure (0: none) where a setting of the model is the same thing: the `image` of
/// a transformer of pictures.
Part with_measure(const ModelKind& kind, Part part, int64_t measure);

}  // namespace hadal
