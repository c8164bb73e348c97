#include "hadal/data/text/buckets.h"

#include <algorithm>

#include "hadal/core/error.h"
#include "hadal/core/random.h"

namespace hadal {

Buckets::Buckets(std::vector<int64_t> lengths, int64_t tokens, uint64_t seed)
    : lengths_(std::move(lengths)), seed_(seed) {
  require(tokens >= 1, "[data] a batch of {} tokens holds nothing", tokens);
  auto sorted = lengths_;
  std::sort(sorted.begin(), sorted.end());
  int64_t begin = 0;
  for (int64_t i = 0; i < static_cast<int64_t>(sorted.size()); ++i)
    if (i > begin && sorted[static_cast<size_t>(i)] * (i - begin + 1) > tokens) ends_.push_back(i), begin = i;
  if (!sorted.empty()) ends_.push_back(static_cast<int64_t>(sorted.size()));
}

std::vector<int64_t> Buckets::order_of(int64_t epoch) const {
  Random random(seed_, {5, static_cast<uint64_t>(epoch)});
  auto order = permutation(static_cast<int64_t>(lengths_.size()), random);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return lengths_[static_cast<size_t>(a)] < lengths_[static_cast<size_t>(b)];
  });
  return order;
}

std::vector<int64_t> Buckets::batch(int64_t epoch, int64_t number) const {
  std::lock_guard lock(mutex_);
  if (epoch != epoch_) order_ = order_of(epoch), epoch_ = epoch;
  const auto first = number == 0 ? 0 : ends_.at(static_cast<size_t>(number) - 1);
  return {order_.begin() + first, order_.begin() + ends_.at(static_cast<size_t>(number))};
}

Tensor padded(std::span<const std::vector<int64_t>> rows, int64_t padding) {
  size_t longest = 0;
  for (const auto& row : rows) longest = std::max(longest, row.size());
  auto out = torch::full({static_cast<int64_t>(rows.size()), static_cast<int64_t>(longest)}, padding, torch::kInt64);
  auto* to = out.mutable_data_ptr<int64_t>();
  for (const auto& row : rows) {
    std::copy(row.begin(), row.end(), to);
    to += longest;
  }
  return out;
}

}  // namespace hadal
