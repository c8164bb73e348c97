#include "hadal/models/generative/quantise.h"

#include <cmath>

#include "hadal/core/precision.h"
#include "hadal/core/shape.h"
#include "hadal/nn/init.h"

namespace hadal {
namespace {

void check_codes(const Tensor& codes, int64_t size) {
  if (codes.numel() == 0) return;
  const auto least = codes.min().item<int64_t>(), most = codes.max().item<int64_t>();
  require(least >= 0 && most < size, "[codes] there is no code {}; codes are 0 to {}", least < 0 ? least : most,
          size - 1);
}

}  // namespace

EmaCodebook::EmaCodebook(int64_t size, int64_t dim, double decay, double restart) : decay_(decay), restart_(restart) {
  require(size >= 1 && dim >= 1, "[codebook] size ({}) and dim ({}) must be at least 1", size, dim);
  embedding_ = register_buffer("embedding", torch::empty({size, dim}));
  init::normal(embedding_, 1);
  counts_ = register_buffer("cluster_size", torch::ones({size}));
  sums_ = register_buffer("embedding_avg", embedding_.clone());
}

Quantised EmaCodebook::forward(const Tensor& encoded) {
  expect_shape("codebook", encoded, {kAny, embedding_.size(1), kAny, kAny});
  const FullPrecision full(encoded.device());
  const auto x = precise(encoded);
  const auto last = x.permute({0, 2, 3, 1});                                         // (N, H, W, D)
  const auto vectors = last.detach().reshape({-1, x.size(1)});                       // (M, D)
  const auto squares = embedding_.square().sum(1) - 2 * vectors.mm(embedding_.t());  // (M, K), but for |vector|^2
  const auto codes = squares.argmin(1);
  const auto nearest = torch::embedding(embedding_, codes).view(last.sizes()).permute({0, 3, 1, 2});
  const auto commitment = (x - nearest).square().mean();
  if (is_training()) move(vectors, codes);
  return {x + (nearest - x).detach(), codes.view({x.size(0), x.size(2), x.size(3)}), commitment};
}

void EmaCodebook::move(const Tensor& vectors, const Tensor& codes) {
  const torch::NoGradGuard no_grad;
  const auto counts = torch::zeros_like(counts_).index_add_(0, codes, torch::ones_like(vectors.select(1, 0)));
  const auto sums = torch::zeros_like(sums_).index_add_(0, codes, vectors);
  counts_.mul_(decay_).add_(counts, 1 - decay_);
  sums_.mul_(decay_).add_(sums, 1 - decay_);
  if (restart_ > 0 && vectors.size(0) > 0) {
    const auto idle = (counts_ < restart_).nonzero().flatten();
    if (idle.numel() > 0) {
      const auto drawn = vectors.index_select(0, torch::randint(vectors.size(0), {idle.numel()}, codes.options()));
      counts_.index_fill_(0, idle, 1);
      sums_.index_copy_(0, idle, drawn);
    }
  }
  // As if every code stood for a little of everything, so that none is divided by 0.
  constexpr double kEps = 1e-5;
  const auto total = counts_.sum();
  const auto smooth = (counts_ + kEps) / (total + kEps * static_cast<double>(size())) * total;
  embedding_.copy_(sums_ / smooth.unsqueeze(1));
}

Tensor EmaCodebook::features(const Tensor& codes) const {
  check_codes(codes, size());
  return torch::embedding(embedding_, codes);
}

Fsq::Fsq(std::vector<int64_t> levels) : levels_(std::move(levels)) {
  require(!levels_.empty(), "[fsq] levels must name a few dimensions; example: levels=[8, 6, 5]");
  for (const auto level : levels_) {
    require(level >= 2, "[fsq] a dimension has at least 2 levels, got {}", level);
    size_ *= level;
    require(size_ <= int64_t{1} << 31, "[fsq] levels {} make too many codes; 2^31 are the most",
            fmt::join(levels_, " x "));
  }
}

Quantised Fsq::forward(const Tensor& encoded) {
  const auto dims = static_cast<int64_t>(levels_.size());
  expect_shape("fsq", encoded, {kAny, dims, kAny, kAny});
  const auto x = precise(encoded);
  std::vector<Tensor> features;
  auto codes = torch::zeros({x.size(0), x.size(2), x.size(3)}, x.options().dtype(torch::kInt64).requires_grad(false));
  int64_t step = 1;
  for (int64_t i = 0; i < dims; ++i) {
    // tanh bounds to a little less than half the levels either way; an even count is moved by half a level (section 3).
    const auto level = static_cast<double>(levels_[i]);
    const auto half = (level - 1) * (1 - 1e-3) / 2, offset = levels_[i] % 2 == 0 ? 0.5 : 0.0;
    const auto bounded = (x.select(1, i) + std::tan(offset / half)).tanh() * half - offset;
    const auto rounded = bounded.detach().round();
    const auto middle = static_cast<double>(levels_[i] / 2);
    codes += (rounded + middle).to(torch::kInt64) * step;
    features.push_back((bounded + (rounded - bounded.detach())) / middle);
    step *= levels_[i];
  }
  return {torch::stack(features, 1), codes, torch::zeros({}, x.options().requires_grad(false))};
}

Tensor Fsq::features(const Tensor& codes) const {
  check_codes(codes, size_);
  std::vector<Tensor> features;
  auto rest = codes;
  for (const auto level : levels_) {
    const auto middle = level / 2;
    features.push_back((rest.remainder(level) - middle).to(torch::kFloat32) / static_cast<double>(middle));
    rest = rest.div(level, "floor");
  }
  return torch::stack(features, -1);
}

}  // namespace hadal
