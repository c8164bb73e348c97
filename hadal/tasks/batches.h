// What tasks are trained on, batch by batch.
#pragma once
#include <algorithm>
#include <functional>
#include <tuple>
#include <utility>

#include "hadal/core/stop.h"
#include "hadal/core/torch.h"
#include "hadal/data/loader.h"
#include "hadal/trained/trained.h"

namespace hadal {

/// What every task is given besides its own settings.
struct TaskContext : Use {
  int64_t workers = 2;
  Table learned;  // what this run, or the weights to be scored, were taught: a recipe's [learned]
};

class Batches {
 public:
  virtual ~Batches() = default;
  virtual int64_t per_epoch() const = 0;
  /// How many epochs the run has, for what changes along it: mosaics end before it does.
  virtual void set_epochs(int64_t) {}
  /// From here on next() walks through `epoch`, beginning with its batch `first`.
  virtual void start(int64_t epoch, int64_t first) = 0;
  /// Loads the next batch; false at the end of the epoch.
  virtual bool next() = 0;
  /// Samples in the batch.
  virtual int64_t size() const { return 1; }
};

/// A batch with its tensors on `device`. Batch names them: tensors() ties together what is moved, undefined ones too.
template <class Batch>
Batch moved(Batch batch, const torch::Device& device) {
  const auto move = [&](Tensor& tensor) {
    if (tensor.defined()) tensor = tensor.to(device, tensor.scalar_type(), /*non_blocking=*/true);
  };
  std::apply([&](auto&... tensors) { (move(tensors), ...); }, batch.tensors());
  return batch;
}

/// The loop of every evaluation: eval mode, no gradients, the precision, the loader's threads, the device. Throws
/// Stopped.
template <class Batch>
void each_batch(nn::Module& model, const Sampler& sampler, const TaskContext& at,
                std::function<Batch(const BatchPlan&)> make, const std::function<void(const Batch&)>& take) {
  const Using guard(model, at);
  Loader<Batch> loader(sampler, at.workers, std::move(make));
  loader.start(0);
  while (auto made = loader.next()) {
    throw_if_stopped();
    take(moved(*std::move(made), at.device));
  }
}

/// A loader's batches on the device that trains. The first of a batch's tensors() has a row for each sample. Whoever
/// owns this declares it last: its threads call `make` until it is gone.
template <class Batch>
class LoadedBatches : public Batches {
 public:
  LoadedBatches(const Sampler& sampler, int64_t workers, const torch::Device& device,
                std::function<Batch(const BatchPlan&)> make)
      : device_(device), loader_(sampler, workers, std::move(make)) {}

  int64_t per_epoch() const override { return loader_.batches(); }
  void set_epochs(int64_t epochs) override { loader_.set_epochs(epochs); }
  void start(int64_t epoch, int64_t first) override { loader_.start(epoch, first); }
  bool next() override {
    auto batch = loader_.next();
    if (!batch) return false;
    batch_ = moved(*std::move(batch), device_);
    size_ = std::get<0>(batch_.tensors()).size(0);
    return true;
  }
  int64_t size() const override { return size_; }

  /// The one that next() loaded.
  const Batch& current() const { return batch_; }

 private:
  torch::Device device_;
  Batch batch_;
  int64_t size_ = 0;
  Loader<Batch> loader_;
};

}  // namespace hadal
