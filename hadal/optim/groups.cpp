#include "hadal/optim/groups.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <regex>
#include <set>

#include <fmt/ranges.h>

#include "hadal/core/error.h"

namespace hadal {

Fields<GroupRule> GroupRule::fields() {
  return {{"match", &GroupRule::match, "names of parameters; * stands for any text", example("\"*.bias\"")},
          {"lr_scale", &GroupRule::lr_scale, "multiplies the learning rate", at_least(0)},
          {"decay_scale", &GroupRule::decay_scale, "multiplies the weight decay", at_least(0)},
          {"frozen", &GroupRule::frozen, "leave them as they are"}};
}

GroupRule Setting<GroupRule>::read(const Value& v, const std::string& path, const Limit&) {
  GroupRule rule;
  read_config(rule, v, path);
  require(!rule.match.empty(), "{} names no parameters; example: {{ match = \"head.*\", lr_scale = 10 }}", path);
  return rule;
}

bool matches_pattern(const std::string& name, const std::string& pattern) {
  // Greedy with one point to come back to: the last star.
  size_t n = 0, p = 0, star = std::string::npos, held = 0;
  while (n < name.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || (pattern[p] == name[n] && pattern[p] != '*')))
      ++n, ++p;
    else if (p < pattern.size() && pattern[p] == '*')
      star = p++, held = n;
    else if (star != std::string::npos)
      p = star + 1, n = ++held;
    else
      return false;
  }
  return std::all_of(pattern.begin() + static_cast<std::ptrdiff_t>(p), pattern.end(), [](char c) { return c == '*'; });
}

bool is_embedding(const std::string& name) {
  static const std::regex pattern(
      "(^|\\.)(wte|wpe|[a-z_]*embed[a-z_]*|positions|position_enc|relative_attention_bias|(cls|class|mask|dist|reg)_"
      "token)(\\.|$)");
  return std::regex_search(name, pattern);
}

std::vector<int64_t> layer_depths(const std::vector<std::string>& names) {
  // "encoder.layers.encoder_layer_3.ln_1.bias": the first part that ends in a number; before it, the stack's name.
  static const std::regex numbered("^((?:[^.0-9]+\\.)*?[^.0-9]*)([0-9]+)\\.");
  struct Place {
    std::string stack;
    int64_t index = -1;
  };
  std::vector<Place> places;
  std::map<std::string, std::set<int64_t>> stacks;
  for (const auto& name : names) {
    Place place;
    if (std::smatch found; std::regex_search(name, found, numbered) && found.length(2) < 6) {
      place = {found[1], std::stoll(found[2])};
      stacks[place.stack].insert(place.index);
    }
    places.push_back(place);
  }
  std::vector<int64_t> depths;
  std::map<std::string, int64_t> base;  // the depth below each stack; a decoder stands on its encoder
  int64_t top = 0;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto& [stack, index] = places[i];
    const auto found = stacks.find(stack);
    if (is_embedding(names[i])) {
      depths.push_back(0);
    } else if (index < 0 || found->second.size() < 2) {
      depths.push_back(top == 0 ? 0 : top + 1);
    } else {
      const auto below = base.emplace(stack, top).first->second;
      depths.push_back(below + 1 + std::distance(found->second.begin(), found->second.find(index)));
      top = std::max(top, depths.back());
    }
  }
  return depths;
}

std::vector<ParamGroup> param_groups(const nn::Module& module, const GroupRules& rules, const nn::Module* part) {
  std::set<const void*> parts;
  if (part)
    for (const auto& parameter : part->parameters()) parts.insert(parameter.unsafeGetTensorImpl());
  std::vector<std::string> names;
  for (const auto& item : module.named_parameters()) names.push_back(item.key());
  for (const auto& rule : rules.groups)
    require(
        std::any_of(names.begin(), names.end(), [&](const auto& name) { return matches_pattern(name, rule.match); }),
        "[groups] no parameter is named like \"{}\"; there are {}, ...", rule.match,
        fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(std::min<size_t>(3, names.size())), ", "));
  const auto depths = layer_depths(names);
  const auto top = depths.empty() ? 0 : *std::max_element(depths.begin(), depths.end());

  std::vector<ParamGroup> groups;
  size_t i = 0;
  for (const auto& item : module.named_parameters()) {
    const auto& name = names[i];
    auto param = item.value();
    double lr = std::pow(rules.layer_decay, static_cast<double>(top - depths[i++])), decay = 1;
    if (part && !parts.contains(param.unsafeGetTensorImpl())) continue;
    if ((!rules.decay_norms && param.dim() < 2) || (!rules.decay_embeddings && is_embedding(name))) decay = 0;
    for (const auto& rule : rules.groups) {
      if (!matches_pattern(name, rule.match)) continue;
      lr *= rule.lr_scale;
      decay *= rule.decay_scale;
      if (rule.frozen) param.set_requires_grad(false);
    }
    if (!param.requires_grad()) continue;
    const auto same = [&](const ParamGroup& g) { return g.lr_scale == lr && g.decay_scale == decay; };
    auto group = std::find_if(groups.begin(), groups.end(), same);
    if (group == groups.end()) group = groups.insert(groups.end(), {{}, lr, decay});
    group->params.emplace_back(name, param);
  }
  return groups;
}

}  // namespace hadal
