#include "hadal/trained/making/vqvae_maker.h"

namespace hadal {

Fields<PriorConfig> PriorConfig::fields() {
  using C = PriorConfig;
  return {{"dim", &C::dim, "width of a token", at_least(1)},
          {"depth", &C::depth, "transformer blocks", at_least(1)},
          {"heads", &C::heads, "attention heads", at_least(1)},
          {"dropout", &C::dropout, "share of activations dropped", from_below(0, 1)}};
}

Fields<CodeOptions> CodeOptions::fields() {
  return {
      MakeOptions::fields(),
      {{"temperature", &CodeOptions::temperature, "below 1 likelier codes, above 1 more surprising ones", above(0)}}};
}

Fields<VqVaeMakerConfig> VqVaeMakerConfig::fields() {
  using C = VqVaeMakerConfig;
  return {{"model", &C::model, "encoder, codes and decoder", vqvaes().kinds()},
          {"prior", &C::prior, "the transformer over codes"},
          {"classes", &C::classes, "classes that can be asked for; 0: none", at_least(0)},
          {"generate", &C::generate, "what generate makes"}};
}

VqVaeWithPrior::VqVaeWithPrior(std::shared_ptr<VqVaeImpl> codes, const PriorConfig& config, int64_t classes)
    : autoencoder(std::move(codes)), classes(classes) {
  register_module("autoencoder", autoencoder);
  const auto side = autoencoder->side();
  const CausalLmConfig gpt{.vocabulary = autoencoder->codes() + std::max<int64_t>(1, classes),
                           .context = side * side,
                           .dim = config.dim,
                           .depth = config.depth,
                           .heads = config.heads,
                           .mlp = 4 * config.dim,
                           .dropout = config.dropout};
  validate_config(gpt, "prior");
  prior = register_module("prior", CausalLm(gpt));
}

Tensor VqVaeWithPrior::begin(int64_t count, const Tensor& labels) const {
  expect_labels("prior", labels, count, classes);
  if (classes > 0) return (labels + autoencoder->codes()).unsqueeze(1);
  return torch::full({count, 1}, autoencoder->codes(), torch::kInt64);
}

Tensor VqVaeWithPrior::predict_codes(const Tensor& codes, const Tensor& labels) {
  const auto row = codes.flatten(1);
  const auto first = begin(row.size(0), labels).to(row.device());
  const auto ids = torch::cat({first, row.slice(1, 0, row.size(1) - 1)}, 1);
  return prior->forward(ids).slice(2, 0, autoencoder->codes());
}

VqVaeMaker::VqVaeMaker(VqVaeMakerConfig config, const Table& learned, const Use& use)
    : PictureMaker(learned, use), config_(std::move(config)) {
  config_.model = vqvaes().resolve(config_.model);
  torch::manual_seed(use.seed);
  model_ = std::make_shared<VqVaeWithPrior>(vqvaes().make(config_.model), config_.prior, config_.classes);
  settle_names(config_.model.name, config_.classes);
  prepare(*model_, use);
}

std::vector<int64_t> VqVaeMaker::noise_shape() const {
  const auto side = model_->autoencoder->side();
  return {side * side};
}

Making VqVaeMaker::making(const Table& given) {
  const auto options = options_over(config_.generate, given, "generate");
  labels_of(options, names());
  return {options, [this, temperature = options.temperature](const Wanted& wanted, const HowFar& told) {
            auto& autoencoder = *model_->autoencoder;
            const auto count = wanted.noise.size(0), length = wanted.noise.size(1), side = autoencoder.side();
            const auto share = at::special_ndtr(wanted.noise);  // uniform in [0, 1]
            auto cache = model_->prior->make_cache(count, length);
            auto ids = model_->begin(count, wanted.labels).to(wanted.noise.device());
            std::vector<Tensor> codes;
            for (int64_t i = 0; i < length; ++i) {
              const auto logits = model_->prior->forward(ids, &cache).select(1, -1).slice(1, 0, autoencoder.codes());
              const auto below = (logits.to(torch::kFloat32) / temperature).softmax(1).cumsum(1).contiguous();
              ids =
                  torch::searchsorted(below, share.slice(1, i, i + 1).contiguous()).clamp_max(autoencoder.codes() - 1);
              codes.push_back(ids);
              told(static_cast<double>(i + 1) / static_cast<double>(length));
            }
            const auto grid = torch::cat(codes, 1).view({count, side, side});
            return mean_picture(autoencoder.likelihood(), autoencoder.decode(grid));
          }};
}

void register_vqvae_maker(TrainedCatalog& catalog) {
  catalog.add("vqvae", "pictures made of codes that a transformer writes", VqVaeMakerConfig{},
              [](const VqVaeMakerConfig& config, const Table& learned, const Use& use) {
                return std::make_unique<VqVaeMaker>(config, learned, use);
              });
}

}  // namespace hadal
