// Batches, made ahead by threads. Which samples a batch holds and which random numbers they see depend on the seed, the
// epoch and the sample's index alone: never on the threads, their number or their timing.
#pragma once
#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "hadal/core/error.h"
#include "hadal/core/random.h"

namespace hadal {

/// What one batch is made from.
struct BatchPlan {
  uint64_t seed = 0;
  int64_t epoch = 0, number = 0;
  std::vector<int64_t> indices;
  int64_t epochs = 1, batches = 1;  // of the run, and of an epoch

  /// How far the run is, 0 to 1.
  double progress() const {
    return (static_cast<double>(epoch) + static_cast<double>(number) / static_cast<double>(batches)) /
           static_cast<double>(epochs);
  }

  /// The random stream of a sample in this epoch.
  Random sample(int64_t index) const { return Random(seed, {1, uint64_t(epoch), uint64_t(index)}); }
  /// The random stream of the batch as a whole (mixup).
  Random whole() const { return Random(seed, {2, uint64_t(epoch), uint64_t(number)}); }
};

/// `count` indices of samples in proportion to their weights, from a seed and an epoch: each sample floor(its part)
/// times, the rest by chance; shuffled.
std::vector<int64_t> weighted_order(const std::vector<double>& weights, int64_t count, uint64_t seed, int64_t epoch);

/// The order in which an epoch visits a data set.
struct Sampler {
  int64_t size = 0, batch = 1;
  bool shuffle = false;
  bool drop_last = false;  // leave out a last batch that is not full
  uint64_t seed = 0;
  int64_t of = 0;                    // without shuffle: `size` samples, evenly spread over so many (0: of size)
  std::vector<double> weights = {};  // with shuffle: how often each sample is drawn beside the others; empty: once each

  int64_t batches() const { return size / batch + (drop_last || size % batch == 0 ? 0 : 1); }
  void validate() const {
    require(size >= 0, "[loader] a data set of {} samples", size);
    require(batch > 0, "[loader] a batch wants at least one sample, got {}", batch);
    require(weights.empty() || std::ssize(weights) == size, "[loader] {} weights for {} samples", weights.size(), size);
    require(of == 0 || of >= size, "[loader] {} samples cannot be spread over {}", size, of);
  }
  std::vector<int64_t> order(int64_t epoch) const;
};

/// Every sample of a set in an epoch's own order; a last batch that is not full is left out where there is another.
inline Sampler shuffled(int64_t size, int64_t batch, uint64_t seed) {
  return {.size = size, .batch = batch, .shuffle = true, .drop_last = size > batch, .seed = seed};
}

/// What an evaluation scores: every sample, or `limit` of them, evenly spread: data often lies class by class.
inline Sampler scored_samples(int64_t size, int64_t limit, int64_t batch) {
  return {.size = limit > 0 ? std::min(limit, size) : size, .batch = batch, .of = size};
}

/// The threads behind Loader: they run make(number) for rising numbers, at most `ahead` beyond the last one taken.
class BatchWorkers {
 public:
  /// No thread at all when `threads` is 0: then take() makes the batch itself.
  BatchWorkers(int64_t threads, int64_t ahead, std::function<void(int64_t number)> make);
  ~BatchWorkers();
  void start(int64_t first, int64_t end);
  /// Waits until batch `number` is made; rethrows what its making threw.
  void take(int64_t number);

 private:
  void work();

  std::function<void(int64_t)> make_;
  int64_t ahead_, next_ = 0, end_ = 0, taken_ = 0, busy_ = 0;
  std::map<int64_t, std::exception_ptr> made_;
  bool stop_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::thread> threads_;
};

/// Batch is the task's own type. Throws UsageError for a batch of less than one sample. `make` is called from the
/// loader's threads, several at once.
template <class Batch>
class Loader {
 public:
  Loader(Sampler sampler, int64_t threads, std::function<Batch(const BatchPlan&)> make, int64_t ahead = 4)
      : sampler_(sampler), make_(std::move(make)), workers_(threads, ahead, [this](int64_t number) { fill(number); }) {
    sampler_.validate();
  }

  int64_t batches() const { return sampler_.batches(); }
  /// How many epochs the run has, for what changes along it.
  void set_epochs(int64_t epochs) { epochs_ = std::max<int64_t>(1, epochs); }

  /// Begins an epoch at its batch `first`; throws UsageError below 0. What was made of an earlier one is thrown away.
  void start(int64_t epoch, int64_t first = 0) {
    require(epoch >= 0 && first >= 0, "[loader] there is no batch {} of epoch {}", first, epoch);
    workers_.start(0, 0);
    batches_.clear();
    epoch_ = epoch;
    order_ = sampler_.order(epoch);
    next_ = first;
    started_ = true;
    workers_.start(first, batches());
  }

  /// The next batch, or nothing when the epoch is over. A worker's error comes out here.
  std::optional<Batch> next() {
    require(started_, "[loader] start() begins an epoch; call it before next()");
    if (next_ >= batches()) return std::nullopt;
    const auto number = next_++;
    workers_.take(number);
    std::lock_guard lock(mutex_);
    auto taken = batches_.extract(number);
    return std::move(taken.mapped());
  }

 private:
  void fill(int64_t number) {
    BatchPlan plan{sampler_.seed, epoch_, number, {}, epochs_, batches()};
    const auto first = number * sampler_.batch, last = std::min(first + sampler_.batch, sampler_.size);
    plan.indices.assign(order_.begin() + first, order_.begin() + last);
    auto batch = make_(plan);
    std::lock_guard lock(mutex_);
    batches_.emplace(number, std::move(batch));
  }

  Sampler sampler_;
  std::function<Batch(const BatchPlan&)> make_;
  int64_t epoch_ = 0, next_ = 0, epochs_ = 1;
  bool started_ = false;
  std::vector<int64_t> order_;
  std::map<int64_t, Batch> batches_;
  std::mutex mutex_;
  BatchWorkers workers_;  // last: its threads end before what they use
};

}  // namespace hadal
