#include "hadal/models/generative/mission_gan.h"

#include "hadal/core/shape.h"
#include "hadal/nn/linear.h"

namespace hadal {
namespace {

nn::LeakyReLU leaky_layer(double slope) { return nn::LeakyReLU(nn::LeakyReLUOptions().negative_slope(slope)); }

}  // namespace

Fields<MissionGanConfig> MissionGanConfig::fields() {
  return {{"channels", &MissionGanConfig::channels, "colours of a pixel: 1 grey, 3 RGB", at_least(1)},
          {"image", &MissionGanConfig::image, "side of the square picture in pixels", at_least(1)},
          {"latent", &MissionGanConfig::latent, "random numbers a picture is made of", at_least(1)},
          {"hidden", &MissionGanConfig::hidden,
           "widths of the generator's layers; the discriminator's are these backwards", at_least(1)},
          {"slope", &MissionGanConfig::slope, "of LeakyReLU below 0", from_below(0, 1)}};
}

void MissionGanConfig::validate() const {
  require(!hidden.empty(), "[mission_gan] hidden must name at least one layer; example: hidden=[256, 512]");
}

MissionGeneratorImpl::MissionGeneratorImpl(const MissionGanConfig& config) : config_(config) {
  validate_config(config, "mission_gan");
  auto width = config.latent;
  for (const auto next : config.hidden) {
    main_->push_back(Linear(width, next));
    main_->push_back(leaky_layer(config.slope));
    main_->push_back(nn::BatchNorm1d(next));
    width = next;
  }
  main_->push_back(Linear(width, config.channels * config.image * config.image));
  register_module("main", main_);
}

Tensor MissionGeneratorImpl::make(const Tensor& z, const Tensor& labels) {
  const auto pixels = main_->forward(checked("mission_gan", z, labels)).tanh();
  return pixels.view({-1, config_.channels, config_.image, config_.image});  // (N, C H W) -> (N, C, H, W)
}

MissionDiscriminatorImpl::MissionDiscriminatorImpl(const MissionGanConfig& config) : config_(config) {
  validate_config(config, "mission_gan");
  auto width = config.channels * config.image * config.image;
  for (auto next = config.hidden.rbegin(); next != config.hidden.rend(); ++next) {
    main_->push_back(Linear(width, *next));
    main_->push_back(leaky_layer(config.slope));
    width = *next;
  }
  main_->push_back(Linear(width, 1));
  register_module("main", main_);
}

Tensor MissionDiscriminatorImpl::judge(const Tensor& pictures, const Tensor& labels) {
  expect_shape("mission_gan", pictures, {kAny, config_.channels, config_.image, config_.image});
  expect_labels("mission_gan", labels, pictures.size(0), 0);
  return main_->forward(pictures.flatten(1)).squeeze(1);  // (N)
}

void register_mission_gan(GanCatalog& catalog) {
  catalog.add("mission_gan", "Fully connected generator and discriminator", MissionGanConfig{},
              [](const MissionGanConfig& config) {
                return std::make_shared<Gan>(std::make_shared<MissionGeneratorImpl>(config),
                                             std::make_shared<MissionDiscriminatorImpl>(config));
              });
}

}  // namespace hadal
