#include "hadal/models/detection/retinanet.h"

#include <cmath>

#include "hadal/core/precision.h"
#include "hadal/models/detection/rcnn.h"
#include "hadal/nn/init.h"
#include "hadal/nn/names_only.h"
#include "hadal/ops/boxes.h"
#include "hadal/ops/nms.h"

namespace hadal {
namespace {

/// The focal loss's sum: easy answers count little, and classes by their weights, if there are any.
Tensor focal(const Tensor& logits, const Tensor& truth, const Tensor& weights) {
  constexpr double kAlpha = 0.25;
  const auto p = logits.sigmoid();
  const auto wrong = p + truth - 2 * p * truth;  // 1 - the probability given to the truth
  const auto weight = (2 * kAlpha - 1) * truth + (1 - kAlpha);
  const auto each =
      torch::binary_cross_entropy_with_logits(logits, truth, {}, {}, at::Reduction::None) * wrong.square() * weight;
  return (weights.defined() ? each * weights : each).sum();
}

}  // namespace

Fields<RetinaNetConfig> RetinaNetConfig::fields() {
  using C = RetinaNetConfig;
  return {{"classes", &C::classes, "how many classes, without background", at_least(1)},
          {"group_norm", &C::group_norm, "group norms in the heads"},
          {"giou", &C::giou, "boxes' loss: 1 - GIoU instead of the deltas' distance"},
          {"top_on_network", &C::top_on_network, "the two coarsest levels stand on the network, not on the pyramid"},
          {"object", &C::object, "overlap from which an anchor stands for an object", between(0, 1)},
          {"background", &C::background, "overlap below which an anchor stands for background", between(0, 1)},
          {"candidates", &C::candidates, "boxes of a level that suppression looks at", at_least(1)},
          {"size", &C::size, "the shorter side of a prepared picture", at_least(1)},
          {"longest", &C::longest, "the most its longer side may have", at_least(1)},
          {"backbone", &C::backbone, "what the pyramid stands on"},
          {"anchors", &C::anchors, "boxes that are classified"}};
}

void RetinaNetConfig::validate() const {
  require(background <= object, "[retinanet] background ({}) must not be above object ({})", background, object);
  backbone.validate();
  anchors.validate();
}

RetinaNetImpl::RetinaNetImpl(const RetinaNetConfig& config) : config_(config) {
  validate_config(config, "retinanet");
  using Norm = ConvNormShape::Norm;
  const auto top = config.top_on_network ? FpnShape::Top::from_network : FpnShape::Top::from_pyramid;
  backbone_ = register_module("backbone", Backbone(config.backbone, top, Norm::none, 3));
  anchors_.emplace(config.anchors, backbone_->levels());
  const auto channels = config.backbone.pyramid, each = anchors_->per_place();
  const auto head = register_module("head", std::make_shared<NamesOnly>());
  const auto fill = [&](const char* name, nn::Sequential& conv, const char* last, int64_t out, double bias) {
    const auto part = head->register_module(name, std::make_shared<NamesOnly>());
    for (int i = 0; i < 4; ++i) {
      const ConvNorm layer(
          ConvNormShape{.in = channels, .out = channels, .norm = config.group_norm ? Norm::group32 : Norm::none});
      init::normal(layer->conv->weight, 0.01);
      if (layer->conv->bias.defined()) init::constant(layer->conv->bias, 0);
      conv->push_back(layer);
    }
    part->register_module("conv", conv);
    auto layer = part->register_module(last, nn::Conv2d(nn::Conv2dOptions(channels, out, 3).padding(1)));
    init::normal(layer->weight, 0.01);
    init::constant(layer->bias, bias);
    return layer;
  };
  // At first every anchor shows each class with probability 0.01, so that background does not drown the rest.
  cls_logits_ =
      fill("classification_head", class_conv_, "cls_logits", each * (config.classes + 1), -std::log(0.99 / 0.01));
  bbox_reg_ = fill("regression_head", box_conv_, "bbox_reg", each * 4, 0);
}

RetinaNetImpl::Seen RetinaNetImpl::see(const Tensor& pixels, const std::vector<std::pair<int64_t, int64_t>>& sizes) {
  Seen out;
  auto like = backbone_(without_fill(pixels, sizes));
  for (auto& level : like) {
    out.logits.push_back(precise(by_anchor(cls_logits_(class_conv_->forward(level)), config_.classes + 1)));
    out.deltas.push_back(precise(by_anchor(bbox_reg_(box_conv_->forward(level)), 4)));
    level = precise(level.detach());
  }
  out.anchors = anchors_->on(like, pixels.size(2), pixels.size(3));
  return out;
}

TensorsByName RetinaNetImpl::losses(const Tensor& pixels, const Tensor& sizes, const Targets& targets) {
  const auto seen = see(pixels, picture_sizes("retinanet", pixels, sizes));
  const auto anchors = torch::cat(seen.anchors), logits = torch::cat(seen.logits, 1),
             deltas = torch::cat(seen.deltas, 1);
  const auto truth = by_picture("retinanet", targets, pixels.size(0), config_.classes, anchors);
  const Matcher match{.high = config_.object, .low = config_.background, .all_objects = true};
  const auto weights = class_weights_like(targets, logits, /*background=*/true);
  Tensor classification, regression;
  for (size_t i = 0; i < truth.size(); ++i) {
    const auto picture = static_cast<int64_t>(i);
    const auto matched = match(box_iou(truth[i].boxes, anchors));
    const auto counts = matched.ne(kBetween).nonzero().squeeze(1), with = matched.ge(0).nonzero().squeeze(1);
    const auto object = matched.index_select(0, with);
    const auto share = static_cast<double>(std::max<int64_t>(with.size(0), 1)) * static_cast<double>(truth.size());
    auto wanted = torch::zeros_like(logits[picture]);
    wanted.index_put_({with, truth[i].labels.index_select(0, object) + 1}, 1);
    auto part = focal(logits[picture].index_select(0, counts), wanted.index_select(0, counts), weights) / share;
    classification = classification.defined() ? classification + part : part;

    const auto own = deltas[picture].index_select(0, with), from = anchors.index_select(0, with),
               boxes = truth[i].boxes.index_select(0, object);
    if (config_.giou)
      part = (1 - box_overlap(BoxCoder{}.decode(own, from).squeeze(1), boxes, Overlap::giou)).sum() / share;
    else
      part = (own - BoxCoder{}.encode(boxes, from)).abs().sum() / share;
    regression = regression.defined() ? regression + part : part;
  }
  return {{"classification", classification}, {"bbox_regression", regression}};
}

Found RetinaNetImpl::best(const Seen& seen, int64_t picture, int64_t height, int64_t width,
                          const FindOptions& options) const {
  std::vector<Tensor> boxes, scores, labels;
  for (size_t level = 0; level < seen.logits.size(); ++level) {
    const auto score = seen.logits[level][picture].slice(1, 1).sigmoid().flatten();
    const auto fit = score.gt(options.conf).nonzero().squeeze(1);
    const auto [top, order] = score.index_select(0, fit).topk(std::min(config_.candidates, fit.size(0)));
    const auto place = fit.index_select(0, order), anchor = place.floor_divide(config_.classes);
    boxes.push_back(
        BoxCoder{}
            .decode(seen.deltas[level][picture].index_select(0, anchor), seen.anchors[level].index_select(0, anchor))
            .squeeze(1));
    scores.push_back(top);
    labels.push_back(place.remainder(config_.classes));
  }
  const auto all = clip_boxes(torch::cat(boxes), static_cast<double>(height), static_cast<double>(width));
  const auto score = torch::cat(scores), label = torch::cat(labels);
  const auto kept = nms(all, score, label, options.iou).slice(0, 0, options.most);
  Found found;
  found.boxes = all.index_select(0, kept).to(torch::kFloat32);
  found.labels = label.index_select(0, kept);
  found.scores = score.index_select(0, kept).to(torch::kFloat32);
  return found;
}

std::vector<Found> RetinaNetImpl::find(const Tensor& pixels, const Tensor& sizes, const FindOptions& options) {
  const torch::NoGradGuard no_grad;
  const auto checked = picture_sizes("retinanet", pixels, sizes);
  const auto seen = see(pixels, checked);
  std::vector<Found> out;
  for (size_t i = 0; i < checked.size(); ++i)
    out.push_back(best(seen, static_cast<int64_t>(i), checked[i].first, checked[i].second, options));
  return out;
}

Preparation RetinaNetImpl::preparation() const { return torchvision_preparation(config_.size, config_.longest); }

TensorsByName RetinaNetImpl::own_names(const TensorsByName& weights) const {
  TensorsByName out;
  for (const auto& [name, tensor] : weights) {
    auto mine = current_fpn_name(name);
    // Files from before torchvision 0.13 count the activations between the heads' convolutions too.
    for (const std::string part : {"head.classification_head.conv.", "head.regression_head.conv."}) {
      if (!mine.starts_with(part) || mine.size() < part.size() + 2) continue;
      const auto rest = mine.substr(part.size() + 1);
      if (rest == ".weight" || rest == ".bias")
        mine = fmt::format("{}{}.0{}", part, (mine[part.size()] - '0') / 2, rest);
    }
    out.emplace_back(std::move(mine), tensor);
  }
  return out;
}

void register_retinanet(DetectionCatalog& catalog) {
  const auto add = [&](const char* name, const char* about, const RetinaNetConfig& config) {
    catalog.add(name, about, config, [](const RetinaNetConfig& made) { return std::make_shared<RetinaNetImpl>(made); });
  };
  add("retinanet_resnet50_fpn", "RetinaNet on ResNet-50", {});
  RetinaNetConfig v2;
  v2.group_norm = v2.giou = v2.top_on_network = true;
  add("retinanet_resnet50_fpn_v2", "RetinaNet on ResNet-50 with group norms and GIoU", v2);
}

}  // namespace hadal
