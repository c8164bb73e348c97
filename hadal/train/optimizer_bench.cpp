#include "hadal/train/optimizer_bench.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

#include "hadal/core/format.h"
#include "hadal/report/history.h"
#include "hadal/train/run.h"
#include "hadal/train/trainer.h"

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;

/// What one training gave.
struct Trial {
  double score = NAN, step_ms = 0, state_bytes = 0;
  int64_t parameters = 0;
};

class StepTimes : public Callback {
 public:
  void on_start(const RunState&) override { last_ = Clock::now(); }
  void on_step(const StepEvent&) override {
    const auto now = Clock::now();
    times_.push_back(std::chrono::duration<double, std::milli>(now - last_).count());
    last_ = now;
  }
  double median() const {
    auto sorted = times_;
    std::sort(sorted.begin(), sorted.end());
    return sorted.empty() ? 0 : sorted[sorted.size() / 2];
  }

 private:
  Clock::time_point last_;
  std::vector<double> times_;
};

/// The method with the settings without which nobody uses it.
Part usual(const std::string& name) {
  const Table momentum = {{"momentum", 0.9}};
  if (name == "sgd" || name == "lars") return {name, momentum};
  if (name == "sam") {
    Table base = {{"name", "sgd"}};
    base.merge(momentum);
    return {name, {{"base", base}}};
  }
  return {name, {}};
}

double default_lr(const std::string& name) {
  const auto part = optimizers().resolve(usual(name));
  return read_number(*part.settings.find_path(lr_path(part)), "lr", {});
}

/// The user wants no more: what is half done has no row.
struct TrialStopped {};

Trial train(Recipe recipe, const std::string& optimizer, double lr, int64_t steps, const OptimizerBenchConfig& config) {
  Trial mean;
  mean.score = 0;
  auto& settings = recipe.train;
  settings.optimizer = usual(optimizer);
  settings.optimizer.settings.set_path(lr_path(settings.optimizer), lr);
  const bool own_schedule = optimizer.starts_with("schedule_free");
  settings.schedule = {own_schedule ? "constant" : "cosine", {{"warmup", 0.05}}};
  settings.steps = steps;
  settings.limit = config.limit;
  settings.ema = 0, settings.ema_warmup = TrainConfig{}.ema_warmup;
  settings.swa = {};
  settings.early_stopping = {};
  const auto first_seed = settings.seed;
  for (int64_t seed = 0; seed < config.seeds; ++seed) {
    recipe.train.seed = first_seed + seed;
    auto own = recipe;
    const auto task = settle(own);
    own.train.evaluate_every = static_cast<double>(steps);  // at the end alone
    Trainer trainer(*task, own.train);
    StepTimes times;
    trainer.listen(times);
    const auto goal = task->goal();
    double score = task->higher_is_better(goal) ? -INFINITY : INFINITY;  // of a training that fell over
    try {
      const auto outcome = trainer.run();
      if (!outcome.done) throw TrialStopped();
      const auto* value = find_value(outcome.last, "val/" + goal);
      if (!value) fail_usage("[bench] {} scores no validation split to compare by", recipe.name);
      if (std::isfinite(*value)) score = *value;
    } catch (const NotFinite&) {
      // Too high a rate.
    }
    const auto share = 1 / static_cast<double>(config.seeds);
    mean.score += share * score;
    mean.step_ms += share * times.median();
    mean.parameters = 0;
    for (const auto& parameter : trainer.optimizer().parameters()) mean.parameters += parameter.numel();
    size_t bytes = 0;
    for (const auto& [name, tensor] : trainer.optimizer().state()) bytes += tensor.nbytes();
    mean.state_bytes = static_cast<double>(bytes) / static_cast<double>(std::max<int64_t>(1, mean.parameters));
  }
  return mean;
}

}  // namespace

Fields<OptimizerBenchConfig> OptimizerBenchConfig::fields() {
  using C = OptimizerBenchConfig;
  return {{"optimizers", &C::optimizers, "which ones, by name; empty: all"},
          {"steps", &C::steps, "steps of each training", at_least(1)},
          {"seconds", &C::seconds, "the equal time (0: what adamw takes for the steps)", at_least(0)},
          {"seeds", &C::seeds, "trainings each score is the mean of", at_least(1)},
          {"limit", &C::limit, "validation samples (0: all)", at_least(0)},
          {"factor", &C::factor, "from a learning rate to the next one tried", above(1)},
          {"climb", &C::climb, "how often a better rate is looked for in either direction", at_least(0)}};
}

void OptimizerBenchConfig::validate() const {
  for (const auto& name : optimizers) (void)hadal::optimizers().at(name);
}

