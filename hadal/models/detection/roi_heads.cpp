#include "hadal/models/detection/roi_heads.h"

#include "hadal/core/precision.h"
#include "hadal/nn/names_only.h"
#include "hadal/ops/boxes.h"
#include "hadal/ops/nms.h"

namespace hadal {
namespace {

constexpr int64_t kBoxSize = 7, kMaskSize = 14;
constexpr BoxCoder kCoder{{10, 10, 5, 5}};

template <class Layer>
void for_relu(Layer& layer) {
  init::kaiming_normal(layer.weight, true);
  init::constant(layer.bias, 0);
}

/// `count` 3x3 convolutions with ReLU, `channels` wide.
void push_convolutions(nn::Sequential& to, int64_t in, int64_t channels, int64_t count, bool norm) {
  for (int64_t i = 0; i < count; ++i) {
    const ConvNorm layer(ConvNormShape{.in = i == 0 ? in : channels,
                                       .out = channels,
                                       .norm = norm ? ConvNormShape::Norm::batch : ConvNormShape::Norm::none});
    init::kaiming_normal(layer->conv->weight, true);
    if (layer->conv->bias.defined()) init::constant(layer->conv->bias, 0);
    to->push_back(layer);
  }
}

/// What stands for an object among drawn proposals.
struct Drawn {
  Tensor boxes, labels, object;  // labels: torchvision's, 0 background
};

Drawn draw(const Tensor& proposals, const PictureTargets& truth, const RoiConfig& config) {
  const auto all = torch::cat({proposals, truth.boxes});
  const auto object = Matcher{.high = config.object, .low = config.object}(box_iou(truth.boxes, all));
  const auto found = object.clamp_min(0);
  auto labels = torch::zeros_like(object);
  if (truth.labels.size(0) > 0)
    labels = (truth.labels.index_select(0, found) + 1).masked_fill(object == kBackground, 0);
  const auto [with, without] = Sampler{config.sampled, config.sampled_objects}(labels);
  const auto places = std::get<0>(torch::cat({with, without}).sort());
  return {all.index_select(0, places), labels.index_select(0, places), found.index_select(0, places)};
}

}  // namespace

Fields<RoiConfig> RoiConfig::fields() {
  using C = RoiConfig;
  return {{"convolutions", &C::convolutions, "the box head has four convolutions and one linear layer, not two linear"},
          {"norm", &C::norm, "batch norms in the convolutions of box and mask heads"},
          {"hidden", &C::hidden, "width of the box head's linear layers", at_least(1)},
          {"mask_channels", &C::mask_channels, "width of the four convolutions before a mask", at_least(1)},
          {"point_channels", &C::point_channels, "width of the eight convolutions before keypoints", at_least(1)},
          {"object", &C::object, "overlap from which a proposal stands for an object", between(0, 1)},
          {"sampled", &C::sampled, "proposals of a picture that the losses look at", at_least(1)},
          {"sampled_objects", &C::sampled_objects, "largest share of objects among them", between(0, 1)}};
}

RoiHeadsImpl::RoiHeadsImpl(const RoiConfig& config, const RoiShape& shape) : config_(config), shape_(shape) {
  validate_config(config, "roi");
  const auto classes = shape.classes + 1;
  auto wide = shape.channels * kBoxSize * kBoxSize;
  if (config.convolutions) {
    push_convolutions(box_head_, shape.channels, shape.channels, 4, config.norm);
    box_head_->push_back(nn::Flatten());
    box_head_->push_back(Linear(wide, config.hidden));
    box_head_->push_back(nn::ReLU());
    register_module("box_head", box_head_);
  } else {  // torchvision names the two: fc6, fc7
    box_head_->push_back("flat", nn::Flatten());
    box_head_->push_back("fc6", Linear(wide, config.hidden));
    box_head_->push_back("relu6", nn::ReLU());
    box_head_->push_back("fc7", Linear(config.hidden, config.hidden));
    box_head_->push_back("relu7", nn::ReLU());
    register_module("box_head", box_head_);
  }
  const auto predictor = register_module("box_predictor", std::make_shared<NamesOnly>());
  cls_score_ = predictor->register_module("cls_score", Linear(config.hidden, classes));
  bbox_pred_ = predictor->register_module("bbox_pred", Linear(config.hidden, 4 * classes));
  if (shape.masks) {
    const auto width = config.mask_channels;
    push_convolutions(mask_head_, shape.channels, width, 4, config.norm);
    register_module("mask_head", mask_head_);
    const auto part = register_module("mask_predictor", std::make_shared<NamesOnly>());
    conv5_mask_ =
        part->register_module("conv5_mask", nn::ConvTranspose2d(nn::ConvTranspose2dOptions(width, width, 2).stride(2)));
    mask_fcn_logits_ = part->register_module("mask_fcn_logits", nn::Conv2d(nn::Conv2dOptions(width, classes, 1)));
    init::kaiming_normal(conv5_mask_->weight, true);
    init::kaiming_normal(mask_fcn_logits_->weight, true);
  }
  if (shape.keypoints > 0) {
    for (int64_t i = 0; i < 8; ++i) {
      const nn::Conv2d layer(
          nn::Conv2dOptions(i == 0 ? shape.channels : config.point_channels, config.point_channels, 3).padding(1));
      for_relu(*layer);
      keypoint_head_->push_back(layer);
      keypoint_head_->push_back(nn::ReLU());
    }
    register_module("keypoint_head", keypoint_head_);
    const auto part = register_module("keypoint_predictor", std::make_shared<NamesOnly>());
    kps_score_lowres_ = part->register_module(
        "kps_score_lowres",
        nn::ConvTranspose2d(
            nn::ConvTranspose2dOptions(config.point_channels, shape.keypoints, 4).stride(2).padding(1)));
    for_relu(*kps_score_lowres_);
  }
}

std::pair<Tensor, Tensor> RoiHeadsImpl::boxes_of(const Scene& scene, const std::vector<Tensor>& proposals) {
  const auto x = box_head_->forward(roi_features(scene, shape_.levels, proposals, kBoxSize));
  return {precise(cls_score_(x)), precise(bbox_pred_(x))};
}

Tensor RoiHeadsImpl::mask_logits(const Scene& scene, const std::vector<Tensor>& boxes) {
  const auto x = mask_head_->forward(roi_features(scene, shape_.levels, boxes, kMaskSize));
  return precise(mask_fcn_logits_(conv5_mask_(x).relu()));
}

Tensor RoiHeadsImpl::point_logits(const Scene& scene, const std::vector<Tensor>& boxes) {
  const auto x = kps_score_lowres_(keypoint_head_->forward(roi_features(scene, shape_.levels, boxes, kMaskSize)));
  return torch::upsample_bilinear2d(precise(x), {2 * x.size(2), 2 * x.size(3)}, false);
}

void RoiHeadsImpl::add_losses(const Scene& scene, const std::vector<Tensor>& proposals,
                              const std::vector<PictureTargets>& targets, const Tensor& class_weights,
                              TensorsByName& losses) {
  std::vector<Tensor> boxes, all_labels, wanted, object_boxes, object_labels, masks, points;
  for (size_t i = 0; i < targets.size(); ++i) {
    const torch::NoGradGuard no_grad;
    const auto& truth = targets[i];
    const auto drawn = draw(proposals[i], truth, config_);
    boxes.push_back(drawn.boxes);
    all_labels.push_back(drawn.labels);
    const auto with = drawn.labels.gt(0).nonzero().squeeze(1);
    const auto object = drawn.object.index_select(0, with);
    object_boxes.push_back(drawn.boxes.index_select(0, with));
    object_labels.push_back(drawn.labels.index_select(0, with));
    if (object.size(0) == 0) continue;
    wanted.push_back(kCoder.encode(truth.boxes.index_select(0, object), object_boxes.back()));
    if (shape_.masks) masks.push_back(masks_in_boxes(truth.masks, object, object_boxes.back(), 2 * kMaskSize));
    if (shape_.keypoints > 0) points.push_back(truth.keypoints.index_select(0, object));
  }
  const auto [logits, deltas] = boxes_of(scene, boxes);
  const auto labels = torch::cat(all_labels), of_objects = torch::cat(object_labels);
  losses.emplace_back("loss_classifier", torch::cross_entropy_loss(logits, labels, class_weights));
  const auto own = deltas.view({labels.size(0), -1, 4}).index({labels.gt(0), of_objects});  // (objects, 4)
  losses.emplace_back("loss_box_reg", (wanted.empty() ? deltas.sum() * 0 : box_distance(own, torch::cat(wanted))) /
                                          static_cast<double>(labels.size(0)));
  const auto each = torch::arange(of_objects.size(0), of_objects.options());
  if (shape_.masks) {
    const auto x = mask_logits(scene, object_boxes);
    losses.emplace_back("loss_mask", masks.empty() ? x.sum() * 0
                                                   : torch::binary_cross_entropy_with_logits(
                                                         x.index({each, of_objects}), torch::cat(masks)));
  }
  if (shape_.keypoints > 0) {
    const auto x = point_logits(scene, object_boxes).flatten(0, 1).flatten(1);  // (objects K, 56 * 56)
    auto loss = x.sum() * 0;
    if (!points.empty()) {
      const auto [place, visible] = places_in_maps(torch::cat(points), torch::cat(object_boxes), 4 * kMaskSize);
      const auto shown = visible.flatten().nonzero().squeeze(1);
      if (shown.size(0) > 0)
        loss = torch::cross_entropy_loss(x.index_select(0, shown), place.flatten().index_select(0, shown));
    }
    losses.emplace_back("loss_keypoint", loss);
  }
}

Found RoiHeadsImpl::best(const Tensor& logits, const Tensor& deltas, const Tensor& proposals, int64_t height,
                         int64_t width, const FindOptions& options) const {
  const auto scores = logits.softmax(1).slice(1, 1).flatten();  // without background, proposal by proposal
  const auto fit = (scores > options.conf).nonzero().squeeze(1);
  const auto label = fit.remainder(shape_.classes), proposal = fit.floor_divide(shape_.classes);
  const auto own = deltas.view({proposals.size(0), -1, 4}).index({proposal, label + 1});
  const auto boxes = clip_boxes(kCoder.decode(own, proposals.index_select(0, proposal)).squeeze(1),
                                static_cast<double>(height), static_cast<double>(width));
  const auto score = scores.index_select(0, fit);
  const auto large = large_boxes(boxes, 1e-2).nonzero().squeeze(1);
  const auto kept = large.index_select(
      0, nms(boxes.index_select(0, large), score.index_select(0, large), label.index_select(0, large), options.iou)
             .slice(0, 0, options.most));
  Found found;
  found.boxes = boxes.index_select(0, kept);
  found.labels = label.index_select(0, kept);
  found.scores = score.index_select(0, kept);
  return found;
}

std::vector<Found> RoiHeadsImpl::find(const Scene& scene, const std::vector<Tensor>& proposals,
                                      const FindOptions& options) {
  const torch::NoGradGuard no_grad;
  const auto [logits, deltas] = boxes_of(scene, proposals);
  std::vector<Found> out;
  std::vector<Tensor> boxes, labels;
  int64_t first = 0;
  for (size_t i = 0; i < proposals.size(); ++i) {
    const auto last = first + proposals[i].size(0);
    out.push_back(best(logits.slice(0, first, last), deltas.slice(0, first, last), proposals[i], scene.sizes[i].first,
                       scene.sizes[i].second, options));
    boxes.push_back(out.back().boxes);
    labels.push_back(out.back().labels);
    first = last;
  }
  Tensor masks, points;
  if (shape_.masks) {
    const auto all = torch::cat(labels);
    masks = mask_logits(scene, boxes).index({torch::arange(all.size(0), all.options()), all + 1}).sigmoid();
  }
  if (shape_.keypoints > 0) points = point_logits(scene, boxes);
  first = 0;
  for (auto& found : out) {
    const auto last = first + found.boxes.size(0);
    if (masks.defined()) {
      found.masks = masks.slice(0, first, last).to(torch::kFloat32);
      found.masks_are = Found::Masks::of_box;
    }
    if (points.defined()) {
      const auto highest = highest_points(points.slice(0, first, last), found.boxes);
      found.keypoints = torch::cat({highest.slice(2, 0, 2), highest.slice(2, 2).sigmoid()}, 2).to(torch::kFloat32);
    }
    found.boxes = found.boxes.to(torch::kFloat32);
    found.scores = found.scores.to(torch::kFloat32);
    first = last;
  }
  return out;
}

}  // namespace hadal
