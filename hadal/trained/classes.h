// Classes by name: what a model calls them, what its data did, and which are likeliest.
#pragma once
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "hadal/core/config.h"
#include "hadal/core/torch.h"

namespace hadal {

/// What weights know of their classes, in the model's order; both empty where they know nothing.
struct LearnedClasses {
  std::vector<std::string> names;   // what the model calls them
  std::vector<std::string> labels;  // what the data called them that it learned from; mostly the same

  static Fields<LearnedClasses> fields();
  /// From a [learned]; the entries of others are left alone.
  static LearnedClasses from(const Table& learned);
};

/// For each class of the data its place in the model, found by name among what was learned, then among `names`. In the
/// data's own order only where the weights know no names or `names` are others than theirs, and there are as many.
/// Throws UsageError with the nearest names on a class that the model does not know.
std::vector<int64_t> match_classes(const std::vector<std::string>& data, const std::vector<std::string>& names,
                                   const LearnedClasses& learned);

struct ScoredClass {
  std::string name;
  double score = 0;
};
/// The `top` likeliest of (C) probabilities, best first.
std::vector<ScoredClass> top_classes(const Tensor& probabilities, const std::vector<std::string>& names, int64_t top);
/// [{"class", "score"}]
nlohmann::ordered_json as_json(const std::vector<ScoredClass>& classes);

/// What every classifier's predict can be asked for.
struct ClassifyOptions {
  int64_t top = 5;
  static Fields<ClassifyOptions> fields();
};

}  // namespace hadal
