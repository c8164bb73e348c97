#include "hadal/trained/classes.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "hadal/core/error.h"

namespace hadal {
namespace {

bool holds(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

Fields<LearnedClasses> LearnedClasses::fields() {
  return {{"names", &LearnedClasses::names, "what the model calls its classes"},
          {"labels", &LearnedClasses::labels, "what the data called them that it learned from"}};
}

LearnedClasses LearnedClasses::from(const Table& learned) {
  LearnedClasses out;
  Table own;
  for (const auto* key : {"names", "labels"})
    if (const auto* value = learned.find(key)) own.set(key, *value);
  read_config(out, own, "learned");
  if (out.labels.empty()) out.labels = out.names;
  return out;
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

std::vector<ScoredClass> top_classes(const Tensor& probabilities, const std::vector<std::string>& names, int64_t top) {
  const auto [values, classes] = probabilities.topk(std::min<int64_t>(top, std::ssize(names)));
  std::vector<ScoredClass> out;
  for (int64_t i = 0; i < values.size(0); ++i)
    out.push_back({names.at(static_cast<size_t>(classes[i].item<int64_t>())), values[i].item<double>()});
  return out;
}

nlohmann::ordered_json as_json(const std::vector<ScoredClass>& classes) {
  auto json = nlohmann::ordered_json::array();
  for (const auto& [name, score] : classes) json.push_back({{"class", name}, {"score", score}});
  return json;
}

Fields<ClassifyOptions> ClassifyOptions::fields() {
  return {{"top", &ClassifyOptions::top, "classes that an answer holds, the likeliest first", at_least(1)}};
}

}  // namespace hadal
