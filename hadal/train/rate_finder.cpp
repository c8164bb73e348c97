#include "hadal/train/rate_finder.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "hadal/core/machine.h"
#include "hadal/io/file.h"
#include "hadal/io/weights.h"
#include "hadal/report/report.h"
#include "hadal/train/trainer.h"

namespace hadal {
namespace {

constexpr double kLossSmoothing = 0.95, kBlownUp = 4;

/// Follows the losses and ends the training where they blow up.
class Watcher : public Callback {
 public:
  Watcher(Trainer& trainer, int64_t steps, std::function<double(int64_t step)> rate)
      : trainer_(trainer), steps_(steps), rate_(std::move(rate)) {}

  void on_step(const StepEvent& event) override {
    const auto loss = event.losses.at(0).second;
    if (event.skipped || !std::isfinite(loss)) return trainer_.stop();
    mean_ = kLossSmoothing * mean_ + (1 - kLossSmoothing) * loss;
    weight_ = kLossSmoothing * weight_ + (1 - kLossSmoothing);
    curve.rates.push_back(rate_(event.state.step - 1));
    curve.losses.push_back(loss);
    curve.smoothed.push_back(mean_ / weight_);
    const auto lowest = *std::min_element(curve.smoothed.begin(), curve.smoothed.end());
    // A loss may be negative; what it has fallen by is then the measure.
    const auto range = std::max(std::abs(lowest), curve.smoothed[0] - lowest);
    if (event.state.step >= steps_ || curve.smoothed.back() - lowest > (kBlownUp - 1) * range) trainer_.stop();
  }

  RateCurve curve;

 private:
  Trainer& trainer_;
  int64_t steps_;
  std::function<double(int64_t step)> rate_;
  double mean_ = 0, weight_ = 0;
};

/// What the rates that were tried do not show. The first losses, up to `begin`, tell how much is noise.
std::string doubt_of(const RateCurve& curve, size_t begin, size_t lowest, bool blew_up) {
  const auto first = curve.smoothed[begin];
  double squares = 0;
  for (size_t i = 0; i <= begin; ++i) squares += (curve.losses[i] - first) * (curve.losses[i] - first);
  const auto noise = std::max(0.02 * std::abs(first), std::sqrt(squares / static_cast<double>(begin + 1)));
  if (first - curve.smoothed[lowest] < noise)
    return blew_up
               ? "the loss fell at no rate before it blew up: begin lower with find_lr.low, or take more find_lr.steps"
               : "the loss fell at no rate: go higher with find_lr.high";
  const auto count = curve.rates.size();
  if (!blew_up && lowest + 1 >= count - count / 20)
    return "the loss still falls at the last rate: go higher with find_lr.high";
  return "";
}

void read_off(RateCurve& curve, bool blew_up) {
  const auto& smoothed = curve.smoothed;
  // The first tenth is the mean of too few losses to be the lowest.
  const auto begin = smoothed.size() / 10;
  const auto lowest = static_cast<size_t>(
      std::min_element(smoothed.begin() + static_cast<std::ptrdiff_t>(begin), smoothed.end()) - smoothed.begin());
  size_t steepest = 0;
  for (size_t i = 1; i < lowest; ++i)
    if (smoothed[i + 1] - smoothed[i - 1] < smoothed[steepest + 1] - smoothed[std::max<size_t>(steepest, 1) - 1])
      steepest = i;
  curve.lowest = curve.rates[lowest];
  curve.steepest = curve.rates[steepest];
  curve.suggested = curve.lowest / 10;
  curve.doubt = doubt_of(curve, begin, lowest, blew_up);
}

}  // namespace

Fields<RateFinderConfig> RateFinderConfig::fields() {
  return {{"low", &RateFinderConfig::low, "the first rate", above(0)},
          {"high", &RateFinderConfig::high, "the last rate", above(0)},
          {"steps", &RateFinderConfig::steps, "steps from one to the other", at_least(10)}};
}

void RateFinderConfig::validate() const {
  require(high > low, "find_lr.high ({}) must be above find_lr.low ({})", high, low);
}

std::optional<RateCurve> find_rate(Task& task, TrainConfig train, const RateFinderConfig& config) {
  validate_config(config, "find_lr");
  const auto device = torch::Device(train.device);
  TensorsByName before;
  for (const auto& [name, tensor] : state_dict(task.model()).entries) before.emplace_back(name, tensor.clone());
  const auto random = random_states(device);

  const auto put_back = [&] {
    load_weights(task.model(), NamedTensors{before, {}, "the weights before"});
    set_random_states(random, device);
  };
  train.ema = 0, train.ema_warmup = TrainConfig{}.ema_warmup;
  train.swa = {};
  train.early_stopping = {};
  train.schedule = {"constant", {}};
  train.steps = config.steps + 1;  // the watcher ends it one step before the evaluation at its end
  train.evaluate_every = static_cast<double>(train.steps);
  train.bad_steps = train.steps;
  Trainer trainer(task, train);
  // The optimizer keeps its lr, which may stand in a proportion to others (Muon's to that of its AdamW).
  const auto lr = trainer.lr();
  require(lr > 0, "[find_lr] wants an optimizer whose lr is above 0");
  require(trainer.follows_rate(),
          "[find_lr] {} takes its lr for its first step alone, so that no other rate would move it",
          train.optimizer.name);
  const auto growth = std::log(config.high / config.low) / static_cast<double>(config.steps - 1);
  const auto rate = [=](int64_t step) { return config.low * std::exp(growth * static_cast<double>(step)); };
  trainer.use(lambda_schedule([=](int64_t step) { return rate(step) / lr; }));
  Watcher watcher(trainer, config.steps, rate);
  trainer.listen(watcher);
  try {
    trainer.run();
  } catch (...) {
    put_back();
    throw;
  }
  put_back();
  if (stop_requested()) return std::nullopt;
  if (watcher.curve.rates.size() < 3)
    fail("[find_lr] the loss is not finite after {} steps at a rate of {:.3g}; begin lower with find_lr.low",
         watcher.curve.rates.size(), config.low);
  read_off(watcher.curve, std::ssize(watcher.curve.rates) < config.steps);
  return std::move(watcher.curve);
}

void write_rate_curve(const std::filesystem::path& folder, const std::string& name, const RateCurve& curve) {
  std::string csv = "step,lr,loss,smoothed\n";
  CurveFigure figure{"loss by learning rate", "log10 of the learning rate", "", {{"loss", {}}, {"smoothed", {}}}};
  for (size_t i = 0; i < curve.rates.size(); ++i) {
    csv += fmt::format("{},{},{},{}\n", i + 1, curve.rates[i], curve.losses[i], curve.smoothed[i]);
    figure.series[0].points.emplace_back(std::log10(curve.rates[i]), curve.losses[i]);
    figure.series[1].points.emplace_back(std::log10(curve.rates[i]), curve.smoothed[i]);
  }
  write_file(folder / "find_lr.csv", csv);
  const ReportInput report{
      .title = name + ": learning rate",
      .about = "The loss of a short training whose rate grows from step to step",
      .facts = {{"Suggested", curve.doubt.empty() ? fmt::format("{:.2g}", curve.suggested) : "nothing: " + curve.doubt},
                {"Lowest loss at", fmt::format("{:.2g}", curve.lowest)},
                {"Steepest fall at", fmt::format("{:.2g}", curve.steepest)}},
      .figures = {figure},
      .machine = {machine_line()}};
  write_file(folder / "find_lr.html", make_report(report));
}

}  // namespace hadal
