#include "hadal/models/detection/rcnn.h"

#include "hadal/core/precision.h"

namespace hadal {

Fields<RcnnConfig> RcnnConfig::fields() {
  using C = RcnnConfig;
  return {{"classes", &C::classes, "how many classes, without background", at_least(1)},
          {"keypoints", &C::keypoints, "keypoints of an object; 0: none", at_least(0)},
          {"masks", &C::masks, "objects get masks"},
          {"pyramid_norm", &C::pyramid_norm, "batch norms in the feature pyramid"},
          {"size", &C::size, "the shorter side of a prepared picture", at_least(1)},
          {"longest", &C::longest, "the most its longer side may have", at_least(1)},
          {"backbone", &C::backbone, "what the pyramid stands on"},
          {"anchors", &C::anchors, "boxes that proposals start from"},
          {"rpn", &C::rpn, "proposals"},
          {"roi", &C::roi, "what is made of proposals"}};
}

void RcnnConfig::validate() const {
  backbone.validate();
  anchors.validate();
  rpn.validate();
}

RcnnImpl::RcnnImpl(const RcnnConfig& config) : config_(config) {
  validate_config(config, "rcnn");
  const auto norm = config.pyramid_norm ? ConvNormShape::Norm::batch : ConvNormShape::Norm::none;
  backbone_ = register_module("backbone", Backbone(config.backbone, FpnShape::Top::subsampled, norm));
  const auto channels = config.backbone.pyramid;
  const auto levels = backbone_->levels();
  rpn_ = register_module("rpn", Rpn(config.rpn, config.anchors, channels, levels));
  roi_heads_ = register_module("roi_heads", RoiHeads(config.roi, RoiShape{.channels = channels,
                                                                          .classes = config.classes,
                                                                          .keypoints = config.keypoints,
                                                                          .masks = config.masks,
                                                                          .levels = levels - 1}));
}

Scene RcnnImpl::see(const Tensor& pixels, const Tensor& sizes) {
  auto checked = picture_sizes("rcnn", pixels, sizes);
  return {backbone_(without_fill(pixels, checked)), std::move(checked), pixels.size(2), pixels.size(3)};
}

TensorsByName RcnnImpl::losses(const Tensor& pixels, const Tensor& sizes, const Targets& targets) {
  const auto scene = see(pixels, sizes);
  const auto like = precise(scene.features.front());
  const auto truth = by_picture("rcnn", targets, pixels.size(0), config_.classes, like);
  if (config_.masks && !targets.masks.defined()) fail("[rcnn] masks are to be learnt, but the data has none");
  if (config_.keypoints > 0 && (!targets.keypoints.defined() || targets.keypoints.size(1) != config_.keypoints))
    fail("[rcnn] {} keypoints an object are to be learnt, but the data has {}", config_.keypoints,
         targets.keypoints.defined() ? targets.keypoints.size(1) : 0);
  TensorsByName out;
  const auto proposals = rpn_(scene, &truth, out);
  roi_heads_->add_losses(scene, proposals, truth, class_weights_like(targets, like, /*background=*/true), out);
  return out;
}

std::vector<Found> RcnnImpl::find(const Tensor& pixels, const Tensor& sizes, const FindOptions& options) {
  const torch::NoGradGuard no_grad;
  const auto scene = see(pixels, sizes);
  TensorsByName none;
  return roi_heads_->find(scene, rpn_(scene, nullptr, none), options);
}

Preparation RcnnImpl::preparation() const { return torchvision_preparation(config_.size, config_.longest); }

std::vector<std::string> RcnnImpl::heads() const {
  std::vector<std::string> out{"roi_heads.box_predictor"};
  if (config_.masks) out.push_back("roi_heads.mask_predictor.mask_fcn_logits");
  if (config_.keypoints > 0) out.push_back("roi_heads.keypoint_predictor");
  return out;
}

TensorsByName RcnnImpl::own_names(const TensorsByName& weights) const {
  TensorsByName out;
  for (const auto& [name, tensor] : weights) {
    auto mine = current_fpn_name(name);
    // Files from before torchvision 0.13: one convolution, and masks' convolutions counted from 1.
    const auto begins = [&](const std::string& with) { return mine.starts_with(with); };
    const std::string rpn = "rpn.head.conv.", mask = "roi_heads.mask_head.mask_fcn";
    if (mine == rpn + "weight" || mine == rpn + "bias") mine = rpn + "0.0." + mine.substr(rpn.size());
    if (begins(mask) && mine.size() > mask.size() + 1 && mine[mask.size() + 1] == '.')
      mine = fmt::format("roi_heads.mask_head.{}.0.{}", mine[mask.size()] - '1', mine.substr(mask.size() + 2));
    out.emplace_back(std::move(mine), tensor);
  }
  return out;
}

Preparation torchvision_preparation(int64_t size, int64_t longest) {
  Preparation out;
  out.fit = Preparation::Fit::shorter_side;
  out.sampling = Preparation::Sampling::rounded;
  out.size = size;
  out.longest = longest;
  out.stride = 32;
  out.fill = 0;
  out.mean = {0.485, 0.456, 0.406};
  out.std = {0.229, 0.224, 0.225};
  return out;
}

void register_rcnn(DetectionCatalog& catalog) {
  const auto add = [&](const char* name, const char* about, const RcnnConfig& config) {
    catalog.add(name, about, config, [](const RcnnConfig& made) { return std::make_shared<RcnnImpl>(made); });
  };
  const RcnnConfig v1;
  auto v2 = v1;
  v2.pyramid_norm = v2.roi.convolutions = v2.roi.norm = true;
  v2.rpn.depth = 2;
  auto mobile = v1;
  mobile.backbone.kind = "mobilenet_v3_large";
  mobile.anchors.sizes_everywhere = true;
  mobile.rpn.score = 0.05;
  auto mobile_320 = mobile;
  mobile_320.size = 320;
  mobile_320.longest = 640;
  mobile_320.rpn.before_test = mobile_320.rpn.after_test = 150;
  const auto with_masks = [](RcnnConfig config) {
    config.masks = true;
    return config;
  };
  const auto with_points = [](RcnnConfig config) {
    config.classes = 1;
    config.keypoints = 17;
    return config;
  };
  add("fasterrcnn_resnet50_fpn", "Faster R-CNN on ResNet-50", v1);
  add("fasterrcnn_resnet50_fpn_v2", "Faster R-CNN on ResNet-50 with deeper heads and norms", v2);
  add("fasterrcnn_mobilenet_v3_large_fpn", "Faster R-CNN on MobileNetV3", mobile);
  add("fasterrcnn_mobilenet_v3_large_320_fpn", "Faster R-CNN on MobileNetV3 for small pictures", mobile_320);
  add("maskrcnn_resnet50_fpn", "Mask R-CNN on ResNet-50", with_masks(v1));
  add("maskrcnn_resnet50_fpn_v2", "Mask R-CNN on ResNet-50 with deeper heads and norms", with_masks(v2));
  add("maskrcnn_mobilenet_v3_large_fpn", "Mask R-CNN on MobileNetV3", with_masks(mobile));
  add("keypointrcnn_resnet50_fpn", "Keypoint R-CNN on ResNet-50", with_points(v1));
  add("keypointrcnn_mobilenet_v3_large_fpn", "Keypoint R-CNN on MobileNetV3", with_points(mobile));
}

}  // namespace hadal
