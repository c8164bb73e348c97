#include "hadal/models/text/about.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/ranges.h>

#include "hadal/core/error.h"

namespace hadal {

bool same_as_floats(double a, double b) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  if (a == b || !(std::abs(a) <= kLargest && std::abs(b) <= kLargest)) return a == b;
  return static_cast<float>(a) == static_cast<float>(b);
}

About::About(nlohmann::json json, std::string name)
    : json_(std::move(json)), name_(std::move(name)), kind_(json_.at("model_type").get<std::string>()) {}

const nlohmann::json* About::find(const std::string& key) const {
  const auto* at = &json_;
  for (size_t begin = 0; begin <= key.size();) {
    const auto end = std::min(key.find('/', begin), key.size());
    const auto found = at->is_object() ? at->find(key.substr(begin, end - begin)) : at->end();
    if (!at->is_object() || found == at->end() || found->is_null()) return nullptr;
    at = &*found;
    begin = end + 1;
  }
  return at;
}

void About::expect_kind(const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), kind_) == known.end())
    refuse(fmt::format("model_type is {}; this model reads {}", kind_, fmt::join(known, ", ")));
}

void About::expect(const std::string& key, double ours, const std::string& setting, std::optional<double> otherwise) {
  const auto* found = find(key);
  if (found && !found->is_number()) return refuse(fmt::format("{} is no number", key));
  if (!found && !otherwise) return;
  const auto theirs = found ? found->get<double>() : *otherwise;
  if (!same_as_floats(theirs, ours))
    refuse(fmt::format("{} is {} and not {}: {}={}", key, theirs, ours, setting, theirs));
}

void About::expect(const std::string& key, const std::vector<std::string>& known, const std::string& setting) {
  const auto* found = find(key);
  if (!found) return;
  const auto theirs = found->is_string() ? found->get<std::string>() : found->dump();
  if (std::find(known.begin(), known.end(), theirs) == known.end())
    refuse(fmt::format("{} is {}, and {} wants {}", key, theirs, setting, fmt::join(known, " or ")));
}

void About::expect_flag(const std::string& key, bool ours, const std::string& setting) {
  if (const auto* found = find(key); found && found->is_boolean() && *found != ours)
    refuse(fmt::format("{} is {}: {}={}", key, !ours, setting, !ours));
}

void About::refuse_flag(const std::string& key, bool value) {
  if (const auto* found = find(key); found && *found == value) refuse(fmt::format("{} is {}", key, value));
}

void About::need(const std::string& setting, const std::string& ours, const std::string& needed) {
  if (ours != needed) refuse(fmt::format("a {} has {}={}", kind_, setting, needed));
}

void About::finish() const {
  if (!wrong_.empty())
    throw FileError(name_, fmt::format("the weights beside it are of another model: {}", fmt::join(wrong_, "; ")));
}

}  // namespace hadal
