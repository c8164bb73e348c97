// What other programs say of their weights, as recipes: a row a format and kind of model. The functions that know a
// kind stand beside its model.
#include <array>

#include "hadal/trained/open.h"

namespace hadal {
namespace {

/// torchvision's way: the file is called like the model. Strict loading proves the guess.
Table from_name(const Passport& weights) {
  const auto name = weights.word.value("name", std::string());
  for (const auto& task : trained().items())
    if (const auto* field = task.schema.find("model"); field && field->kinds && field->kinds->schema(name))
      return {{"task", task.name}, {"model", Table{{"name", name}}}};
  return {};
}

struct Other {
  const char* by;
  Table (*recipe)(const Passport& weights);
};
constexpr std::array kOthers = {Other{"name", from_name}};

}  // namespace

Table recipe_of(const Passport& weights) {
  if (!weights.recipe.empty()) return weights.recipe;
  for (const auto& other : kOthers)
    if (weights.by == other.by) return other.recipe(weights);
  return {};
}

}  // namespace hadal
