#include "hadal/train/config.h"

#include "hadal/optim/clip.h"
#include "hadal/optim/schedule.h"

namespace hadal {

Fields<SwaConfig> SwaConfig::fields() {
  using C = SwaConfig;
  return {{"begin", &C::begin, "where averaging begins: a share of the run, \"15 epochs\" or \"5000 steps\" (0: none)"},
          {"interval", &C::interval, "how often the weights are taken into the mean"},
          {"rate", &C::rate, "learning rate from there on (0: that of the schedule)", at_least(0)},
          {"anneal", &C::anneal, "how long it takes to get to that rate"},
          {"ramp", &C::ramp, "the way there", one_of({"cos", "linear"})},
          {"batches", &C::batches, "batches that BatchNorm's statistics are taken from at the end (0: an epoch)",
           at_least(0)}};
}

Schedule SwaConfig::over(Schedule schedule, const RunLength& run, double lr) const {
  if (!on() || rate == 0) return schedule;
  require(lr > 0, "[train] swa.rate wants an optimizer whose lr is above 0");
  const Span span{.ticks = run.steps, .run = run.steps, .per_epoch = run.steps_per_epoch};
  return annealed_schedule(std::move(schedule), span.of(begin, "swa.begin"), span.of(anneal, "swa.anneal"), rate / lr,
                           ramp == "linear");
}

Fields<TrainConfig> TrainConfig::fields() {
  using C = TrainConfig;
  return {
      {"epochs", &C::epochs, "passes over the training data", at_least(1)},
      {"steps", &C::steps, "stop after this many optimiser steps instead of `epochs` (0: by epochs)", at_least(0)},
      {"batch", &C::batch, "samples a batch", at_least(1)},
      {"accumulate", &C::accumulate, "batches whose gradients are averaged before each step", at_least(1)},
      {"optimizer", &C::optimizer, "what moves the weights", optimizers().kinds()},
      {"schedule", &C::schedule, "how the learning rate moves", schedules().kinds()},
      {"clip", &C::clip, "largest norm of all gradients together (0: no clipping)", at_least(0)},
      {"clip_by", &C::clip_by,
       "what `clip` bounds: the norm of all gradients or of each group's, each value, or (adaptive) a unit's gradient "
       "as "
       "a share of its weights",
       one_of(ClipRule::kinds())},
      {"bad_steps", &C::bad_steps,
       "steps whose loss or gradients are not finite are skipped; this many in a row end the run", at_least(1)},
      {"decay_norms", &C::decay_norms, "apply weight decay to norms and biases too"},
      {"decay_embeddings", &C::decay_embeddings, "apply weight decay to embeddings, class tokens and positions"},
      {"layer_decay", &C::layer_decay, "learning rate of each layer as a share of that of the layer above it",
       Limit{.low = 0, .high = 1, .low_open = true}},
      {"groups", &C::groups, "rates by the names of parameters: a list of { match, lr_scale, decay_scale, frozen }"},
      {"ema", &C::ema, "keep an exponential moving average of the weights with this decay and score that (0: none)",
       from_below(0, 1)},
      {"ema_warmup", &C::ema_warmup, "in step n its decay is at most (1 + n) / (this + n) (0: `ema` from the first)",
       at_least(0)},
      {"swa", &C::swa, "keep the plain mean of the weights along the end of the run, and end with it"},
      {"early_stopping", &C::early_stopping, "end the run when its score has stopped getting better"},
      {"freeze", &C::freeze,
       "parameters that stay as they are, by name: \"layer1\", or { match = \"layer1\", until = 5 } for some epochs"},
      {"weights", &C::weights, "weights file to begin from (.safetensors, .pt, .pth, .th)"},
      {"precision", &C::precision,
       "number format of the forward and backward pass; auto: bf16 where the machine computes in it, else fp32",
       one_of({"auto", "fp32", "bf16", "fp16"})},
      {"channels_last", &C::channels_last, "keep pictures with their channels innermost: faster convolutions"},
      {"device", &C::device, "where to compute: auto, cpu, cuda, cuda:1"},
      {"threads", &C::threads, "CPU threads for computing (0: every core this process may use)", at_least(0)},
      {"workers", &C::workers, "threads that load and augment data (0: none, load between steps)", between(0, 256)},
      {"seed", &C::seed, "fixes weights, order and augmentation", at_least(0)},
      {"evaluate_every", &C::evaluate_every, "epochs between evaluations; 0.25 is four times an epoch",
       Limit{.low = 0, .high = 1e9, .low_open = true}},
      {"checkpoint_seconds", &C::checkpoint_seconds, "time between checkpoints (0: only at evaluations and the end)",
       at_least(0)},
      {"checkpoint_steps", &C::checkpoint_steps, "steps between checkpoints, besides the time (0: by time alone)",
       at_least(0)},
      {"limit", &C::limit, "evaluate on at most this many samples, evenly spread over the split (0: all)", at_least(0)},
  };
}

void TrainConfig::validate() const {
  early_stopping.validate();
  require(device == "auto" || device == "cpu" || device.starts_with("cuda"),
          "train.device = \"{}\" is not known; use auto, cpu, cuda or cuda:0", device);
  require(swa.on() || write_config(swa) == write_config(SwaConfig{}),
          "train.swa has no begin, and so would average nothing: add swa.begin=0.75, or leave out the rest");
  require(ema > 0 || ema_warmup == TrainConfig{}.ema_warmup,
          "train.ema_warmup is for an average that this run does not keep: add ema=0.999, or leave it out");
  require(clip > 0 || clip_by == "norm",
          "train.clip_by = \"{}\" bounds nothing while clip is 0: give clip a limit, or leave it out", clip_by);
  require(!swa.on() || ema == 0, "train.ema and train.swa are two averages; a run keeps one of them");
  require(!swa.on() || !early_stopping.on(),
          "train.swa averages up to the end of the run; leave out train.early_stopping");
}

}  // namespace hadal
