#include "hadal/train/checkpoint.h"

#include <cmath>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <nlohmann/json.hpp>

#include "hadal/core/error.h"
#include "hadal/io/safetensors.h"

namespace hadal {
namespace {

using nlohmann::json;

constexpr auto kFormat = "hadal-checkpoint-1";

/// JSON has no infinities or NaN: they are words here, and a null is a NaN.
json number_json(double value) { return std::isfinite(value) ? json(value) : json(fmt::format("{}", value)); }
double number_from(const json& value) {
  if (value.is_null()) return NAN;
  return value.is_string() ? std::stod(value.get<std::string>()) : value.get<double>();
}

json metrics_json(const Metrics& metrics) {
  auto out = json::array();
  for (const auto& [name, value] : metrics) out.push_back({name, number_json(value)});
  return out;
}

Metrics metrics_from(const json& array) {
  Metrics out;
  for (const auto& item : array) out.emplace_back(item.at(0), number_from(item.at(1)));
  return out;
}

json progress_json(const Progress& p) {
  return {{"step", p.state.step},
          {"steps", p.state.steps},
          {"epochs", p.state.epochs},
          {"epoch_done", p.state.epoch},
          {"seconds", p.state.seconds},
          {"epoch", p.epoch},
          {"batch", p.batch},
          {"best", metrics_json(p.best)},
          {"last", metrics_json(p.last)},
          {"best_step", p.best_step},
          {"loss_sum", number_json(p.loss_sum)},
          {"loss_count", p.loss_count},
          {"loss_scale", p.loss_scale},
          {"good_steps", p.good_steps},
          {"skipped", p.state.skipped},
          {"bad_steps", p.bad_steps},
          {"due", p.due ? metrics_json(*p.due) : json()},
          {"patience", {{"best", number_json(p.patience.best)}, {"bad", p.patience.bad}, {"spent", p.patience.spent}}}};
}

Progress progress_from(const json& j) {
  Progress p;
  p.state = {j.at("step"), j.at("steps"), j.at("epochs"), j.at("epoch_done"), j.at("seconds"), j.at("skipped")};
  p.epoch = j.at("epoch");
  p.batch = j.at("batch");
  p.best = metrics_from(j.at("best"));
  p.last = metrics_from(j.at("last"));
  p.best_step = j.at("best_step");
  p.loss_sum = number_from(j.at("loss_sum"));
  p.loss_count = j.at("loss_count");
  p.loss_scale = j.at("loss_scale");
  p.good_steps = j.at("good_steps");
  p.bad_steps = j.at("bad_steps");
  if (j.contains("due") && !j["due"].is_null()) p.due = metrics_from(j["due"]);  // older ones know no such thing
  const auto& patience = j.at("patience");
  p.patience = {number_from(patience.at("best")), patience.at("bad"), patience.at("spent")};
  if (p.state.step < 0 || p.state.step > p.state.steps || p.epoch < 0 || p.batch < 0 || p.loss_count < 0)
    fail("step {} of {}, epoch {}, batch {} is no place in a run", p.state.step, p.state.steps, p.epoch, p.batch);
  return p;
}

}  // namespace

TensorsByName random_states(const torch::Device& device) {
  TensorsByName states = {{"cpu", at::detail::getDefaultCPUGenerator().get_state()}};
  if (device.is_cuda()) states.emplace_back("cuda", at::globalContext().defaultGenerator(device).get_state());
  return states;
}

void set_random_states(const TensorsByName& states, const torch::Device& device) {
  for (const auto& [name, state] : states) {
    auto generator =
        name == "cpu" ? at::detail::getDefaultCPUGenerator() : at::globalContext().defaultGenerator(device);
    try {
      generator.set_state(state.clone());
    } catch (const c10::Error& error) {
      fail("the checkpoint's random state \"{}\" is not one: {}", name, error.what_without_backtrace());
    }
  }
}

const TensorsByName* Checkpoint::find_group(const std::string& name) const {
  for (const auto& [key, tensors] : groups)
    if (key == name) return &tensors;
  return nullptr;
}

const TensorsByName& Checkpoint::group(const std::string& name) const {
  if (const auto* found = find_group(name)) return *found;
  fail("the checkpoint has no {}: it belongs to a run with other settings", name);
}

const Tensor& Checkpoint::tensor(const std::string& group_name, const std::string& name) const {
  for (const auto& [key, tensor] : group(group_name))
    if (key == name) return tensor;
  fail("the checkpoint has no {}/{}: it belongs to a run with other settings", group_name, name);
}

void Checkpoint::save(const std::filesystem::path& path) const {
  NamedTensors all;
  all.metadata = {{"format", kFormat}, {"progress", progress_json(progress).dump()}, {"about", about}};
  for (const auto& [group, tensors] : groups)
    for (const auto& [name, tensor] : tensors) all.add(group + "/" + name, tensor);
  write_safetensors(path, all);
}

Checkpoint Checkpoint::load(const std::filesystem::path& path) {
  const auto all = read_safetensors(path);
  Checkpoint checkpoint;
  if (const auto format = all.metadata.find("format"); format == all.metadata.end() || format->second != kFormat)
    throw FileError(path.string(), "is not a checkpoint of this version of Hadal");
  try {
    checkpoint.progress = progress_from(json::parse(all.metadata.at("progress")));
  } catch (const std::exception& error) {
    throw FileError(path.string(), fmt::format("its progress cannot be read: {}", error.what()));
  }
  if (const auto about = all.metadata.find("about"); about != all.metadata.end()) checkpoint.about = about->second;
  for (const auto& [name, tensor] : all.entries) {
    const auto slash = name.find('/');
    const auto group = name.substr(0, slash);
    if (checkpoint.groups.empty() || checkpoint.groups.back().first != group) checkpoint.groups.push_back({group, {}});
    checkpoint.groups.back().second.emplace_back(name.substr(slash + 1), tensor);
  }
  return checkpoint;
}

}  // namespace hadal
