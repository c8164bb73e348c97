// A task small enough to be trained thousands of steps a second, with all that makes resuming hard: dropout, shuffling,
// noise on the samples, a last batch that is not full.
#pragma once
#include "hadal/tasks/task.h"
#include "hadal/train/trainer.h"

#include "tests/support/support.h"

namespace hadal::test {

struct RegressionOptions {
  int64_t size = 18, batch = 4, workers = 2;
  double dropout = 0, noise = 0;
  bool shuffle = false, val = true, norm = false;  // norm: with a BatchNorm, named 1
  int64_t width = 8;
  std::function<void(const BatchPlan&)> read = {};  // before a batch is made
  std::function<void()> score = {};                 // before an evaluation
};

/// y = a fixed function of x (4), learnt by a small perceptron in double precision.
class Regression : public Task {
 public:
  explicit Regression(const RegressionOptions& options)
      : options_(options),
        batches_({.size = options.size, .batch = options.batch, .shuffle = options.shuffle, .seed = 5}, options.workers,
                 torch::kCPU, [this](const BatchPlan& plan) { return make_batch(plan); }) {
    torch::manual_seed(3);
    net_ = nn::Sequential(nn::Linear(4, options.width));
    if (options.norm) net_->push_back(nn::BatchNorm1d(options.width));
    net_->push_back(nn::Tanh());
    net_->push_back(nn::Dropout(options.dropout));
    net_->push_back(nn::Linear(options.width, 1));
    net_->to(torch::kFloat64);
  }

  nn::Module& model() override { return *net_; }
  Table settings() const override { return {}; }
  Table learned() const override { return {{"kind", "regression"}}; }
  Batches& batches() override { return batches_; }
  Losses losses(const Step&) override {
    ++steps;
    const auto& batch = batches_.current();
    auto loss = (net_->forward(batch.x) - batch.y).square().mean();
    if (poison) loss = poison(loss, steps);
    return {loss, {{"mse", loss.item<double>()}}};
  }

  std::vector<std::string> splits() const override {
    if (options_.val) return {"train", "val"};
    return {"train"};
  }
  Metrics evaluate(const std::string&, int64_t) override {
    const torch::NoGradGuard no_grad;
    net_->eval();
    if (options_.score) options_.score();
    evaluated.push_back(net_->parameters()[0].detach().clone());
    const auto [x, y] = sample(0, nullptr);
    auto loss = (net_->forward(x.unsqueeze(0)) - y).square().mean().item<double>();
    if (!given.empty()) loss = given.at(evaluated.size() - 1);
    return {{"loss", loss}};
  }
  std::vector<Score> scores() const override {
    std::vector<Score> all;
    for (const auto& name : names) all.push_back({name, name != "loss"});
    return all;
  }
  std::string summary() const override { return "regression"; }

  std::function<Tensor(const Tensor& loss, int64_t call)> poison;  // changes the loss of one call
  std::vector<double> given;                                       // what evaluations give instead of the truth
  std::vector<std::string> names;                                  // what is known of them beforehand
  std::vector<Tensor> evaluated;                                   // the first weight at each evaluation
  int64_t steps = 0;

 private:
  struct Batch {
    Tensor x, y;
    auto tensors() { return std::tie(x, y); }
  };
  std::pair<Tensor, Tensor> sample(int64_t index, Random* random) const {
    const auto i = static_cast<double>(index);
    auto x = torch::tensor({std::sin(i), std::cos(i), std::sin(3 * i), std::cos(2 * i)}, torch::kFloat64);
    const auto y = x.square().sum() - x[0];
    if (random && options_.noise > 0)
      for (int k = 0; k < 4; ++k) x[k] += options_.noise * random->normal();
    return {x, y.view({1})};
  }
  Batch make_batch(const BatchPlan& plan) const {
    if (options_.read) options_.read(plan);
    std::vector<Tensor> xs, ys;
    for (const auto index : plan.indices) {
      auto random = plan.sample(index);
      const auto [x, y] = sample(index, &random);
      xs.push_back(x), ys.push_back(y);
    }
    return {at::stack(xs), at::stack(ys)};
  }

  RegressionOptions options_;
  nn::Sequential net_{nullptr};
  LoadedBatches<Batch> batches_;
};

/// Every evaluation's values and every step's loss, and whatever a test wants to do at a step.
struct Listener : Callback {
  void on_step(const StepEvent& event) override {
    events.push_back(event);
    if (act) act(event.state.step);
  }
  void on_evaluation(const EvaluationEvent& event) override {
    evaluations.emplace_back(event.state.step, event.values);
    if (event.best) best_steps.push_back(event.state.step);
  }
  std::function<void(int64_t step)> act;
  std::vector<StepEvent> events;
  std::vector<std::pair<int64_t, Metrics>> evaluations;
  std::vector<int64_t> best_steps;
};

inline TrainConfig quiet_config() {
  TrainConfig config;
  config.device = "cpu";
  config.precision = "fp32";
  config.checkpoint_seconds = 0;
  config.optimizer = {"sgd", {{"lr", 0.05}}};
  config.schedule = {"constant", {}};
  config.epochs = 2;
  return config;
}

}  // namespace hadal::test
