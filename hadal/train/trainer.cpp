#include "hadal/train/trainer.h"

#include <chrono>
#include <cmath>
#include <list>

#include "hadal/core/precision.h"
#include "hadal/io/weights.h"
#include "hadal/optim/clip.h"
#include "hadal/train/history.h"

namespace hadal {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void add_prefixed(Metrics& into, const std::string& prefix, const Metrics& metrics) {
  for (const auto& [name, value] : metrics) into.emplace_back(prefix + name, value);
}

}  // namespace

std::atomic<bool>& stop_requested() {
  static std::atomic<bool> flag = false;
  return flag;
}

Trainer::Trainer(Task& task, const TrainConfig& config, std::filesystem::path folder)
    : task_(task), config_(config), folder_(std::move(folder)), device_(config.device) {
  const auto count = task_.phases().size();
  for (size_t phase = 0; phase < count; ++phase) {
    auto& module = task_.phase_module(phase);
    auto optimizer = optimizers().make(config_.optimizer, param_groups(module, config_.group_rules()));
    require(!optimizer->needs_closure() || config_.accumulate == 1,
            "[train] {} evaluates each batch more than once, so it takes accumulate=1, not {}", config_.optimizer.name,
            config_.accumulate);
    auto parameters = optimizer->parameters();
    phases_.push_back({&module, std::move(optimizer), std::move(parameters)});
  }
  // A last group of batches that is smaller than `accumulate` still makes a step.
  steps_per_epoch_ = (task_.batches_per_epoch() + config_.accumulate - 1) / config_.accumulate;
  require(steps_per_epoch_ > 0, "[train] the training split holds no batch; use more data or a smaller batch ({})",
          config_.batch);
  auto& state = progress_.state;
  state.steps = config_.steps > 0 ? config_.steps : config_.epochs * steps_per_epoch_;
  state.epochs = (state.steps + steps_per_epoch_ - 1) / steps_per_epoch_;
  schedule_ = schedules().make(config_.schedule, RunLength{state.steps, steps_per_epoch_});
  for (const auto& plateau : schedule_.plateaus) check(plateau->watch(), "plateau");
  if (config_.ema > 0) ema_ = std::make_unique<Ema>(task_.model(), config_.ema);
  evaluation_steps_ =
      std::max<int64_t>(1, std::llround(config_.evaluate_every * static_cast<double>(steps_per_epoch_)));
}

void Trainer::resume(const std::filesystem::path& path) {
  const auto checkpoint = Checkpoint::load(path);
  if (checkpoint.progress.state.steps != progress_.state.steps)
    fail("{} belongs to a run of {} steps, this one has {}: epochs, batch and data must stay as they were",
         path.string(), checkpoint.progress.state.steps, progress_.state.steps);
  load_weights(task_.model(), NamedTensors{checkpoint.group("model"), {}, path.string()});
  for (size_t phase = 0; phase < phases_.size(); ++phase)
    phases_[phase].optimizer->load_state(checkpoint.group(fmt::format("optimizer.{}", phase)));
  if (ema_) ema_->load_state(checkpoint.group("ema"));
  for (size_t i = 0; i < schedule_.plateaus.size(); ++i)
    schedule_.plateaus[i]->load_state(checkpoint.tensor("schedule", fmt::format("plateau.{}", i)));
  set_random_states(checkpoint.group("random"), device_);
  progress_ = checkpoint.progress;
}

void Trainer::save_checkpoint() {
  saved_at_ = now();
  if (folder_.empty()) return;
  Checkpoint checkpoint{progress_, {{"model", state_dict(task_.model()).entries}}};
  for (size_t phase = 0; phase < phases_.size(); ++phase)
    checkpoint.groups.emplace_back(fmt::format("optimizer.{}", phase), phases_[phase].optimizer->state());
  if (ema_) checkpoint.groups.emplace_back("ema", ema_->state());
  TensorsByName plateaus;
  for (size_t i = 0; i < schedule_.plateaus.size(); ++i)
    plateaus.emplace_back(fmt::format("plateau.{}", i), schedule_.plateaus[i]->state());
  if (!plateaus.empty()) checkpoint.groups.emplace_back("schedule", std::move(plateaus));
  checkpoint.groups.emplace_back("random", random_states(device_));
  checkpoint.save(folder_ / "checkpoint/last.safetensors");
}