OptimizerTable compare_optimizers(const Recipe& recipe, const OptimizerBenchConfig& config,
                                  const std::function<void(const std::string&)>& say,
                                  const std::function<void(const OptimizerTable&)>& keep) {
  auto names = config.optimizers.empty() ? optimizers().names() : config.optimizers;
  // It sets the time.
  std::stable_partition(names.begin(), names.end(), [](const std::string& name) { return name == "adamw"; });
  OptimizerTable table{.title = recipe.name, .steps = config.steps, .seconds = config.seconds};
  {
    auto own = recipe;
    const auto task = settle(own);
    table.metric = "val/" + task->goal();
    table.higher_is_better = task->higher_is_better(task->goal());
  }
  const auto better = [&](double a, double b) { return table.higher_is_better ? a > b : a < b; };
  for (const auto& name : names) {
    Standing row{.optimizer = name, .lr = default_lr(name)};
    try {
      const auto start = train(recipe, name, row.lr, config.steps, config);
      auto best = start;
      const auto first = row.lr;
      for (const auto towards : {config.factor, 1 / config.factor}) {
        auto here = start;
        for (auto [lr, climbed] = std::pair(first * towards, int64_t{0}); climbed < config.climb; ++climbed) {
          const auto next = train(recipe, name, lr, config.steps, config);
          if (!better(next.score, here.score)) break;
          here = next;
          if (better(here.score, best.score)) best = here, row.lr = lr;
          lr *= towards;
        }
      }
      if (!std::isfinite(best.score)) fail("the loss was not finite at any rate that was tried");
      row.at_steps = best.score;
      row.step_ms = best.step_ms;
      row.state_bytes = best.state_bytes;
      table.parameters = best.parameters;
      if (table.seconds == 0) table.seconds = best.step_ms * static_cast<double>(config.steps) / 1000;
      row.steps_in_time = std::max<int64_t>(1, std::llround(1000 * table.seconds / row.step_ms));
      // Nearly as many steps are the same training.
      const auto apart = std::abs(static_cast<double>(row.steps_in_time - config.steps));
      row.at_time = apart <= 0.02 * static_cast<double>(config.steps)
                        ? best.score
                        : train(recipe, name, row.lr, row.steps_in_time, config).score;
    } catch (const TrialStopped&) {
      break;
    } catch (const c10::Error& error) {
      row.problem = error.what_without_backtrace();
    } catch (const std::exception& error) {
      row.problem = error.what();
    }
    row.problem = row.problem.substr(0, row.problem.find('\n'));  // it stands in a table
    if (say)
      say(row.problem.empty() ? fmt::format("{}: {} {:.4f} after {} steps with lr {:.2g}, {:.4f} after {} in the time; "
                                            "{:.2f} ms a step",
                                            name, table.metric, row.at_steps, config.steps, row.lr, row.at_time,
                                            row.steps_in_time, row.step_ms)
                              : fmt::format("{}: {}", name, row.problem));
    table.rows.push_back(std::move(row));
    std::stable_sort(table.rows.begin(), table.rows.end(), [&](const Standing& a, const Standing& b) {
      if (a.problem.empty() != b.problem.empty()) return a.problem.empty();
      return a.problem.empty() && better(a.at_steps, b.at_steps);
    });
    if (keep) keep(table);
    if (stop_requested()) break;
  }
  return table;
}

std::string OptimizerTable::markdown() const {
  auto out = fmt::format("{}: {} parameters, {} after {} steps and after {:.1f} s\n\n", title, format_count(parameters),
                         metric, steps, seconds);
  out +=
      "| Optimizer | lr | In equal steps | In equal time | Steps in it | ms a step | State, bytes a parameter |\n"
      "| --- | --- | --- | --- | --- | --- | --- |\n";
  for (const auto& row : rows)
    out += row.problem.empty()
               ? fmt::format("| `{}` | {:.2g} | {:.4f} | {:.4f} | {} | {:.1f} | {:.2f} |\n", row.optimizer, row.lr,
                             row.at_steps, row.at_time, row.steps_in_time, row.step_ms, row.state_bytes)
               : fmt::format("| `{}` | – | – | – | – | – | {} |\n", row.optimizer, row.problem);
  return out;
}

std::string OptimizerTable::csv() const {
  std::string out = "problem,optimizer,lr,metric,steps,score,seconds,steps_in_time,score_in_time,step_ms,state_bytes\n";
  for (const auto& row : rows)
    if (row.problem.empty())
      out += fmt::format("{},{},{},{},{},{},{},{},{},{},{}\n", title, row.optimizer, row.lr, metric, steps,
                         row.at_steps, seconds, row.steps_in_time, row.at_time, row.step_ms, row.state_bytes);
  return out;
}

}  // namespace hadal
