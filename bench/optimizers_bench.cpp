// A step of each optimiser over a model's whole parameter list, as bytes that it has to move a second; beside it what
// plain memory gives (Memory) and torch::optim::AdamW. bench/optimizers.py runs it next to PyTorch.
#include <benchmark/benchmark.h>
#include <torch/optim/adamw.h>

#include "hadal/models/vision/classifier.h"
#include "hadal/optim/clip.h"

namespace hadal {
namespace {

/// GPT-2's 124 M parameters, as the published weights have them.
TensorsByName gpt2() {
  TensorsByName out;
  const auto add = [&](const std::string& name, at::IntArrayRef shape) {
    out.emplace_back(name, torch::randn(shape).mul_(0.02));
  };
  const int64_t width = 768;
  add("wte.weight", {50257, width});
  add("wpe.weight", {1024, width});
  for (int layer = 0; layer < 12; ++layer) {
    const auto in = fmt::format("h.{}.", layer);
    for (const char* norm : {"ln_1", "ln_2"}) {
      add(in + norm + ".weight", {width});
      add(in + norm + ".bias", {width});
    }
    add(in + "attn.c_attn.weight", {width, 3 * width});
    add(in + "attn.c_attn.bias", {3 * width});
    add(in + "attn.c_proj.weight", {width, width});
    add(in + "attn.c_proj.bias", {width});
    add(in + "mlp.c_fc.weight", {width, 4 * width});
    add(in + "mlp.c_fc.bias", {4 * width});
    add(in + "mlp.c_proj.weight", {4 * width, width});
    add(in + "mlp.c_proj.bias", {width});
  }
  add("ln_f.weight", {width});
  add("ln_f.bias", {width});
  return out;
}

TensorsByName parameters(const std::string& model) {
  if (model == "gpt2") {
    auto params = gpt2();
    for (auto& [name, param] : params) {
      param.requires_grad_();
      param.mutable_grad() = torch::randn_like(param).mul_(0.01);
    }
    return params;
  }
  const auto module = classifiers().make({model, {}});
  TensorsByName params;
  for (const auto& item : module->named_parameters()) {
    params.emplace_back(item.key(), item.value());
    item.value().mutable_grad() = torch::randn_like(item.value()).mul_(0.01);
  }
  return params;
}

double size(const TensorsByName& params) {
  int64_t out = 0;
  for (const auto& [name, param] : params) out += param.numel();
  return static_cast<double>(out);
}

void count(benchmark::State& state, double bytes) {
  state.SetBytesProcessed(static_cast<int64_t>(bytes) * state.iterations());
}

/// One step; `bytes` is what each parameter makes the method read and write.
void step(benchmark::State& state, const std::string& model, const Part& part, double bytes) {
  const auto params = parameters(model);
  const auto optimizer = optimizers().make(part, {{params}});
  optimizer->step({});  // makes the state
  for (auto _ : state) optimizer->step({});
  count(state, bytes * size(params));
}

/// Clip by norm, step, zero the gradients.
void clip_step_zero(benchmark::State& state, const std::string& model, const Part& part, double bytes) {
  const auto params = parameters(model);
  const auto optimizer = optimizers().make(part, {{params}});
  const auto all = [&] {
    auto clipped = clip_gradients(*optimizer, {.limit = 1});
    clipped.evaluation.use.zero = true;
    optimizer->step({}, clipped.evaluation);
  };
  all();
  for (auto _ : state) all();
  count(state, (bytes + 8) * size(params));
}

void libtorch_adamw(benchmark::State& state, const std::string& model) {
  std::vector<Tensor> tensors;
  const auto params = parameters(model);
  for (const auto& [name, param] : params) tensors.push_back(param);
  torch::optim::AdamW optimizer(tensors, torch::optim::AdamWOptions(1e-3));
  optimizer.step();
  for (auto _ : state) optimizer.step();
  count(state, 28 * size(params));
}

void memory(benchmark::State& state) {
  auto a = torch::zeros({int64_t{1} << 27});
  const auto b = torch::ones_like(a);
  for (auto _ : state) a.add_(b);
  count(state, 12 * static_cast<double>(a.numel()));
}

struct Method {
  const char* name;
  Part part;
  double bytes;  // float parameters, gradients and state: 4 for each that is read, 4 for each that is written
};

std::vector<Method> methods() {
  const auto generic = [](int states) { return 12.0 + 8 * states; };  // read p, g, states; write p, states
  return {{"adamw", {"adamw", {}}, generic(2)},
          {"adam", {"adam", {}}, generic(2)},
          {"amsgrad", {"adam", Table{{"amsgrad", true}}}, generic(3)},
          {"adamax", {"adamax", {}}, generic(2)},
          {"nadam", {"nadam", {}}, generic(2)},
          {"radam", {"radam", {}}, generic(2)},
          {"sparse_adam", {"sparse_adam", {}}, generic(2)},
          {"sgd", {"sgd", {}}, generic(0)},
          {"sgd_momentum", {"sgd", Table{{"momentum", 0.9}}}, generic(1)},
          {"asgd", {"asgd", {}}, generic(1)},
          {"rprop", {"rprop", {}}, generic(2)},
          {"adagrad", {"adagrad", {}}, generic(1)},
          {"adadelta", {"adadelta", {}}, generic(2)},
          {"rmsprop", {"rmsprop", {}}, generic(1)},
          {"rmsprop_centered_momentum", {"rmsprop", Table{{"centered", true}, {"momentum", 0.9}}}, generic(3)},
          {"lion", {"lion", {}}, generic(1)},
          {"adan", {"adan", {}}, generic(4)},
          {"adopt", {"adopt", {}}, generic(2)},
          {"schedule_free_adamw", {"schedule_free_adamw", {}}, generic(2)},
          // The norm of gradients; p, g, m, v read and m, v written; p, m, v read and p written.
          {"lamb", {"lamb", {}}, 4 + 24 + 16},
          // p and g read for their norms, then as SGD with momentum.
          {"lars", {"lars", Table{{"momentum", 0.9}, {"weight_decay", 1e-4}}}, 8 + generic(1)},
          // Not one pass over memory: the least that they have to move.
          {"adafactor", {"adafactor", {}}, generic(0)},
          {"muon", {"muon", {}}, generic(1)}};
}

const bool kRegistered = [] {
  const auto set_up = [](benchmark::internal::Benchmark* b) {
    b->Unit(benchmark::kMillisecond)->UseRealTime()->MinTime(0.5);
  };
  set_up(benchmark::RegisterBenchmark("Memory", memory));
  for (const auto& [name, part, bytes] : methods())
    set_up(
        benchmark::RegisterBenchmark(fmt::format("Optimizer/gpt2/{}", name).c_str(),
                                     [part = part, bytes = bytes](auto& state) { step(state, "gpt2", part, bytes); }));
  set_up(benchmark::RegisterBenchmark("Optimizer/gpt2/libtorch_adamw",
                                      [](auto& state) { libtorch_adamw(state, "gpt2"); }));
  set_up(benchmark::RegisterBenchmark("Optimizer/resnet50/adamw",
                                      [](auto& state) { step(state, "resnet50", {"adamw", {}}, 28); }));
  for (const char* model : {"gpt2", "resnet50"})
    set_up(benchmark::RegisterBenchmark(fmt::format("Optimizer/{}/adamw_clip_zero", model).c_str(),
                                        [model](auto& state) { clip_step_zero(state, model, {"adamw", {}}, 28); }));
  return true;
}();

}  // namespace
}  // namespace hadal
