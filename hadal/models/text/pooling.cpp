#include "hadal/models/text/pooling.h"

#include <array>

#include "hadal/core/shape.h"

namespace hadal {

std::optional<PoolingMode> pooling_mode(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, PoolingMode>, 5> kModes = {
      {{"mean", PoolingMode::mean},
       {"cls", PoolingMode::cls},
       {"max", PoolingMode::max},
       {"last", PoolingMode::last},
       {"root_mean", PoolingMode::root_mean}}};
  for (const auto& [known, mode] : kModes)
    if (known == name) return mode;
  return std::nullopt;
}

Tensor pooled(const Pooling& pooling, const Tensor& states, const Tensor& mask) {
  expect_shape("pooling", states, {kAny, kAny, pooling.dim > 0 ? pooling.dim : kAny});
  const auto texts = states.size(0), tokens = states.size(1);
  if (tokens < 1) fail("[pooling] a text without tokens has no vector");
  const auto x = at::isReducedFloatingType(states.scalar_type()) ? states.to(torch::kFloat32) : states;
  auto there = torch::ones({texts, tokens}, x.options().dtype(torch::kBool));
  if (mask.defined()) {
    expect_shape("pooling's mask", mask, {texts, tokens});
    there = mask.ne(0);
  }
  const auto of_text = there.unsqueeze(2);                                 // (B, T, 1)
  const auto count = there.sum(1, true).to(x.scalar_type()).clamp_min(1);  // (B, 1)
  const auto kept = [&] { return x.masked_fill(of_text.logical_not(), 0); };
  Tensor y;
  switch (pooling.mode) {
    case PoolingMode::mean:
      y = kept().sum(1) / count;
      break;
    case PoolingMode::root_mean:
      y = kept().sum(1) / count.sqrt();
      break;
    case PoolingMode::max:
      y = x.masked_fill(of_text.logical_not(), -std::numeric_limits<double>::infinity()).amax(1);
      y = y.masked_fill(there.any(1, true).logical_not(), 0);
      break;
    case PoolingMode::cls:
      y = kept().select(1, 0);
      break;
    case PoolingMode::last: {
      const auto places = torch::arange(tokens, there.options().dtype(torch::kInt64));
      const auto last = (places * there).amax(1).view({texts, 1, 1}).expand({texts, 1, x.size(2)});
      y = kept().gather(1, last).squeeze(1);
      break;
    }
  }
  return pooling.normalize ? y / y.norm(2, {1}, true).clamp_min(1e-12) : y;
}

}  // namespace hadal
