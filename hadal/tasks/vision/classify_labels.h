// Which class of a model each class of a data set is: by name, for other data may have some of them, in another order.
#pragma once
#include <map>
#include <string>
#include <vector>

namespace hadal {

/// What weights say of their classes, in the model's order; both empty where they say nothing.
struct LearnedClasses {
  std::vector<std::string> names;   // what the model calls them
  std::vector<std::string> labels;  // what the data called them that it learned from; mostly the same
};

/// From a weights file's metadata. What is no list of texts is not ours, and left out.
LearnedClasses learned_classes(const std::map<std::string, std::string>& metadata);

/// For each class of the data its place in the model, found by name among what was learned, then among `names`. In the
/// data's own order only where the weights know no names or `names` are others than theirs, and there are as many.
/// Throws UsageError with the nearest names on a class that the model does not know.
std::vector<int64_t> match_classes(const std::vector<std::string>& data, const std::vector<std::string>& names,
                                   const LearnedClasses& learned);

}  // namespace hadal
