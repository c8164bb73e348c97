#include "hadal/data/loader.h"

#include <algorithm>
#include <numeric>

#include "hadal/core/parallel.h"

namespace hadal {

std::vector<int64_t> weighted_order(const std::vector<double>& weights, int64_t count, uint64_t seed, int64_t epoch) {
  const auto total = std::accumulate(weights.begin(), weights.end(), 0.0);
  require(count >= 0 && (count == 0 || total > 0), "[loader] cannot draw {} samples by weights that sum to {}", count,
          total);
  Random random(seed, {0xBA1A, static_cast<uint64_t>(epoch)});
  // One random start and even steps (systematic sampling): each sample comes its part, rounded down or up.
  std::vector<int64_t> out;
  const double start = random.uniform();
  double passed = 0;
  for (size_t i = 0; i < weights.size() && count > 0; ++i) {
    passed += weights[i] / total * static_cast<double>(count);
    while (std::ssize(out) < count && static_cast<double>(out.size()) + start < passed)
      out.push_back(static_cast<int64_t>(i));
  }
  while (std::ssize(out) < count) out.push_back(std::ssize(weights) - 1);  // rounding
  random.shuffle(out);
  return out;
}

std::vector<int64_t> Sampler::order(int64_t epoch) const {
  if (shuffle && !weights.empty()) return weighted_order(weights, size, seed, epoch);
  if (shuffle) {
    Random random(seed, {3, static_cast<uint64_t>(epoch)});
    return permutation(size, random);
  }
  std::vector<int64_t> order(size);
  for (int64_t i = 0; i < size; ++i) order[i] = of > 0 ? i * of / size : i;
  return order;
}

BatchWorkers::BatchWorkers(int64_t threads, int64_t ahead, std::function<void(int64_t)> make)
    : make_(std::move(make)), ahead_(std::max(ahead, threads)) {
  for (int64_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

BatchWorkers::~BatchWorkers() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void BatchWorkers::start(int64_t first, int64_t end) {
  std::unique_lock lock(mutex_);
  next_ = end_ = 0;  // nobody begins another batch of the old range
  changed_.wait(lock, [this] { return busy_ == 0; });
  made_.clear();
  next_ = taken_ = first;
  end_ = end;
  changed_.notify_all();
}

void BatchWorkers::take(int64_t number) {
  if (threads_.empty()) return make_(number);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return made_.contains(number); });
  const auto error = made_.extract(number).mapped();
  taken_ = number + 1;
  changed_.notify_all();
  if (error) std::rethrow_exception(error);
}

void BatchWorkers::work() {
  stay_on_this_thread();
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stop_ || (next_ < end_ && next_ < taken_ + ahead_); });
    if (stop_) return;
    const auto number = next_++;
    ++busy_;
    lock.unlock();
    std::exception_ptr error;
    try {
      make_(number);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    --busy_;
    made_[number] = error;
    changed_.notify_all();
  }
}

}  // namespace hadal
