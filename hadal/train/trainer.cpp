#include "hadal/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <list>

#include "hadal/core/clock.h"
#include "hadal/core/memory.h"
#include "hadal/core/precision.h"
#include "hadal/io/passport.h"
#include "hadal/io/weights.h"
#include "hadal/optim/clip.h"
#include "hadal/report/history.h"

namespace hadal {
namespace {

void add_prefixed(Metrics& into, const std::string& prefix, const Metrics& metrics) {
  for (const auto& [name, value] : metrics) into.emplace_back(prefix + name, value);
}

}  // namespace

Trainer::Trainer(Task& task, const TrainConfig& config, std::filesystem::path folder)
    : task_(task), config_(config), folder_(std::move(folder)), device_(config.device) {
  validate_config(config_, "train");
  const auto phases = task_.phases();
  for (const auto& phase : phases) {
    auto& module = *phase.module;
    require(phase.every > 0, "[train] phase {} wants to move in every {}-th step", phase.name, phase.every);
    auto optimizer = optimizers().make(config_.optimizer, param_groups(task_.model(), config_.group_rules(), &module));
    require(!optimizer->needs_closure() || config_.accumulate == 1,
            "[train] {} evaluates each batch more than once, so it takes accumulate=1, not {}", config_.optimizer.name,
            config_.accumulate);
    require(!optimizer->averages() || config_.schedule.name == "constant",
            "[train] {} averages its weights instead of lowering the rate: take schedule=constant, not {}",
            config_.optimizer.name, config_.schedule.name);
    require(!optimizer->averages() || !config_.swa.on(),
            "[train] {} and train.swa are two averages of the weights; leave out train.swa", config_.optimizer.name);
    require(!optimizer->averages() || config_.ema == 0,
            "[train] {} and train.ema are two averages of the weights; leave out train.ema", config_.optimizer.name);
    auto parameters = optimizer->parameters();
    require(!parameters.empty(), "[train] {}{}: nothing is left to train",
            module.parameters().empty() ? "there is no parameter"
            : config_.groups.empty()    ? "every parameter is frozen"
                                        : "groups freeze every parameter",
            phases.size() > 1 ? " of " + phase.name : "");
    phases_.push_back({phase, std::move(optimizer), std::move(parameters), KeptBuffers(module)});
  }
  freezer_.emplace(task_.model(), config_.freeze);
  // A last group of batches that is smaller than `accumulate` still makes a step.
  steps_per_epoch_ = (task_.batches().per_epoch() + config_.accumulate - 1) / config_.accumulate;
  require(steps_per_epoch_ > 0, "[train] the training data holds no whole batch: use more of it, or smaller batches");
  auto& state = progress_.state;
  constexpr int64_t kMostSteps = 1'000'000'000;
  require(config_.steps > 0 ? config_.steps <= kMostSteps : config_.epochs <= kMostSteps / steps_per_epoch_,
          "[train] {} are more than the {} steps that a run may have",
          config_.steps > 0 ? fmt::format("{} steps", config_.steps)
                            : fmt::format("{} epochs of {} steps", config_.epochs, steps_per_epoch_),
          kMostSteps);
  state.steps = config_.steps > 0 ? config_.steps : config_.epochs * steps_per_epoch_;
  state.epochs = (state.steps + steps_per_epoch_ - 1) / steps_per_epoch_;
  task_.batches().set_epochs(state.epochs);
  use(schedules().make(config_.schedule, RunLength{state.steps, steps_per_epoch_}));
  if (config_.early_stopping.on()) check(config_.early_stopping.watch(), "early stopping");
  if (config_.ema > 0) ema_ = std::make_unique<Ema>(task_.averaged(), config_.ema, config_.ema_warmup);
  if (phases_[0].optimizer->averages()) statistics_ = std::make_unique<StatisticsMean>(task_.model());
  if (config_.swa.on()) {
    const Span run{.ticks = state.steps, .run = state.steps, .per_epoch = steps_per_epoch_};
    swa_start_ = run.of(config_.swa.begin, "swa.begin");
    swa_every_ = run.of(config_.swa.interval, "swa.interval");
    require(swa_every_ > 0, "[train] swa.interval wants at least one step");
    require(swa_start_ + swa_every_ <= state.steps,
            "[train] swa takes weights every {} steps from step {} on, but the run has {}; begin earlier", swa_every_,
            swa_start_, state.steps);
    swa_ = std::make_unique<Swa>(task_.averaged());
    schedule_ = config_.swa.over(std::move(schedule_), {state.steps, steps_per_epoch_}, lr());
  }
  evaluation_steps_ =
      std::max<int64_t>(1, std::llround(config_.evaluate_every * static_cast<double>(steps_per_epoch_)));
}

void Trainer::use(Schedule schedule) {
  for (const auto& plateau : schedule.plateaus) check(plateau->watch(), "plateau");
  check_rates(schedule, progress_.state.steps);
  schedule_ = schedule_of(config_.optimizer, std::move(schedule));
}

std::string Trainer::resume(const std::filesystem::path& path) {
  const auto checkpoint = Checkpoint::load(path);
  if (checkpoint.progress.state.steps != progress_.state.steps)
    fail("{} belongs to a run of {} steps, this one has {}: epochs, batch and data must stay as they were",
         path.string(), checkpoint.progress.state.steps, progress_.state.steps);
  load_weights(task_.model(), NamedTensors{checkpoint.group("model"), {}, path.string()});
  for (size_t phase = 0; phase < phases_.size(); ++phase)
    phases_[phase].optimizer->load_state(checkpoint.group(fmt::format("optimizer.{}", phase)));
  if (ema_) ema_->load_state(checkpoint.group("ema"));
  if (swa_) swa_->load_state(checkpoint.group("swa"));
  if (statistics_) statistics_->load_state(checkpoint.group("statistics"));
  for (size_t i = 0; i < schedule_.plateaus.size(); ++i)
    schedule_.plateaus[i]->load_state(checkpoint.tensor("schedule", fmt::format("plateau.{}", i)));
  if (const auto* kept = checkpoint.find_group("task")) task_.load_state(*kept);
  set_random_states(checkpoint.group("random"), device_);
  progress_ = checkpoint.progress;
  return checkpoint.about;
}

/// Weights that are not finite are not worth coming back to: the checkpoint before stays.
void Trainer::save_checkpoint() {
  saved_at_ = steady_seconds();
  if (folder_.empty() || !bad_weight().empty()) return;
  Checkpoint checkpoint{progress_, task_.summary(), {{"model", state_dict(task_.model()).entries}}};
  for (size_t phase = 0; phase < phases_.size(); ++phase)
    checkpoint.groups.emplace_back(fmt::format("optimizer.{}", phase), phases_[phase].optimizer->state());
  if (ema_) checkpoint.groups.emplace_back("ema", ema_->state());
  if (swa_) checkpoint.groups.emplace_back("swa", swa_->state());
  if (statistics_) checkpoint.groups.emplace_back("statistics", statistics_->state());
  TensorsByName plateaus;
  for (size_t i = 0; i < schedule_.plateaus.size(); ++i)
    plateaus.emplace_back(fmt::format("plateau.{}", i), schedule_.plateaus[i]->state());
  if (!plateaus.empty()) checkpoint.groups.emplace_back("schedule", std::move(plateaus));
  if (auto kept = task_.state(); !kept.empty()) checkpoint.groups.emplace_back("task", std::move(kept));
  checkpoint.groups.emplace_back("random", random_states(device_));
  checkpoint.save(folder_ / "checkpoint/last.safetensors");
}

void Trainer::checkpoint_if_due() {
  const bool by_steps = config_.checkpoint_steps > 0 && progress_.state.step % config_.checkpoint_steps == 0;
  const bool by_time = config_.checkpoint_seconds > 0 && steady_seconds() - saved_at_ >= config_.checkpoint_seconds;
  if (by_steps || by_time) save_checkpoint();
}

/// The first weight that is not finite; empty when all are.
std::string Trainer::bad_weight() const {
  for (const auto& phase : phases_)
    if (auto name = first_not_finite(*phase.optimizer); !name.empty()) return name;
  return {};
}

/// Refuses what cannot be watched before the run begins.
void Trainer::check(const Watch& watch, const char* who) const {
  const auto goal = task_.goal();
  const auto name = watch.name(goal), split = name.substr(0, name.find('/'));
  require(split != "test", "[train] the {} watches {}, and the test split is scored at the end alone; watch val/{}",
          who, name, name.substr(name.find('/') + 1));
  require(split == "train" || (split == "val" && task_.has_split("val")),
          "[train] the {} watches {}, but the run scores no {} split; metric = \"train/loss\" is always there", who,
          name, split);
  std::vector<std::string> known;
  if (split == "train") known = {"train/loss"};
  if (split == "val")
    for (const auto& score : task_.scores()) known.push_back(split + "/" + score.name);
  require(known.empty() || std::find(known.begin(), known.end(), name) != known.end(),
          "[train] the {} watches {}, which this run does not measure{}", who, name, suggest(name, known));
  watch.higher_is_better(goal, task_.higher_is_better(goal));
}

/// The value of the score that `watch` follows. Throws UsageError when this run has none of that name.
double Trainer::watched(const Watch& watch, const Metrics& values, const char* who) const {
  const auto name = watch.name(task_.goal());
  if (const auto* value = find_value(values, name)) return *value;
  if (name == "train/loss") return NAN;  // every step since the last evaluation was skipped
  std::vector<std::string> known;
  for (const auto& [key, value] : values) known.push_back(key);
  fail_usage("[train] the {} watches {}, which this run does not measure{}", who, name, suggest(name, known));
}

/// Leaves the model with the mean of its weights, and with running statistics that are theirs.
void Trainer::end_on_average() {
  swa_->settle();
  freezer_->train_mode();
  const FreshStatistics fresh(task_.model());
  if (!fresh.any()) return;
  const torch::NoGradGuard no_grad;
  const auto epoch = task_.batches().per_epoch();
  task_.batches().start(progress_.epoch + 1, 0);
  for (int64_t left = config_.swa.batches > 0 ? std::min(config_.swa.batches, epoch) : epoch; left > 0; --left) {
    if (!task_.batches().next()) break;
    const Autocast autocast(device_, config_.precision);
    for (size_t phase = 0; phase < phases_.size(); ++phase) task_.losses(here(phase));
  }
}

/// At the end of a run that stops early: the model gets what weights/best holds.
void Trainer::restore_best() {
  const auto best = folder_ / "weights/best.safetensors";
  if (folder_.empty() && !best_weights_.empty())
    load_weights(task_.model(), NamedTensors{best_weights_, {}, "the best weights"});
  else if (!folder_.empty() && std::filesystem::exists(best))
    load_weights(task_.model(), best);
}

void Trainer::begin_epoch() {
  freezer_->begin_epoch(progress_.epoch);
  freezer_->train_mode();
  task_.batches().start(progress_.epoch, progress_.batch);
}

void Trainer::evaluate() {
  if (const auto where = bad_weight(); !where.empty())
    throw NotFinite(
        fmt::format("[train] {} is not finite after step {}; a lower learning rate, clip=1 or a warm-up "
                    "usually helps",
                    where, progress_.state.step));
  std::list<Optimizer::Scored> scored;
  for (auto& phase : phases_) scored.emplace_back(*phase.optimizer);
  const Average::Swap averaged(ema_.get()), statistics(statistics_.get());
  EvaluationEvent event{progress_.state, {}, false, &task_};
  if (progress_.loss_count > 0) event.values.emplace_back("train/loss", progress_.loss_sum / progress_.loss_count);
  event.values.insert(event.values.end(), progress_.due->begin(), progress_.due->end());
  if (progress_.state.skipped > 0)
    event.values.emplace_back("skipped_steps", static_cast<double>(progress_.state.skipped));
  const auto goal = task_.goal();
  const bool higher = task_.higher_is_better(goal);
  if (task_.has_split("val")) add_prefixed(event.values, "val/", task_.evaluate("val", config_.limit));
  progress_.due.reset();
  trim_memory();
  for (const auto& plateau : schedule_.plateaus)
    plateau->observe(watched(plateau->watch(), event.values, "plateau"),
                     plateau->watch().higher_is_better(goal, higher));
  if (const auto& stopping = config_.early_stopping; stopping.on())
    progress_.patience.observe(stopping, watched(stopping.watch(), event.values, "early stopping"),
                               stopping.watch().higher_is_better(goal, higher), progress_.state.epoch);
  const auto score = find_value(event.values, "val/" + goal);
  const auto before = find_value(progress_.best, "val/" + goal);
  // Without a validation split the last weights are the best there are.
  event.best = !score || !before || std::isnan(*before) || (higher ? *score > *before : *score < *before);
  progress_.loss_sum = progress_.loss_count = 0;
  progress_.last = event.values;
  if (event.best) progress_.best = event.values, progress_.best_step = progress_.state.step;
  if (!folder_.empty()) {
    auto recipe = recipe_;
    if (auto learned = task_.learned(); !recipe.empty() && !learned.empty()) recipe.set("learned", std::move(learned));
    write_weights(folder_ / "weights/last.safetensors", task_.model(), recipe, progress_.state.step);
    if (event.best) {
      write_weights(folder_ / "weights/best.safetensors", task_.model(), recipe, progress_.state.step);
      task_.write_beside(folder_ / "weights/best");
    }
  } else if (event.best && config_.early_stopping.on() && config_.early_stopping.restore_best) {
    best_weights_.clear();
    for (const auto& [name, tensor] : state_dict(task_.model()).entries)
      best_weights_.emplace_back(name, tensor.clone());
  }
  for (auto* callback : callbacks_) callback->on_evaluation(event);
}

/// Whoever is stopped or fails within it saves what it began with, random states too: the next sitting makes it first.
void Trainer::make_due_evaluation() {
  auto& state = progress_.state;
  const auto random = random_states(device_);
  try {
    if (swa_ && state.step == state.steps) end_on_average();
    evaluate();
  } catch (...) {
    if (progress_.due) set_random_states(random, device_);
    throw;
  }
  freezer_->train_mode();
  state.seconds = seconds_before_ + steady_seconds() - began_at_;
  save_checkpoint();
}

/// To the end, or until somebody wants it to stop.
void Trainer::go_on() {
  auto& state = progress_.state;
  if (progress_.due) make_due_evaluation();
  bool fresh = true;  // the loader has to be told where to begin
  while (!ended() && !stop_requested() && !stopped_) {
    if (progress_.batch >= task_.batches().per_epoch()) ++progress_.epoch, progress_.batch = 0, fresh = true;
    if (fresh) begin_epoch(), fresh = false;
    StepEvent event;
    if (!step(event))
      fail("[train] the data ended {} batches early in epoch {}", task_.batches().per_epoch() - progress_.batch,
           progress_.epoch);
    ++state.step;
    state.epoch = static_cast<double>(progress_.epoch) +
                  static_cast<double>(progress_.batch) / static_cast<double>(task_.batches().per_epoch());
    state.seconds = seconds_before_ + steady_seconds() - began_at_;
    if (ema_) ema_->update(state.step);
    if (statistics_) statistics_->update(state.step);
    if (swa_ && state.step > swa_start_ && (state.step - swa_start_) % swa_every_ == 0) swa_->update();
    if (!event.skipped) {
      progress_.loss_sum += event.losses[0].second * static_cast<double>(event.samples);
      progress_.loss_count += static_cast<double>(event.samples);
      last_norms_ = event.grad_norms;
    }
    last_lr_ = event.lr;
    event.state = state;
    for (auto* callback : callbacks_) callback->on_step(event);
    if (state.step % evaluation_steps_ == 0 || state.step == state.steps) {
      progress_.due = Metrics{{"lr", last_lr_}};
      progress_.due->insert(progress_.due->end(), last_norms_.begin(), last_norms_.end());
      make_due_evaluation();
    } else {
      checkpoint_if_due();
    }
  }
}

Trainer::Outcome Trainer::run() {
  auto& state = progress_.state;
  seconds_before_ = state.seconds;
  began_at_ = saved_at_ = steady_seconds();
  for (auto* callback : callbacks_) callback->on_start(state);
  try {
    go_on();
  } catch (const Stopped&) {
  } catch (const NotFinite&) {
    throw;
  } catch (const Error&) {
    try {
      save_checkpoint();
    } catch (const Error&) {  // a full disk, perhaps: the first error is the one to tell
    }
    throw;
  }
  const bool done = ended() && !progress_.due;
  if (!done) {
    save_checkpoint();
  } else if (config_.early_stopping.on() && config_.early_stopping.restore_best) {
    restore_best();
  } else {
    for (auto& phase : phases_) phase.optimizer->show_scored(true);
    if (statistics_) statistics_->settle();
  }
  for (auto* callback : callbacks_) callback->on_end(state, done);
  return {done, progress_.best, progress_.last, state};
}

}  // namespace hadal
