#include "hadal/trained/making/gan_maker.h"

namespace hadal {

Fields<GanMakerConfig> GanMakerConfig::fields() {
  using C = GanMakerConfig;
  return {{"model", &C::model, "generator and discriminator", gan_models().kinds()},
          {"generate", &C::generate, "what generate makes"}};
}

GanMaker::GanMaker(GanMakerConfig config, const Table& learned, const Use& use)
    : PictureMaker(learned, use), config_(std::move(config)) {
  config_.model = gan_models().resolve(config_.model);
  torch::manual_seed(use.seed);
  gan_ = gan_models().make(config_.model);
  settle_names(config_.model.name, gan_->generator->classes());
  prepare(model(), use);
}

Model& GanMaker::model() {
  if (use_.learns) return *gan_;
  return *gan_->generator;
}

Making GanMaker::making(const Table& given) {
  const auto options = options_over(config_.generate, given, "generate");
  labels_of(options, names());  // a class that is not there is refused before anything is made
  return {options,
          [this](const Wanted& wanted, const HowFar&) { return gan_->generator->make(wanted.noise, wanted.labels); }};
}

void register_gan_maker(TrainedCatalog& catalog) {
  catalog.add("gan", "pictures made of noise by a generator", GanMakerConfig{},
              [](const GanMakerConfig& config, const Table& learned, const Use& use) {
                return std::make_unique<GanMaker>(config, learned, use);
              });
}

}  // namespace hadal
