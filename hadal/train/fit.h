// Training in one call: a module, a loader, how many epochs. Adam at 1e-3, one cycle of rates over epochs x batches
// (Smith & Topin 2018, arXiv:1708.07120) and gradients clipped to a norm of 1 are what it does unless told otherwise.
#pragma once
#include <functional>
#include <utility>
#include <vector>

#include "hadal/core/shape.h"
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
class FitTask : public Task, private Batches {
 public:
  FitTask(nn::Module& model, Loader<Batch>& loader, std::function<Tensor(const Batch&)> loss)
      : model_(model), loader_(loader), loss_(std::move(loss)) {}

  nn::Module& model() override { return model_; }
  Batches& batches() override { return *this; }
  Losses losses(const Step&) override { return {loss_(*batch_), {}}; }

 private:
  int64_t per_epoch() const override { return loader_.batches(); }
  void start(int64_t epoch, int64_t first) override { loader_.start(epoch, first); }
  bool next() override {
    batch_ = loader_.next();
    return batch_.has_value();
  }

  nn::Module& model_;
  Loader<Batch>& loader_;
  std::function<Tensor(const Batch&)> loss_;
  std::optional<Batch> batch_;
};

/// The plainest batch: what goes in, and what should come out.
struct Pairs {
  Tensor input, target;
};

/// Cross entropy where the target is class numbers (int64), else the mean squared error. Throws Error where numbers are
/// not of the output's shape, and for class numbers of another type.
inline Tensor usual_loss(const Tensor& output, const Tensor& target) {
  if (target.scalar_type() == torch::kInt64) return at::cross_entropy_loss(output, target);
  if (!target.is_floating_point())
    fail("[fit] class numbers are int64, numbers to learn are floats; got {}", target.dtype().name());
  if (output.sizes() != target.sizes())
    fail("[fit] the model gives {} and the target is {}: make them the same shape", shape_text(output),
         shape_text(target));
  return at::mse_loss(output, target);
}

/// Trains `model` in place for `options.epochs` passes over `loader`. `loss` gives the mean loss of a batch, a scalar
/// with gradients. Steps whose loss or gradients are not finite are skipped; throws Error after ten of them in a row.
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

/// The same with usual_loss(net->forward(input), target).
template <class Net>
void fit(Net& net, Loader<Pairs>& loader, int64_t epochs, FitOptions options = {}) {
  options.epochs = epochs;
  fit<Pairs>(
      *net, loader, [&](const Pairs& batch) { return usual_loss(net->forward(batch.input), batch.target); }, options);
}

}  // namespace hadal
