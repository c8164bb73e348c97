// Hadal's side of optimizers.py, which asks for one thing after the other in lines of its input:
//
//   list               prints a line for each method: its name and the bytes that it has to move for each parameter
//   step NAME          one step of a method, over all parameters of the model; prints milliseconds, as all that follow
//   clip NAME          clipping by norm, a step and zeroing the gradients
//   memory             a += b; prints the bytes of that, too
//   libtorch           a step of torch::optim::AdamW
#include <chrono>
#include <iostream>
#include <sstream>

#include <CLI/CLI.hpp>
#include <torch/optim/adamw.h>

#include "hadal/core/memory.h"
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

double milliseconds(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

/// A method and the parameters that it has moved once already, so that its state is there.
class Hadal {
 public:
  Hadal(const std::string& model, const Part& part)
      : parameters_(parameters(model)), optimizer_(optimizers().make(part, {{parameters_}})) {
    clip();
  }
  void step() { optimizer_->step({}); }
  void clip() {
    auto clipped = clip_gradients(*optimizer_, {.limit = 1});
    clipped.evaluation.use.zero = true;
    optimizer_->step({}, clipped.evaluation);
  }

 private:
  TensorsByName parameters_;
  std::unique_ptr<Optimizer> optimizer_;
};

class LibTorch {
 public:
  explicit LibTorch(const std::string& model) : optimizer_(tensors(model), torch::optim::AdamWOptions(1e-3)) { step(); }
  void step() { optimizer_.step(); }

 private:
  static std::vector<Tensor> tensors(const std::string& model) {
    std::vector<Tensor> out;
    for (const auto& [name, param] : parameters(model)) out.push_back(param);
    return out;
  }
  torch::optim::AdamW optimizer_;
};

struct Memory {
  Tensor a = torch::zeros({int64_t{1} << 27}), b = torch::ones_like(a);
  void step() { a.add_(b); }
  double bytes() const { return 12 * static_cast<double>(a.numel()); }
};

/// One at a time of what is asked for.
class Bench {
 public:
  explicit Bench(std::string model) : model_(std::move(model)) {}

  std::string answer(const std::string& line) {
    std::istringstream in(line);
    std::string what, name;
    in >> what >> name;
    if (what == "list") {
      std::string out;
      for (const auto& method : methods()) out += fmt::format("{} {}\n", method.name, method.bytes);
      return out + "\n";
    }
    if (what == "memory") {
      if (!memory_) memory_.emplace().step();
      return fmt::format("{} {}\n", milliseconds([&] { memory_->step(); }), memory_->bytes());
    }
    if (what == "libtorch") {
      if (!libtorch_) libtorch_.emplace(model_);
      return fmt::format("{}\n", milliseconds([&] { libtorch_->step(); }));
    }
    require(what == "step" || what == "clip", "[bench] unknown line \"{}\"", line);
    if (name != name_) {
      hadal_.reset();
      const auto all = methods();
      const auto method = std::find_if(all.begin(), all.end(), [&](const Method& m) { return m.name == name; });
      require(method != all.end(), "[bench] unknown method \"{}\"", name);
      hadal_.emplace(model_, method->part);
      name_ = name;
    }
    return fmt::format("{}\n", milliseconds([&] { what == "step" ? hadal_->step() : hadal_->clip(); }));
  }

 private:
  std::string model_, name_;
  std::optional<Hadal> hadal_;
  std::optional<LibTorch> libtorch_;
  std::optional<Memory> memory_;
};

}  // namespace
}  // namespace hadal

int main(int argc, char** argv) {
  std::string model = "gpt2";
  int threads = 2;
  bool plain = false;
  CLI::App app("Times steps of optimisers, one for each line of the input");
  app.add_option("--threads", threads)->check(CLI::PositiveNumber);
  app.add_flag("--plain-allocator", plain, "LibTorch's memory as it comes, without tune_allocator()");
  app.add_option("model", model)->check(CLI::IsMember({"gpt2", "resnet50"}));
  CLI11_PARSE(app, argc, argv);

  if (!plain) hadal::tune_allocator();
  at::set_num_threads(threads);
  hadal::Bench bench(model);
  for (std::string line; std::getline(std::cin, line);) std::cout << bench.answer(line) << std::flush;
}
