// One optimiser step: losses, gradients, clipping, and what happens when they are not finite.
#include <cmath>
#include <string_view>

#include <c10/util/Exception.h>

#include "hadal/core/precision.h"
#include "hadal/optim/clip.h"
#include "hadal/train/trainer.h"

namespace hadal {
/// Whether fp16's gradients can be used; where they overflowed the step is left out and the loss scale falls.
bool Trainer::keep_scale(double norm, double scale) {
  if (std::isfinite(norm)) {
    if (++progress_.good_steps % 2000 == 0) progress_.loss_scale *= 2;
    return true;
  }
  progress_.good_steps = 0;
  progress_.loss_scale = std::max(1.0, scale / 2);
  return scale == 1;  // then it is not the scale that is at fault
}

/// Gradients of `loss` for the phase alone: a generator's loss passes through the discriminator, whose gradients are
/// not this phase's to touch.
void Trainer::backward(const Moving& phase, const Tensor& loss) {
  if (phases_.size() == 1) return loss.backward();
  std::vector<Tensor> inputs;
  for (const auto& parameter : phase.parameters)
    if (parameter.requires_grad()) inputs.push_back(parameter);
  loss.backward({}, std::nullopt, false, inputs);
}

/// Throws NotFinite when a step that is not finite is one too many.
void Trainer::give_up_if_due(size_t index, const std::string& what) const {
  if (progress_.bad_steps + 1 < config_.bad_steps) return;
  const auto where = first_not_finite(*phases_[index].optimizer);
  const auto row =
      config_.bad_steps > 1 ? fmt::format(", the last of {} in a row that were skipped", config_.bad_steps) : "";
  throw NotFinite(fmt::format("[train] {} in step {}{}{}; a lower learning rate, clip=1 or a warm-up usually helps",
                              what, progress_.state.step + 1, row,
                              where.empty() ? "" : ": " + where + " is the first that is not finite"));
}

/// The losses of the current batch; the gradients of `scale` times their total are added to the parameters'.
Losses Trainer::differentiate(size_t index, double scale) {
  Losses losses;
  try {
    const Autocast autocast(device_, config_.precision);
    losses = task_.losses(here(index));
  } catch (const c10::Error& error) {
    if (std::string_view(error.what()).find("more than 1 value per channel") == std::string_view::npos) throw;
    fail(
        "[train] batch norm cannot learn from a batch of {}, of which each channel has one number here: batch=2 or "
        "more",
        task_.batches().size());
  }
  backward(phases_[index], scale == 1 ? losses.total : losses.total * scale);
  return losses;
}

/// The optimiser's step; false when it met what is not finite where it looked again.
bool Trainer::take(Moving& phase, const Rates& rates, const Evaluation& here, const Closure& again) {
  if (!phase.optimizer->needs_closure()) return phase.optimizer->step(rates, here);
  // A batch moves running statistics once, however often it is looked at.
  KeptBuffers statistics(task_.model());
  statistics.keep();
  const auto evaluate = [&] {
    phase.optimizer->zero_grad();
    auto there = again();
    statistics.restore();
    return there;
  };
  return phase.optimizer->step(rates, here, evaluate);
}

/// The step of one phase. Where loss or gradients are not finite, weights and running statistics stay as they were: the
/// last good ones are what a checkpoint must keep. False when that is not the loss scale's fault alone.
bool Trainer::move(size_t index, const Rates& rates, double loss, double scale, StepEvent& event) {
  auto& phase = phases_[index];
  const ClipRule rule{config_.clip, config_.clip_by};
  auto clipped = clip_gradients(*phase.optimizer, rule, 1 / scale);
  event.grad_norms.emplace_back(phases_.size() == 1 ? "grad_norm" : "grad_norm_" + phase.phase.name, clipped.norm);
  clipped.evaluation.loss = loss;
  // For optimisers that look at the loss elsewhere before they decide.
  const auto again = [&] {
    const auto value = differentiate(index, scale).total.item<double>();
    auto there = clip_gradients(*phase.optimizer, rule, 1 / scale);
    there.evaluation.loss = value;
    there.evaluation.finite = std::isfinite(value) && std::isfinite(there.norm);
    return there.evaluation;
  };
  bool overflow = loss_scaling() && !keep_scale(clipped.norm, scale);
  std::string wrong;
  if (!std::isfinite(phase.loss)) {
    wrong = fmt::format("the loss is {}", std::isnan(phase.loss) ? std::abs(phase.loss) : phase.loss);  // no "-nan"
  } else if (!std::isfinite(clipped.norm)) {
    wrong = "the gradients are not finite";
  } else if (!take(phase, rates, clipped.evaluation, again)) {
    wrong = "loss or gradients near the weights are not finite";
    overflow = loss_scaling() && !keep_scale(INFINITY, scale);
  }
  if (!wrong.empty()) {
    event.skipped = true;
    for (auto& any : phases_) any.buffers.restore();  // a generator's loss has passed through the discriminator too
    if (!overflow) give_up_if_due(index, wrong);
  }
  phase.optimizer->zero_grad();
  return wrong.empty() || overflow;
}

/// One optimiser step of every phase over `accumulate` batches; false when the epoch had no batch left. Where one
/// cannot be made the step is as if it had not begun.
bool Trainer::step(StepEvent& event) {
  const auto first = progress_.batch;
  const auto batches = std::min(config_.accumulate, task_.batches().per_epoch() - first);
  const auto random = batches > 1 ? random_states(device_) : TensorsByName();
  for (auto& phase : phases_) phase.buffers.keep(), phase.loss = 0;
  try {
    return step_on(event, batches);
  } catch (const NotFinite&) {
    throw;
  } catch (const Error&) {
    for (auto& phase : phases_) phase.buffers.restore(), phase.optimizer->zero_grad();
    set_random_states(random, device_);
    progress_.batch = first;
    throw;
  }
}

bool Trainer::step_on(StepEvent& event, int64_t batches) {
  const auto rates = schedule_(progress_.state.step);
  const auto loss_scale = loss_scaling() ? progress_.loss_scale : 1.0;  // one for the whole step
  bool good = true;
  for (int64_t micro = 0; micro < batches; ++micro) {
    if (!task_.batches().next()) return false;
    ++progress_.batch;
    event.samples += task_.batches().size();
    for (size_t index = 0; index < phases_.size(); ++index) {
      if (!due(index)) continue;
      auto losses = differentiate(index, loss_scale / static_cast<double>(batches));
      const auto value = losses.total.item<double>();
      phases_[index].loss += value;
      if (micro + 1 == batches) {
        for (auto& part : losses.parts) event.losses.push_back(std::move(part));
        good = move(index, rates, value, loss_scale, event) && good;
      }
    }
  }
  event.losses.insert(event.losses.begin(), {"loss", phases_[0].loss / static_cast<double>(batches)});
  event.lr = lr() * rates.lr_factor;
  if (!good)
    ++progress_.bad_steps;
  else if (!event.skipped)
    progress_.bad_steps = 0;
  progress_.state.skipped += event.skipped ? 1 : 0;
  return true;
}

}  // namespace hadal
