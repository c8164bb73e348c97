#include "hadal/models/generative/likelihood.h"

#include <cmath>
#include <numbers>

#include "hadal/core/shape.h"

namespace hadal {
namespace {

const std::vector<std::string> kNames = {"bernoulli", "logistic", "gaussian"};

/// Below this a level's width would be many scales: a scale learns no more from being smaller.
constexpr double kLeastLogScale = -7;
constexpr double kLevels = 255;

struct Spread {
  Tensor mean, log_scale;
};
Spread spread_of(const Tensor& parameters) {
  const auto halves = parameters.chunk(2, 1);
  return {halves[0], halves[1].clamp_min(kLeastLogScale)};
}

/// log(1 - exp(x)) for x < 0.
Tensor log_one_minus_exp(const Tensor& x) { return (-torch::expm1(x)).clamp_min(1e-38).log(); }

/// log(cdf(high) - cdf(low)) where low < high are the level's edges in scales from the mean.
Tensor log_logistic(const Tensor& low, const Tensor& high) {
  return torch::log_sigmoid(high) + torch::log_sigmoid(-low) + log_one_minus_exp(low - high);
}
Tensor log_normal(const Tensor& low, const Tensor& high) {
  // Both edges on the left of the mean, by symmetry, where the tail keeps its digits.
  const auto right = low + high > 0;
  const auto a = torch::where(right, -high, low), b = torch::where(right, -low, high);
  const auto log_b = torch::special_log_ndtr(b);
  return log_b + log_one_minus_exp(torch::special_log_ndtr(a) - log_b);
}

}  // namespace

const std::vector<std::string>& likelihood_names() { return kNames; }

Likelihood likelihood_named(const std::string& name) {
  for (size_t i = 0; i < kNames.size(); ++i)
    if (name == kNames[i]) return static_cast<Likelihood>(i);
  fail_usage("unknown likelihood \"{}\"{}", name, suggest(name, kNames));
}

int64_t parameters_of(Likelihood kind) { return kind == Likelihood::bernoulli ? 1 : 2; }

Tensor log_likelihood(Likelihood kind, const Tensor& parameters, const Tensor& x) {
  auto expected = x.sizes().vec();
  if (expected.size() > 1) expected[1] *= parameters_of(kind);
  expect_shape("likelihood", parameters, expected);
  if (kind == Likelihood::bernoulli) return (x * parameters - torch::softplus(parameters)).flatten(1).sum(1);
  const auto [mean, log_scale] = spread_of(parameters);
  const auto per_scale = (-log_scale).exp();
  const auto low = (x - 0.5 / kLevels - mean) * per_scale, high = (x + 0.5 / kLevels - mean) * per_scale;
  const bool logistic = kind == Likelihood::logistic;
  const auto log_below = logistic ? torch::log_sigmoid(high) : torch::special_log_ndtr(high);
  const auto log_above = logistic ? torch::log_sigmoid(-low) : torch::special_log_ndtr(-low);
  const auto inside = logistic ? log_logistic(low, high) : log_normal(low, high);
  const auto all = torch::where(x < 0.5 / kLevels, log_below, torch::where(x > 1 - 0.5 / kLevels, log_above, inside));
  return all.flatten(1).sum(1);
}

Tensor mean_picture(Likelihood kind, const Tensor& parameters) {
  return kind == Likelihood::bernoulli ? parameters.sigmoid() : spread_of(parameters).mean.clamp(0, 1);
}

double bits_per_dimension(double nats, int64_t values) {
  return nats / static_cast<double>(values) / std::numbers::ln2;
}

}  // namespace hadal
