#include "hadal/train/freeze.h"

#include <algorithm>

#include "hadal/optim/groups.h"

namespace hadal {
namespace {

/// `pattern` fits `name` or a module around it.
bool covers(const std::string& pattern, const std::string& name) {
  return matches_pattern(name, pattern) || matches_pattern(name, pattern + ".*");
}

}  // namespace

Fields<FreezeRule> FreezeRule::fields() {
  return {{"match", &FreezeRule::match, "name of parameters or modules: \"layer1\", \"*.bias\""},
          {"from", &FreezeRule::from, "the first epoch, counted from 0", at_least(0)},
          {"until", &FreezeRule::until, "the epoch that trains them again (0: none)", at_least(0)}};
}

FreezeRule Setting<FreezeRule>::read(const Value& value, const std::string& path, const Limit&) {
  FreezeRule rule;
  if (value.get_if<Table>())
    read_config(rule, value, path);
  else
    rule.match = read_text(value, path, {});
  require(!rule.match.empty(), "{} wants the name of what is frozen: \"layer1\" or {{ match = \"layer1\", until = 5 }}",
          path);
  require(rule.until == 0 || rule.until > rule.from,
          "{}: \"{}\" is frozen from epoch {} until {}, which is no time at all", path, rule.match, rule.from,
          rule.until);
  return rule;
}

Freezer::Freezer(nn::Module& module, std::vector<FreezeRule> rules) : module_(module), rules_(std::move(rules)) {
  std::vector<std::string> names;
  for (const auto& item : module_.named_parameters()) {
    names.push_back(item.key());
    if (item.value().requires_grad()) trained_.emplace_back(item.key(), item.value());
  }
  for (const auto& rule : rules_) {
    const auto fits = [&](const std::string& name) { return covers(rule.match, name); };
    require(std::any_of(names.begin(), names.end(), fits), "[train] freeze: \"{}\" is the name of no parameter{}",
            rule.match, suggest(rule.match, names));
    // Only where a rule begins can it be the last straw.
    require(
        std::any_of(trained_.begin(), trained_.end(), [&](const auto& item) { return !frozen(item.first, rule.from); }),
        "[train] freeze leaves nothing to train in epoch {}", rule.from);
  }
}

Freezer::~Freezer() {
  for (const auto& [name, parameter] : trained_) parameter.set_requires_grad(true);
}

bool Freezer::frozen(const std::string& name, int64_t epoch) const {
  return std::any_of(rules_.begin(), rules_.end(),
                     [&](const FreezeRule& rule) { return rule.holds(epoch) && covers(rule.match, name); });
}

void Freezer::begin_epoch(int64_t epoch) {
  epoch_ = epoch;
  for (const auto& [name, parameter] : trained_) parameter.set_requires_grad(!frozen(name, epoch));
}

void Freezer::train_mode() {
  module_.train();
  for (const auto& item : module_.named_modules()) {
    const auto& part = *item.value();
    if (!part.named_buffers(false).contains("running_mean")) continue;
    const auto own = part.parameters(false);
    const bool still = own.empty()
                           ? frozen(item.key(), epoch_)
                           : std::none_of(own.begin(), own.end(), [](const Tensor& p) { return p.requires_grad(); });
    if (still) item.value()->eval();
  }
}

}  // namespace hadal
