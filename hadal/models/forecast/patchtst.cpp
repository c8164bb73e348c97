#include "hadal/models/forecast/patchtst.h"

#include <cmath>

#include "hadal/core/shape.h"
#include "hadal/ops/tokens.h"

namespace hadal {
namespace {

/// Sines and cosines (Vaswani et al. 2017, section 3.5), centred and scaled down to a deviation of 0.1.
Tensor sines(int64_t count, int64_t dim) {
  const auto place = torch::arange(count, torch::kFloat32).unsqueeze(1);
  const auto rate = torch::exp(torch::arange(0, dim, 2, torch::kFloat32) * (-std::log(10000.0) / double(dim)));
  auto out = torch::zeros({count, dim});
  out.slice(1, 0, dim, 2) = torch::sin(place * rate);
  out.slice(1, 1, dim, 2) = torch::cos(place * rate).slice(1, 0, dim / 2);
  out -= out.mean();
  return out / (out.std() * 10);
}

/// A module that is only a name on the way to its children.
std::shared_ptr<nn::Module> folder(nn::Module& parent, const std::string& name) {
  return parent.register_module(name, std::make_shared<nn::Module>(name));
}

}  // namespace

Fields<PatchTstConfig> PatchTstConfig::fields() {
  using C = PatchTstConfig;
  Fields<C> fields = {{"patch", &C::patch, "steps of a patch", at_least(1)},
                      {"stride", &C::stride, "steps from one patch to the next", at_least(1)},
                      {"pad_end", &C::pad_end, "repeat the last value over one more stride, for a last patch"},
                      {"instance_norm", &C::instance_norm, "see every window at mean 0 and deviation 1"},
                      {"affine", &C::affine, "learn a weight and bias a channel behind instance_norm"},
                      {"positions", &C::positions, "of the patches", one_of({"learned", "sines"})},
                      {"head_dropout", &C::head_dropout, "share dropped before the last layer",
                       from_below(0, 1).changes(Limit::Change::always)},
                      {"encoder", &C::encoder, "the transformer"}};
  return fields;
}

void PatchTstConfig::validate() const { encoder.validate(); }

int64_t PatchTstConfig::patches(int64_t input) const {
  require(input >= patch, "[patchtst] input ({}) must be at least a patch ({})", input, patch);
  return (input + (pad_end ? stride : 0) - patch) / stride + 1;
}

PatchEncoderImpl::PatchEncoderImpl(const PatchTstConfig& config, int64_t input) : config_(config) {
  const auto dim = config.encoder.dim, count = config.patches(input);
  input_embedding_ = Linear(config.patch, dim);
  folder(*this, "embedder")->register_module("input_embedding", input_embedding_);
  const bool learned = config.positions == "learned";
  position_enc_ = learned ? torch::empty({count, dim}).uniform_(-0.02, 0.02) : sines(count, dim);
  folder(*this, "positional_encoder")->register_parameter("position_enc", position_enc_, learned);
  layers_ = register_module("layers", SeriesEncoder(config.encoder));
}

Tensor PatchEncoderImpl::forward(Tensor x) {
  if (config_.pad_end) x = torch::cat({x, x.slice(1, -1).expand({-1, config_.stride})}, 1);
  const auto unused = (x.size(1) - config_.patch) % config_.stride;
  const auto patches = x.slice(1, unused).unfold(1, config_.patch, config_.stride);  // (N, P, patch)
  const auto tokens = input_embedding_(patches.contiguous()) + position_enc_;
  return layers_(dropped(tokens, config_.encoder.dropout, is_training()));
}

PatchTstImpl::PatchTstImpl(const PatchTstConfig& config, const ForecastShape& shape) : shape_(shape), config_(config) {
  validate_config(config, "patchtst");
  norm_ = InstanceNorm(shape.channels, config.affine);
  if (config.affine) register_module("norm", norm_);
  encoder_ = PatchEncoder(config, shape.input);
  folder(*this, "model")->register_module("encoder", encoder_);
  projection_ = Linear(config.encoder.dim * config.patches(shape.input), shape.horizon * shape.outputs);
  folder(*this, "head")->register_module("projection", projection_);
}

Tensor PatchTstImpl::forward(const Tensor& history, const Tensor&) {
  expect_shape("patchtst", history, {kAny, shape_.channels, shape_.input});
  auto x = history;
  InstanceNormImpl::Statistics was;
  if (config_.instance_norm) std::tie(x, was) = norm_->normalise(history);
  const auto tokens = encoder_(x.reshape({-1, shape_.input})).flatten(1);  // (B C, P dim)
  const auto y = projection_(dropped(tokens, config_.head_dropout, is_training()))
                     .view({history.size(0), shape_.channels, shape_.outputs, shape_.horizon});
  return config_.instance_norm ? norm_->restore(y, was) : y;
}

void register_patchtst(ForecasterCatalog& catalog) {
  catalog.add("patchtst", "a transformer over patches of each channel", PatchTstConfig{},
              [](const PatchTstConfig& config, const ForecastShape& shape) {
                return std::make_shared<PatchTstImpl>(config, shape);
              });
}

}  // namespace hadal
