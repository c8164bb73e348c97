#include "hadal/trained/making/vae_maker.h"

namespace hadal {

Fields<VaeMakerConfig> VaeMakerConfig::fields() {
  using C = VaeMakerConfig;
  return {{"model", &C::model, "encoder and decoder", vaes().kinds()},
          {"generate", &C::generate, "what generate makes"}};
}

VaeMaker::VaeMaker(VaeMakerConfig config, const Table& learned, const Use& use)
    : PictureMaker(learned, use), config_(std::move(config)) {
  config_.model = vaes().resolve(config_.model);
  torch::manual_seed(use.seed);
  vae_ = vaes().make(config_.model);
  settle_names(config_.model.name, vae_->classes());
  prepare(*vae_, use);
}

Making VaeMaker::making(const Table& given) {
  const auto options = options_over(config_.generate, given, "generate");
  labels_of(options, names());
  return {options, [this](const Wanted& wanted, const HowFar&) {
            return mean_picture(vae_->likelihood(), vae_->decode(wanted.noise, wanted.labels));
          }};
}

void register_vae_maker(TrainedCatalog& catalog) {
  catalog.add("vae", "pictures made of noise by a variational autoencoder", VaeMakerConfig{},
              [](const VaeMakerConfig& config, const Table& learned, const Use& use) {
                return std::make_unique<VaeMaker>(config, learned, use);
              });
}

}  // namespace hadal
