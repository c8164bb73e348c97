#include "hadal/metrics/generative.h"

#include <cmath>

#include "hadal/core/random.h"
#include "hadal/core/shape.h"

namespace hadal {
namespace {

constexpr int64_t kChunk = 1024;  // rows of a matrix of distances at a time

Tensor as_features(std::string_view where, const Tensor& features) {
  expect_shape(where, features, {kAny, kAny});
  const auto out = features.detach().to(torch::kCPU, torch::kFloat64).contiguous();
  require(out.isfinite().all().item<bool>(), "[{}] a feature is not finite: the net or its weights are broken", where);
  return out;
}

void check_pair(std::string_view where, const Tensor& real, const Tensor& made) {
  require(real.size(1) == made.size(1), "[{}] real features have {} numbers and made ones {}; take them from one net",
          where, real.size(1), made.size(1));
}

/// Of a symmetric matrix without negative eigenvalues but for rounding.
Tensor square_root(const Tensor& matrix) {
  const auto [values, vectors] = at::linalg_eigh(matrix);
  return (vectors * values.clamp_min(0).sqrt()).matmul(vectors.t());
}

Tensor squared_distances(const Tensor& a, const Tensor& b) {
  return (a.square().sum(1, true) + b.square().sum(1) - 2 * a.mm(b.t())).clamp_min(0);
}

/// body(first, last) for pieces of [0, n).
template <class Body>
void by_chunks(int64_t n, const Body& body) {
  for (int64_t first = 0; first < n; first += kChunk) body(first, std::min(first + kChunk, n));
}

/// (N): the squared distance to the k-th nearest other sample.
Tensor squared_radii(const Tensor& x, int64_t k) {
  const auto out = torch::empty({x.size(0)}, x.options());
  by_chunks(x.size(0), [&](int64_t first, int64_t last) {
    auto distances = squared_distances(x.slice(0, first, last), x);
    distances.diagonal(first).fill_(0);  // a sample is its own nearest, exactly
    out.slice(0, first, last).copy_(std::get<0>(distances.kthvalue(k + 1, 1)));
  });
  return out;
}

Tensor chosen(const Tensor& x, int64_t size, Random& random) {
  auto order = permutation(x.size(0), random);
  order.resize(size);
  return x.index_select(0, torch::tensor(order, torch::kInt64));
}

}  // namespace

void FeatureMoments::add(const Tensor& features) {
  const auto x = as_features("features", features);
  if (x.size(0) == 0) return;
  if (count_ == 0) {
    shift_ = x.mean(0);
    sum_ = torch::zeros_like(shift_);
    products_ = torch::zeros({x.size(1), x.size(1)}, x.options());
  }
  require(x.size(1) == shift_.size(0), "[features] {} numbers a sample, but {} before", x.size(1), shift_.size(0));
  const auto centred = x - shift_;
  sum_ += centred.sum(0);
  products_.addmm_(centred.t(), centred);
  count_ += x.size(0);
}

Tensor FeatureMoments::mean() const {
  require(count_ > 0, "[features] no sample: there is no mean");
  return shift_ + sum_ / static_cast<double>(count_);
}

Tensor FeatureMoments::covariance() const {
  require(count_ > 1, "[features] {} sample(s): a covariance wants at least 2", count_);
  const auto n = static_cast<double>(count_);
  return (products_ - torch::outer(sum_, sum_) / n) / (n - 1);
}

double frechet_distance(const Tensor& mean_a, const Tensor& covariance_a, const Tensor& mean_b,
                        const Tensor& covariance_b) {
  const auto dims = mean_a.numel();
  expect_shape("frechet distance", mean_b, {dims});
  expect_shape("frechet distance", covariance_a, {dims, dims});
  expect_shape("frechet distance", covariance_b, {dims, dims});
  const auto exact = [](const Tensor& x) { return x.to(torch::kCPU, torch::kFloat64); };
  const auto a = exact(covariance_a), b = exact(covariance_b);
  const auto root = square_root(a), product = root.matmul(b).matmul(root);
  const auto values = at::linalg_eigvalsh((product + product.t()) / 2);
  return ((exact(mean_a) - exact(mean_b)).square().sum() + a.trace() + b.trace() - 2 * values.clamp_min(0).sqrt().sum())
      .item<double>();
}

double frechet_distance(const FeatureMoments& a, const FeatureMoments& b) {
  return frechet_distance(a.mean(), a.covariance(), b.mean(), b.covariance());
}

KernelDistance kernel_distance(const Tensor& real, const Tensor& made, int64_t subsets, int64_t size, uint64_t seed) {
  const auto x = as_features("kernel distance", real), y = as_features("kernel distance", made);
  check_pair("kernel distance", x, y);
  require(subsets >= 1 && size >= 2, "[kernel distance] wants subsets of at least 2 samples, got {} of {}", subsets,
          size);
  require(size <= std::min(x.size(0), y.size(0)),
          "[kernel distance] subsets of {} samples cannot be drawn from {} real and {} made ones; take at most {}",
          size, x.size(0), y.size(0), std::min(x.size(0), y.size(0)));
  const auto kernel = [&](const Tensor& a, const Tensor& b) {
    return (a.mm(b.t()) / static_cast<double>(x.size(1)) + 1).pow(3);
  };
  const auto n = static_cast<double>(size);
  const auto others = [&](const Tensor& k) { return ((k.sum() - k.trace()) / (n * (n - 1))).item<double>(); };
  std::vector<double> values;
  for (int64_t i = 0; i < subsets; ++i) {
    Random random(seed, {static_cast<uint64_t>(i)});
    const auto a = chosen(x, size, random), b = chosen(y, size, random);
    values.push_back(others(kernel(a, a)) + others(kernel(b, b)) - 2 * kernel(a, b).mean().item<double>());
  }
  const auto all = torch::tensor(values, torch::kFloat64);
  return {all.mean().item<double>(), all.std(/*unbiased=*/false).item<double>()};
}

Fidelity fidelity(const Tensor& real, const Tensor& made, int64_t k) {
  const auto x = as_features("fidelity", real), y = as_features("fidelity", made);
  check_pair("fidelity", x, y);
  require(k >= 1 && std::min(x.size(0), y.size(0)) > k,
          "[fidelity] wants more than {} samples of each for {} neighbours, got {} real and {} made ones", k, k,
          x.size(0), y.size(0));
  const auto real_radii = squared_radii(x, k), made_radii = squared_radii(y, k);
  auto recalled = torch::zeros({x.size(0)}, torch::kBool), covered = torch::zeros({x.size(0)}, torch::kBool);
  int64_t precise = 0, balls = 0;
  by_chunks(y.size(0), [&](int64_t first, int64_t last) {
    const auto distances = squared_distances(y.slice(0, first, last), x);  // (made, real)
    const auto in_real = distances <= real_radii;
    precise += in_real.any(1).sum().item<int64_t>();
    balls += in_real.sum().item<int64_t>();
    covered |= in_real.any(0);
    recalled |= (distances <= made_radii.slice(0, first, last).unsqueeze(1)).any(0);
  });
  const auto share = [](const Tensor& flags) { return flags.to(torch::kFloat64).mean().item<double>(); };
  const auto count = static_cast<double>(y.size(0));
  return {.precision = static_cast<double>(precise) / count,
          .recall = share(recalled),
          .density = static_cast<double>(balls) / (static_cast<double>(k) * count),
          .coverage = share(covered)};
}

Neighbours nearest_neighbours(const Tensor& of, const Tensor& among, int64_t k) {
  const auto x = as_features("neighbours", of), y = as_features("neighbours", among);
  check_pair("neighbours", y, x);
  require(k >= 1 && k <= y.size(0), "[neighbours] {} neighbours cannot be found among {} samples", k, y.size(0));
  Neighbours out{torch::empty({x.size(0), k}, torch::kInt64), torch::empty({x.size(0), k}, torch::kFloat64)};
  by_chunks(x.size(0), [&](int64_t first, int64_t last) {
    const auto [values, index] = squared_distances(x.slice(0, first, last), y).topk(k, 1, /*largest=*/false);
    out.index.slice(0, first, last).copy_(index);
    out.distance.slice(0, first, last).copy_(values.sqrt());
  });
  return out;
}

ClassCoverage class_coverage(const Tensor& logits, double confidence) {
  expect_shape("class coverage", logits, {kAny, kAny});
  require(logits.size(0) > 0 && logits.size(1) > 0, "[class coverage] no sample to look at");
  const auto [highest, classes] = logits.detach().to(torch::kCPU, torch::kFloat64).softmax(1).max(1);
  const auto count = static_cast<double>(logits.size(0));
  const auto shares = classes.bincount({}, logits.size(1)).to(torch::kFloat64) / count;
  ClassCoverage out;
  out.shares.assign(shares.data_ptr<double>(), shares.data_ptr<double>() + shares.numel());
  out.least = shares.min().item<double>();
  out.found = (shares > 0).sum().item<int64_t>();
  out.confident = (highest >= confidence).to(torch::kFloat64).mean().item<double>();
  return out;
}

}  // namespace hadal
