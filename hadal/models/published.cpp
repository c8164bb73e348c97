#include "hadal/models/published.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/ranges.h>

#include "hadal/core/error.h"

namespace hadal {
namespace {

using Json = nlohmann::json;

struct Activation {
  const char *theirs, *ours, *gated;  // "": there is none
};
constexpr std::array kActivations = {
    Activation{"gelu", "gelu", "geglu"},      Activation{"gelu_python", "gelu", "geglu"},
    Activation{"gelu_new", "gelu_tanh", ""},  Activation{"gelu_pytorch_tanh", "gelu_tanh", ""},
    Activation{"gelu_fast", "gelu_tanh", ""}, Activation{"silu", "silu", "swiglu"},
    Activation{"swish", "silu", "swiglu"},    Activation{"relu", "relu", ""},
};

/// As a message shows a value of a file that nobody vouches for.
std::string shown(const Json& value) {
  auto text = value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 80) text = text.substr(0, 77) + "...";
  return text;
}

}  // namespace

PublishedConfig::PublishedConfig(const Json& json, const std::string& name) : json_(json), name_(name) {
  const auto* kind = find("model_type");
  if (!kind || !kind->is_string()) throw FileError(name, "has no model_type");
  kind_ = kind->get<std::string>();
  if (const auto* quantized = find("quantization_config"); quantized && !quantized->empty()) {
    const auto* method = find("quantization_config/quant_method");
    refuse(fmt::format("the weights are quantised ({})", method ? shown(*method) : "quantization_config"));
  }
}

const Json* PublishedConfig::find(const std::string& key) const {
  const auto* at = &json_;
  for (size_t begin = 0; begin <= key.size();) {
    const auto end = std::min(key.find('/', begin), key.size());
    if (!at->is_object()) return nullptr;
    const auto found = at->find(key.substr(begin, end - begin));
    if (found == at->end() || found->is_null()) return nullptr;
    at = &*found;
    begin = end + 1;
  }
  return at;
}

int64_t PublishedConfig::integer(const std::string& key, std::optional<int64_t> otherwise) {
  constexpr double kMost = 2147483647;  // products of two still fit
  const auto value = number(key, otherwise ? std::optional(static_cast<double>(*otherwise)) : std::nullopt);
  if (std::abs(value) <= kMost && value == std::floor(value)) return static_cast<int64_t>(value);
  refuse(fmt::format("{} is {} and no whole number", key, value));
  return 1;
}

double PublishedConfig::number(const std::string& key, std::optional<double> otherwise) {
  const auto* found = find(key);
  if (found && found->is_number()) return found->get<double>();
  if (!found && otherwise) return *otherwise;
  refuse(found ? fmt::format("{} is no number", key) : fmt::format("{} is not there", key));
  return otherwise.value_or(1);
}

bool PublishedConfig::flag(const std::string& key, bool otherwise) {
  const auto* found = find(key);
  if (found && found->is_boolean()) return found->get<bool>();
  if (found) refuse(fmt::format("{} is neither true nor false", key));
  return otherwise;
}

std::string PublishedConfig::word(const std::string& key, const std::string& otherwise) {
  const auto* found = find(key);
  if (found && found->is_string()) return found->get<std::string>();
  if (found) refuse(fmt::format("{} is no text", key));
  return otherwise;
}

std::string PublishedConfig::activation(const std::string& key, const std::string& otherwise, bool gated) {
  const auto theirs = word(key, otherwise);
  for (const auto& known : kActivations)
    if (const std::string ours = gated ? known.gated : known.ours; theirs == known.theirs && !ours.empty()) return ours;
  refuse(fmt::format("{} is {}, which is none of the{} activations here", key, shown(theirs), gated ? " gated" : ""));
  return gated ? "swiglu" : "gelu";
}

std::string PublishedConfig::architecture(const std::vector<std::string>& known, const std::string& otherwise) {
  const auto* list = find("architectures");
  const auto* first = list && list->is_array() && !list->empty() ? &(*list)[0] : nullptr;
  if (!first && !otherwise.empty()) return otherwise;
  const auto theirs = first ? shown(*first) : "not there";
  if (std::find(known.begin(), known.end(), theirs) == known.end())
    refuse(fmt::format("architectures is {}; of this kind Hadal reads {}", theirs, fmt::join(known, ", ")));
  return theirs;
}

int64_t PublishedConfig::classes() {
  if (const auto* labels = find("id2label"); labels && labels->is_object() && !labels->empty())
    return static_cast<int64_t>(labels->size());
  return integer("num_labels", 2);
}

void PublishedConfig::expect(const std::string& key, const std::vector<std::string>& known) {
  const auto* found = find(key);
  if (!found) return;
  const auto theirs = shown(*found);
  if (std::find(known.begin(), known.end(), theirs) == known.end())
    refuse(fmt::format("{} is {}, and Hadal has {}", key, theirs, fmt::join(known, ", ")));
}

void PublishedConfig::refuse_flag(const std::string& key, bool value) {
  if (const auto* found = find(key); found && *found == value) refuse(fmt::format("{} is {}", key, value));
}

void PublishedConfig::finish() const {
  if (!wrong_.empty())
    throw FileError(name_, fmt::format("Hadal cannot be this {}: {}", kind_, fmt::join(wrong_, "; ")));
}

}  // namespace hadal
