#include <fmt/format.h>

#include "cli/verb.h"

namespace hadal::cli {
namespace {

std::string help(const Words&) {
  return "Without a pattern: every model. With one: those whose name holds it; with a model's whole name, its settings "
         "too.\n\n"
         "  hadal models vit\n"
         "  hadal models vit_b_16\n";
}

int run(Words words) {
  if (words.plain.size() > 1 || !words.settings.empty()) fail_usage("models takes one pattern at most");
  const auto pattern = words.plain.empty() ? std::string() : words.plain[0];
  std::vector<std::string> names;
  bool found = false;
  for (const auto& task : trained().items()) {
    const auto* field = task.schema.find("model");
    if (!field || !field->kinds) continue;
    for (const auto& model : field->kinds->list()) {
      names.push_back(model.name);
      if (model.name.find(pattern) == std::string::npos) continue;
      found = true;
      fmt::print("{:<18} {:<10} {}\n", model.name, task.name, model.about);
      if (model.name == pattern) fmt::print("\nSettings:\n{}\n", field->kinds->schema(model.name)->help("model"));
    }
  }
  if (!found) fail_usage("no model's name holds \"{}\"{}", pattern, suggest(pattern, names));
  return 0;
}

}  // namespace

Verb models_verb() { return {"models", "models [PATTERN]", "list the models; one's settings", help, run}; }

}  // namespace hadal::cli
