#include "hadal/models/text/sampling.h"

#include <algorithm>

#include "hadal/core/error.h"
#include "hadal/core/shape.h"

namespace hadal {

void SamplingConfig::validate() const {
  require(temperature >= 0, "temperature ({}) must be at least 0", temperature);
  require(top_k >= 0, "top_k ({}) must be at least 0", top_k);
  require(top_p > 0 && top_p <= 1, "top_p ({}) must be above 0 and at most 1", top_p);
  require(repetition_penalty > 0, "repetition_penalty ({}) must be above 0", repetition_penalty);
}

Tensor filtered_logits(const Tensor& logits, std::span<const int64_t> tokens, const SamplingConfig& config) {
  expect_shape("sampling", logits, {kAny});
  constexpr double kMost = 1e300;  // tiny temperatures and penalties make no infinities
  auto out = logits.detach().to(torch::kCPU, torch::kFloat64).clone();
  if (config.repetition_penalty != 1 && !tokens.empty()) {
    std::vector<int64_t> seen(tokens.begin(), tokens.end());
    std::sort(seen.begin(), seen.end());
    seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
    const auto rows = torch::tensor(seen, torch::kInt64);
    const auto now = out.index_select(0, rows);
    out.index_copy_(0, rows, torch::where(now > 0, now / config.repetition_penalty, now * config.repetition_penalty));
    out.clamp_max_(kMost);
  }
  if (config.temperature > 0) out.div_(std::max(config.temperature, 1e-100)).clamp_max_(kMost);
  if (config.top_k > 0 && config.top_k < out.size(0)) {
    const auto least = std::get<0>(out.topk(config.top_k))[-1];
    out.masked_fill_(out < least, -INFINITY);
  }
  if (config.top_p < 1) {
    const auto [sorted, order] = out.sort(/*stable=*/true, /*dim=*/0, /*descending=*/true);
    const auto share = sorted.softmax(0);
    const auto beyond = share.cumsum(0) - share >= config.top_p;  // what stands before a token is already enough
    out.masked_fill_(torch::zeros_like(beyond).scatter(0, order, beyond), -INFINITY);
  }
  return out;
}

int64_t pick_token(const Tensor& logits, std::span<const int64_t> tokens, const SamplingConfig& config,
                   Random& random) {
  const auto left = filtered_logits(logits, tokens, config);
  if (config.temperature == 0) return left.argmax().item<int64_t>();
  const auto shares = left.softmax(0);
  const auto* share = shares.const_data_ptr<double>();
  auto at = random.uniform();
  int64_t last = 0;
  for (int64_t id = 0; id < shares.size(0); ++id) {
    if (share[id] == 0) continue;
    last = id;
    if ((at -= share[id]) < 0) break;
  }
  return last;
}

}  // namespace hadal
