#include "hadal/models/detection/backbone.h"

#include <algorithm>

#include "hadal/models/vision/mobilenet_v3.h"
#include "hadal/models/vision/resnet.h"
#include "hadal/nn/frozen_norm.h"

namespace hadal {
namespace {

struct ResNetStagesImpl : nn::Module {
  explicit ResNetStagesImpl(const ResNetConfig& config) : body(*this, config) {}
  ResNetBody body;
};

}  // namespace

Fields<BackboneConfig> BackboneConfig::fields() {
  using C = BackboneConfig;
  return {
      {"kind", &C::kind, "the network below", one_of({"resnet", "mobilenet_v3_large", "mobilenet_v3_small"})},
      {"layers", &C::layers, "resnet: blocks in each of the four stages", at_least(1)},
      {"bottleneck", &C::bottleneck, "resnet: blocks of 1x1, 3x3 and 1x1 convolutions instead of two 3x3"},
      {"width_multiplier", &C::width_multiplier, "mobilenet_v3: times the channels of every layer", above(0)},
      {"stages", &C::stages,
       "of the network, from its last back, that the pyramid stands on: mobilenet_v3's last two are both of stride 32, "
       "5 begin at stride 4; 0: as the model has it",
       at_least(0)},
      {"pyramid", &C::pyramid, "channels of the feature pyramid", at_least(1)},
      {"frozen_norm", &C::frozen_norm, "the body's batch norms stay as they are: for pretrained weights"},
      {"norm_eps", &C::norm_eps, "added to a variance in the body's norms; torchvision's *_resnet50_fpn weights: 0",
       at_least(0)}};
}

void BackboneConfig::validate() const {
  const int64_t most = kind == "resnet" ? 4 : 6;
  require(stages <= most, "[backbone] {} has {} stages, got stages={}", kind, most, stages);
  require(kind != "resnet" || layers.size() == 4,
          "[backbone] layers must name 4 stages, got {}; example: layers=[3, 4, 6, 3]", layers.size());
}

BackboneImpl::BackboneImpl(const BackboneConfig& config, FpnShape::Top top, ConvNormShape::Norm norm,
                           int64_t resnet_stages)
    : frozen_(config.frozen_norm) {
  validate_config(config, "backbone");
  std::shared_ptr<nn::Module> body;
  FpnShape fpn{.in = {}, .out = config.pyramid, .top = top, .norm = norm};
  if (config.kind == "resnet") {
    const auto made =
        std::make_shared<ResNetStagesImpl>(ResNetConfig{.layers = config.layers, .bottleneck = config.bottleneck});
    const auto& widths = made->body.widths();
    const auto count = config.stages > 0 ? config.stages : resnet_stages;
    fpn.in.assign(widths.end() - count, widths.end());
    stages_ = [made = made.get(), count](const Tensor& pixels) {
      auto all = made->body.features(pixels);
      all.erase(all.begin(), all.end() - count);
      return all;
    };
    body = made;
  } else {
    const MobileNetV3Config mobile{.large = config.kind == "mobilenet_v3_large",
                                   .width_multiplier = config.width_multiplier};
    auto features = mobilenet_v3_features(mobile);
    auto stages = mobilenet_v3_stages(mobile);
    stages.erase(stages.begin(), stages.end() - (config.stages > 0 ? config.stages : 2));
    for (const auto& stage : stages) fpn.in.push_back(stage.channels);
    stages_ = [features = features.get(), stages](const Tensor& pixels) {
      std::vector<Tensor> out;
      auto x = pixels;
      int64_t module = 0;
      for (auto& layer : *features) {
        x = layer.forward(x);
        if (stages[out.size()].module == module++) out.push_back(x);
      }
      return out;
    };
    body = features.ptr();
  }
  set_batch_norms(*body, config.norm_eps, 0.1);
  if (frozen_) freeze_batch_norms(*body);
  register_module("body", body);
  fpn_ = register_module("fpn", Fpn(fpn));
}

std::vector<Tensor> BackboneImpl::forward(const Tensor& pixels) { return fpn_(stages_(pixels)); }

void BackboneImpl::train(bool on) {
  nn::Module::train(on);
  if (frozen_) freeze_batch_norms(*named_children()["body"]);
}

std::string current_fpn_name(const std::string& name) {
  for (const std::string part : {".inner_blocks.", ".layer_blocks."}) {
    const auto at = name.find(part);
    if (at == std::string::npos) continue;
    const auto number = at + part.size(), rest = name.find('.', number);
    if (rest == std::string::npos) break;
    const auto last = name.substr(rest);
    if (last == ".weight" || last == ".bias") return name.substr(0, rest) + ".0" + last;
  }
  return name;
}

}  // namespace hadal
