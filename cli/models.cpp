#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "hadal/core/format.h"
#include "hadal/models/kinds.h"
#include "hadal/nn/costs.h"
#include "hadal/nn/init.h"

#include "cli/verb.h"

namespace hadal::cli {
namespace {

constexpr double kMostBytes = 2e9;  // of weights, to be run through

std::string help(const Words&) {
  return "Without a pattern: every model. With one: those whose name holds it; with a model's whole name, its settings "
         "too,\nand its layers: what each gives, its parameters and its FLOPs for one input.\n\n"
         "  size=N       the side of the picture, for models of pictures\n"
         "  tokens=N     the length of the text, for models of texts\n"
         "  KEY=VALUE    a setting of the model\n\n"
         "  hadal models vit\n"
         "  hadal models vit_b_16\n"
         "  hadal models yolov8n size=320\n";
}

/// The model's settings and the example's measure (0: none) out of the words behind its name.
struct Asked {
  Part part;
  int64_t measure = 0;
};

Asked read_asked(const Words& words, const ModelKind& kind) {
  Asked asked{{words.plain[0], {}}};
  for (const auto& [key, text] : words.settings) {
    const bool number =
        !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (key == kind.measure && number)
      asked.measure = read_count(key, text, 1);
    else
      asked.part.settings.set_path(key.starts_with("model.") ? key.substr(6) : key, Word{text});
  }
  asked.part = with_measure(kind, asked.part, asked.measure);
  return asked;
}

std::string flops_text(double flops) { return flops > 0 ? format_short(flops) : ""; }

void print_layers(const std::vector<LayerCost>& layers) {
  size_t name = 5, shape = 6;
  LayerCost sum{.name = "sum"};
  const auto shape_of = [](const LayerCost& layer) { return fmt::format("{}", fmt::join(layer.shape, " x ")); };
  for (const auto& layer : layers) {
    name = std::max(name, layer.name.size());
    shape = std::max(shape, shape_of(layer).size());
    sum.parameters += layer.parameters, sum.flops += layer.flops;
  }
  const auto line = [&](const std::string& a, const std::string& b, const std::string& c, const std::string& d) {
    auto text = fmt::format("  {:<{}}  {:<{}}  {:>13}  {:>8}", a, name, b, shape, c, d);
    text.erase(text.find_last_not_of(' ') + 1);
    fmt::print("{}\n", text);
  };
  line("layer", "output", "parameters", "FLOPs");
  auto rows = layers;
  rows.push_back(sum);
  for (const auto& row : rows)
    line(row.name, shape_of(row), row.parameters > 0 ? format_count(row.parameters) : "", flops_text(row.flops));
}

void print_costs(const ModelKind& kind, const Asked& asked) {
  std::shared_ptr<Model> model;
  {
    const WithoutInit unset;
    model = kind.make(asked.part);
  }
  double bytes = 0;
  for (const auto& parameter : model->parameters()) bytes += static_cast<double>(parameter.nbytes());
  if (bytes > kMostBytes) {
    fmt::print("Layers (FLOPs are left out, for the weights take {}):\n", format_bytes(bytes));
    return print_layers(layer_costs(*model, [] {}));
  }
  {
    const torch::NoGradGuard no_grad;
    for (auto& parameter : model->parameters()) parameter.zero_();  // what was there before may be no number
  }
  const auto example = kind.example(model, asked.part, asked.measure);
  fmt::print("Layers, for {}:\n", example.input);
  print_layers(layer_costs(*model, example.forward));
  fmt::print("FLOPs are 2 x multiply-adds of convolutions, linear layers and products.\n");
}

int run(Words words) {
  if (words.plain.size() > 1) fail_usage("models takes one pattern at most");
  const auto pattern = words.plain.empty() ? std::string() : words.plain[0];
  std::vector<std::string> names;
  bool found = false, whole = false;
  for (const auto& task : trained().items()) {
    const auto* field = task.schema.find("model");
    if (!field || !field->kinds) continue;
    for (const auto& model : field->kinds->list()) {
      names.push_back(model.name);
      if (model.name.find(pattern) == std::string::npos) continue;
      found = true;
      fmt::print("{:<18} {:<10} {}\n", model.name, task.name, model.about);
      if (model.name == pattern && !std::exchange(whole, true))
        fmt::print("\nSettings:\n{}\n", field->kinds->schema(model.name)->help("model"));
    }
  }
  if (!found) fail_usage("no model's name holds \"{}\"{}", pattern, suggest(pattern, names));
  if (!whole && !words.settings.empty())
    fail_usage("{} is for one model: give its whole name", words.settings[0].first);
  if (whole) try {
      const auto& kind = kind_of_model(pattern);
      print_costs(kind, read_asked(words, kind));
    } catch (const UsageError& error) {
      if (!words.settings.empty()) throw;
      fmt::print("Its layers are shown once it is whole: {}\n", error.what());  // a model that is a file's alone
    }
  return 0;
}

}  // namespace

Verb models_verb() { return {"models", "models [PATTERN]", "list the models; one's settings and layers", help, run}; }

}  // namespace hadal::cli
