#include "hadal/tasks/vision/classify_labels.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include <nlohmann/json.hpp>

#include "hadal/core/error.h"

namespace hadal {
namespace {

std::vector<std::string> texts_of(const std::map<std::string, std::string>& metadata, const char* key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) return {};
  const auto json = nlohmann::json::parse(found->second, nullptr, false);
  if (!json.is_array() || !std::all_of(json.begin(), json.end(), [](const auto& text) { return text.is_string(); }))
    return {};
  return json.get<std::vector<std::string>>();
}

bool holds(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

LearnedClasses learned_classes(const std::map<std::string, std::string>& metadata) {
  LearnedClasses learned{texts_of(metadata, "classes"), texts_of(metadata, "labels")};
  if (learned.labels.empty()) learned.labels = learned.names;
  return learned;
}

std::vector<int64_t> match_classes(const std::vector<std::string>& data, const std::vector<std::string>& names,
                                   const LearnedClasses& learned) {
  require(names.size() >= learned.labels.size(), "names lists {} classes and the model knows {}", names.size(),
          learned.labels.size());
  for (const auto* known : {&learned.labels, &names}) {
    if (!std::all_of(data.begin(), data.end(), [&](const auto& name) { return holds(*known, name); })) continue;
    std::vector<int64_t> places;
    for (const auto& name : data) places.push_back(std::find(known->begin(), known->end(), name) - known->begin());
    return places;
  }
  if (learned.names.empty() || names != learned.names) {
    require(data.size() == names.size(), "names lists {} classes and the data has {}, called otherwise", names.size(),
            data.size());
    std::vector<int64_t> places(data.size());
    std::iota(places.begin(), places.end(), 0);
    return places;
  }
  const auto stranger =
      std::find_if(data.begin(), data.end(), [&](const auto& name) { return !holds(learned.labels, name); });
  fail_usage("the data has a class \"{}\" that the model does not know{}", *stranger,
             suggest(*stranger, learned.labels));
}

}  // namespace hadal