void Trainer::checkpoint_if_due() {
  const bool by_steps = config_.checkpoint_steps > 0 && progress_.state.step % config_.checkpoint_steps == 0;
  const bool by_time = config_.checkpoint_seconds > 0 && now() - saved_at_ >= config_.checkpoint_seconds;
  if (by_steps || by_time) save_checkpoint();
}

/// Whether fp16's gradients can be used; where they overflowed the step is left out and the loss scale falls.
bool Trainer::keep_scale(double norm, double scale) {
  if (std::isfinite(norm)) {
    if (++progress_.good_steps % 2000 == 0) progress_.loss_scale *= 2;
    return true;
  }
  progress_.loss_scale = std::max(1.0, scale / 2);
  progress_.good_steps = 0;
  return false;
}

/// Gradients of `loss` for the phase alone: a generator's loss passes through the discriminator, whose gradients are
/// not this phase's to touch.
void Trainer::backward(const Phase& phase, const Tensor& loss) {
  if (phases_.size() == 1)
    loss.backward();
  else
    loss.backward({}, std::nullopt, false, phase.parameters);
}

/// The losses of the current batch; the gradients of `scale` times their total are added to the parameters'.
Losses Trainer::differentiate(size_t index, double scale) {
  Losses losses;
  {
    const Autocast autocast(device_, config_.precision);
    losses = task_.losses(index);
  }
  backward(phases_[index], scale == 1 ? losses.total : losses.total * scale);
  return losses;
}

void Trainer::move(size_t index, const Rates& rates, double loss, double scale, StepEvent& event) {
  auto& phase = phases_[index];
  const ClipRule rule{config_.clip, config_.clip_by};
  auto clipped = clip_gradients(*phase.optimizer, rule, 1 / scale);
  event.grad_norm = clipped.norm;
  if (!loss_scaling() || keep_scale(clipped.norm, scale)) {
    // Before the weights take them: the last good ones are what a checkpoint must keep.
    if (!std::isfinite(clipped.norm))
      fail("[train] the gradients are not finite in step {}; a lower learning rate or a warm-up usually helps",
           progress_.state.step + 1);
    clipped.evaluation.loss = loss;
    // For optimisers that look at the loss elsewhere before they decide.
    const auto again = [&] {
      phase.optimizer->zero_grad();
      const auto value = differentiate(index, scale);
      auto there = clip_gradients(*phase.optimizer, rule, 1 / scale).evaluation;
      there.loss = value.total.item<double>();
      return there;
    };
    phase.optimizer->step(rates, clipped.evaluation, again);
  }
  phase.optimizer->zero_grad();
}

/// One optimiser step of every phase over `accumulate` batches; false when the epoch had no batch left.
bool Trainer::step(StepEvent& event) {
  const auto left = task_.batches_per_epoch() - progress_.batch;
  const auto batches = std::min(config_.accumulate, left);
  const auto rates = schedule_(progress_.state.step);
  const auto loss_scale = loss_scaling() ? progress_.loss_scale : 1.0;  // one for the whole step
  double sum = 0;
  for (int64_t micro = 0; micro < batches; ++micro) {
    if (!task_.next_batch()) return false;
    ++progress_.batch;
    event.samples += task_.batch_size();
    for (size_t index = 0; index < phases_.size(); ++index) {
      auto losses = differentiate(index, loss_scale / static_cast<double>(batches));
      const auto value = losses.total.item<double>();
      if (!std::isfinite(value))
        fail("[train] the loss is {} in step {}; a lower learning rate, clip=1 or a warm-up usually helps", value,
             progress_.state.step + 1);
      if (index == 0) sum += value;
      if (micro + 1 == batches) {
        for (auto& part : losses.parts) event.losses.push_back(std::move(part));
        move(index, rates, value, loss_scale, event);
      }
    }
  }
  event.losses.insert(event.losses.begin(), {"loss", sum / static_cast<double>(batches)});
  event.lr = phases_[0].optimizer->lr() * rates.lr_factor;
  return true;
}

/// Refuses what cannot be watched before the run begins.
void Trainer::check(const Watch& watch, const char* who) const {
  const auto goal = task_.goal();
  watch.higher_is_better(goal.metric, goal.higher_is_better);
  const auto name = watch.name(goal.metric), split = name.substr(0, name.find('/'));
  require(split == "train" || (split == "val" && task_.has_split("val")),
          "[train] the {} watches {}, but the run scores no {} split; metric = \"train/loss\" is always there", who,
          name, split);
}

