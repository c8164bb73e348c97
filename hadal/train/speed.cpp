#include "hadal/train/speed.h"

#include <map>

#include <fmt/format.h>

#include "hadal/core/clock.h"
#include "hadal/core/format.h"
#include "hadal/core/product_speed.h"
#include "hadal/ops/linear.h"

namespace hadal {
namespace {

// Batches differ in length, and some phases and penalties come only in every few steps.
constexpr int64_t kCountedSteps = 16;
constexpr double kLongEnough = 10;  // seconds of training, before half a second is spent on the ceiling

/// "1.23 TFLOP"
std::string flop_text(double flops) {
  static constexpr const char* kUnits[] = {"FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP"};
  size_t unit = 0;
  for (; flops >= 999.5 && unit + 1 < std::size(kUnits); ++unit) flops /= 1000;
  return fmt::format("{:.3g} {}", flops, kUnits[unit]);
}

}  // namespace

double ceiling(const std::string& device, const std::string& precision) {
  static std::map<std::pair<std::string, std::string>, double> known;
  auto& speed = known[{device, precision}];
  if (speed > 0) return speed;
  if (precision == "bf16" || precision == "fp16")
    return speed = product_speed(device, precision == "bf16" ? torch::kBFloat16 : torch::kHalf);
  return speed = product_speed(device, torch::kFloat32,
                               [](const Tensor& x, const Tensor& weight) { return hadal::linear(x, weight); });
}

SpeedMeter::SpeedMeter(std::function<double()> clock, std::function<double()> ceiling)
    : clock_(std::move(clock)), ceiling_(std::move(ceiling)) {}

SpeedMeter::SpeedMeter(const std::string& device, const std::string& precision)
    : SpeedMeter(steady_seconds, [=] { return hadal::ceiling(device, precision); }) {}

void SpeedMeter::on_start(const RunState&) {
  count_.emplace();
  began_ = clock_();
}

void SpeedMeter::on_step(const StepEvent& event) {
  const auto now = clock_();
  const auto samples = static_cast<double>(event.samples);
  // The first step is slower than the rest: memory is taken, kernels are made.
  if (counted_steps_ > 0) seconds_ += now - began_, samples_ += samples;
  began_ = now;
  if (!count_) return;
  flops_ += count_->with_gradients();
  counted_samples_ += samples;
  count_.reset();
  if (++counted_steps_ < kCountedSteps) count_.emplace();
}

void SpeedMeter::on_evaluation(const EvaluationEvent&) {
  began_ = clock_();
  if (count_) count_.reset(), count_.emplace();  // what an evaluation computes is no training
}

void SpeedMeter::on_end(const RunState&, bool) { count_.reset(); }

std::string SpeedMeter::text() {
  if (flops_ == 0 || samples_ == 0 || seconds_ <= 0) return "";
  const auto speed = flops_ / counted_samples_ * samples_ / seconds_;
  auto out = fmt::format("{} a step, {}/s", flop_text(flops_ / static_cast<double>(counted_steps_)), flop_text(speed));
  if (reached_ == 0 && seconds_ >= kLongEnough) reached_ = ceiling_();
  if (reached_ > 0)
    out += fmt::format(": {:.0f} % of what this machine's products reach ({}/s)", 100 * speed / reached_,
                       flop_text(reached_));
  return out;
}

}  // namespace hadal
