// Training in one call: a module, a loader and a loss of your own, with Adam, OneCycle and clipping by norm.
#pragma once
#include <functional>
#include <utility>
#include <vector>

#include "hadal/data/loader.h"
#include "hadal/train/trainer.h"

namespace hadal {

struct FitOptions {
  int64_t epochs = 10;
  Part optimizer{"adam", Table{{"lr", 1e-3}}}, schedule{"one_cycle", {}};
  double clip = 1;
  std::vector<Callback*> listeners;  // a ProgressDisplay shows how it goes
};

/// A loader and a loss as a task: what fit() trains.
template <class Batch>
class FitTask : public Task {
 public:
  FitTask(nn::Module& model, Loader<Batch>& loader, std::function<Tensor(const Batch&)> loss)
      : model_(model), loader_(loader), loss_(std::move(loss)) {}

  nn::Module& model() override { return model_; }
  int64_t batches_per_epoch() const override { return loader_.batches(); }
  void start_epoch(int64_t epoch, int64_t first) override { loader_.start(epoch, first); }
  bool next_batch() override {
    batch_ = loader_.next();
    return batch_.has_value();
  }
  Losses losses(size_t) override { return {loss_(*batch_), {}}; }

 private:
  nn::Module& model_;
  Loader<Batch>& loader_;
  std::function<Tensor(const Batch&)> loss_;
  std::optional<Batch> batch_;
};

/// Trains `model` in place for `options.epochs` passes over `loader`. `loss` gives the mean loss of a batch, a scalar
/// with gradients. Throws Error when it is not finite.
template <class Batch>
void fit(nn::Module& model, Loader<Batch>& loader, std::function<Tensor(const Batch&)> loss,
         const FitOptions& options = {}) {
  FitTask<Batch> task(model, loader, std::move(loss));
  Trainer trainer(task, {.epochs = options.epochs,
                         .optimizer = options.optimizer,
                         .schedule = options.schedule,
                         .clip = options.clip,
                         .precision = "fp32",
                         .device = "cpu",
                         .checkpoint_seconds = 0});
  for (auto* listener : options.listeners) trainer.listen(*listener);
  trainer.run();
}

}  // namespace hadal