/// The value of the score that `watch` follows. Throws UsageError when this run has none of that name.
double Trainer::watched(const Watch& watch, const Metrics& values, const char* who) const {
  const auto name = watch.name(task_.goal().metric);
  if (const auto* value = find_value(values, name)) return *value;
  std::vector<std::string> known;
  for (const auto& [key, value] : values) known.push_back(key);
  fail_usage("[train] the {} watches {}, which this run does not measure{}", who, name, suggest(name, known));
}

void Trainer::evaluate() {
  std::list<Optimizer::Scored> scored;
  for (auto& phase : phases_) scored.emplace_back(*phase.optimizer);
  const Ema::Swap averaged(ema_.get());
  EvaluationEvent event{progress_.state, {}, false, &task_};
  if (progress_.loss_count > 0) event.values.emplace_back("train/loss", progress_.loss_sum / progress_.loss_count);
  event.values.emplace_back("lr", last_lr_);
  event.values.emplace_back("grad_norm", last_norm_);
  const auto goal = task_.goal();
  if (task_.has_split("val")) {
    const Autocast autocast(device_, config_.precision);
    add_prefixed(event.values, "val/", task_.evaluate("val", config_.limit));
  }
  for (const auto& plateau : schedule_.plateaus)
    plateau->observe(watched(plateau->watch(), event.values, "plateau"),
                     plateau->watch().higher_is_better(goal.metric, goal.higher_is_better));
  const auto score = find_value(event.values, "val/" + goal.metric);
  const auto before = find_value(progress_.best, "val/" + goal.metric);
  // Without a validation split the last weights are the best there are.
  event.best =
      !score || !before || std::isnan(*before) || (goal.higher_is_better ? *score > *before : *score < *before);
  progress_.loss_sum = progress_.loss_count = 0;
  progress_.last = event.values;
  if (event.best) progress_.best = event.values, progress_.best_step = progress_.state.step;
  if (!folder_.empty()) {
    auto metadata = task_.metadata();
    metadata.insert(metadata_.begin(), metadata_.end());
    metadata["step"] = fmt::format("{}", progress_.state.step);
    save_weights(folder_ / "weights/last.safetensors", task_.model(), metadata);
    if (event.best) save_weights(folder_ / "weights/best.safetensors", task_.model(), metadata);
  }
  for (auto* callback : callbacks_) callback->on_evaluation(event);
}

Trainer::Outcome Trainer::run() {
  auto& state = progress_.state;
  const auto seconds_before = state.seconds;
  const auto begin = now();
  saved_at_ = begin;
  task_.model().train();
  for (auto* callback : callbacks_) callback->on_start(state);
  bool fresh = true;  // the loader has to be told where to begin
  while (state.step < state.steps && !stop_requested()) {
    if (progress_.batch >= task_.batches_per_epoch()) ++progress_.epoch, progress_.batch = 0, fresh = true;
    if (fresh) task_.start_epoch(progress_.epoch, progress_.batch), fresh = false;
    StepEvent event;
    if (!step(event))
      fail("[train] the data ended {} batches early in epoch {}", task_.batches_per_epoch() - progress_.batch,
           progress_.epoch);
    ++state.step;
    state.epoch = static_cast<double>(progress_.epoch) +
                  static_cast<double>(progress_.batch) / static_cast<double>(task_.batches_per_epoch());
    state.seconds = seconds_before + now() - begin;
    if (ema_) ema_->update(state.step);
    progress_.loss_sum += event.losses[0].second * static_cast<double>(event.samples);
    progress_.loss_count += static_cast<double>(event.samples);
    last_lr_ = event.lr, last_norm_ = event.grad_norm;
    event.state = state;
    for (auto* callback : callbacks_) callback->on_step(event);
    if (state.step % evaluation_steps_ == 0 || state.step == state.steps) {
      evaluate();
      task_.model().train();
      state.seconds = seconds_before + now() - begin;
      save_checkpoint();
    } else {
      checkpoint_if_due();
    }
  }
  const bool done = state.step >= state.steps;
  if (!done) save_checkpoint();
  for (auto* callback : callbacks_) callback->on_end(state, done);
  return {done, progress_.best, progress_.last, state};
}

}  // namespace hadal
