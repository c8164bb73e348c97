#include "hadal/models/detection/rpn.h"

#include "hadal/core/precision.h"
#include "hadal/nn/init.h"
#include "hadal/nn/names_only.h"
#include "hadal/ops/boxes.h"
#include "hadal/ops/nms.h"

namespace hadal {

Fields<RpnConfig> RpnConfig::fields() {
  using C = RpnConfig;
  return {{"depth", &C::depth, "3x3 convolutions before the two outputs", at_least(1)},
          {"before_train", &C::before_train, "proposals of a level before suppression, in training", at_least(1)},
          {"before_test", &C::before_test, "the same elsewhere", at_least(1)},
          {"after_train", &C::after_train, "proposals of a picture after suppression, in training", at_least(1)},
          {"after_test", &C::after_test, "the same elsewhere", at_least(1)},
          {"nms", &C::nms, "overlap above which the worse of two proposals goes", between(0, 1)},
          {"score", &C::score, "least score of a proposal", between(0, 1)},
          {"object", &C::object, "overlap from which an anchor stands for an object", between(0, 1)},
          {"background", &C::background, "overlap below which an anchor stands for background", between(0, 1)},
          {"sampled", &C::sampled, "anchors of a picture that the losses look at", at_least(1)},
          {"sampled_objects", &C::sampled_objects, "largest share of objects among them", between(0, 1)}};
}

void RpnConfig::validate() const {
  require(background <= object, "[rpn] background ({}) must not be above object ({})", background, object);
}

RpnImpl::RpnImpl(const RpnConfig& config, const AnchorConfig& anchors, int64_t channels, size_t levels)
    : config_(config), anchors_(anchors, levels) {
  validate_config(config, "rpn");
  const auto head = register_module("head", std::make_shared<NamesOnly>());
  const auto first_values = [](const nn::Conv2dImpl& layer) {
    init::normal(layer.weight, 0.01);
    init::constant(layer.bias, 0);
  };
  for (int64_t i = 0; i < config.depth; ++i) {
    const ConvNorm layer(ConvNormShape{.in = channels, .out = channels, .norm = ConvNormShape::Norm::none});
    first_values(*layer->conv);
    conv_->push_back(layer);
  }
  head->register_module("conv", conv_);
  const auto output = [&](const char* name, int64_t out) {
    auto layer = head->register_module(name, nn::Conv2d(nn::Conv2dOptions(channels, out, 1)));
    first_values(*layer);
    return layer;
  };
  cls_logits_ = output("cls_logits", anchors_.per_place());
  bbox_pred_ = output("bbox_pred", 4 * anchors_.per_place());
}

std::vector<Tensor> RpnImpl::forward(const Scene& scene, const std::vector<PictureTargets>* targets,
                                     TensorsByName& losses) {
  std::vector<Tensor> objectness, deltas;
  for (const auto& level : scene.features) {
    const auto x = conv_->forward(level);
    objectness.push_back(precise(by_anchor(cls_logits_(x), 1).squeeze(2)));  // (B, h w anchors)
    deltas.push_back(precise(by_anchor(bbox_pred_(x), 4)));                  // (B, h w anchors, 4)
  }
  auto like = scene.features;
  for (auto& level : like) level = precise(level.detach());
  const auto anchors = anchors_.on(like, scene.height, scene.width);
  auto found = proposals(scene, anchors, objectness, deltas);
  if (targets) add_losses(torch::cat(anchors), torch::cat(objectness, 1), torch::cat(deltas, 1), *targets, losses);
  return found;
}

std::vector<Tensor> RpnImpl::proposals(const Scene& scene, const std::vector<Tensor>& anchors,
                                       const std::vector<Tensor>& objectness, const std::vector<Tensor>& deltas) const {
  const torch::NoGradGuard no_grad;
  const auto before = is_training() ? config_.before_train : config_.before_test;
  const auto after = is_training() ? config_.after_train : config_.after_test;
  std::vector<Tensor> out;
  for (size_t picture = 0; picture < scene.sizes.size(); ++picture) {
    const auto i = static_cast<int64_t>(picture);
    std::vector<Tensor> boxes, scores, levels;
    for (size_t level = 0; level < anchors.size(); ++level) {
      const auto [best, place] = objectness[level][i].topk(std::min(before, objectness[level].size(1)));
      boxes.push_back(
          BoxCoder{}.decode(deltas[level][i].index_select(0, place), anchors[level].index_select(0, place)).squeeze(1));
      scores.push_back(best.sigmoid());
      levels.push_back(torch::full_like(place, static_cast<int64_t>(level)));
    }
    const auto [height, width] = scene.sizes[picture];
    const auto all = clip_boxes(torch::cat(boxes), static_cast<double>(height), static_cast<double>(width));
    const auto score = torch::cat(scores);
    const auto fit = (large_boxes(all, 1e-3) & (score >= config_.score)).nonzero().squeeze(1);
    const auto some = all.index_select(0, fit);
    const auto kept =
        nms(some, score.index_select(0, fit), torch::cat(levels).index_select(0, fit), config_.nms).slice(0, 0, after);
    out.push_back(some.index_select(0, kept));
  }
  return out;
}

void RpnImpl::add_losses(const Tensor& anchors, const Tensor& objectness, const Tensor& deltas,
                         const std::vector<PictureTargets>& targets, TensorsByName& losses) const {
  const Matcher match{.high = config_.object, .low = config_.background, .all_objects = true};
  const Sampler sample{config_.sampled, config_.sampled_objects};
  std::vector<Tensor> moved, wanted, logits, truth;
  for (size_t i = 0; i < targets.size(); ++i) {
    const auto picture = static_cast<int64_t>(i);
    const auto& boxes = targets[i].boxes;
    const auto object = match(box_iou(boxes, anchors));
    const auto labels = (object >= 0).to(torch::kInt64).masked_fill(object == kBetween, -1);
    const auto [with, without] = sample(labels);
    logits.push_back(objectness[picture].index_select(0, torch::cat({with, without})));
    truth.push_back(torch::cat({torch::ones_like(with), torch::zeros_like(without)}));
    if (with.size(0) == 0) continue;
    moved.push_back(deltas[picture].index_select(0, with));
    wanted.push_back(
        BoxCoder{}.encode(boxes.index_select(0, object.index_select(0, with)), anchors.index_select(0, with)));
  }
  const auto all = torch::cat(logits);
  losses.emplace_back("loss_objectness",
                      torch::binary_cross_entropy_with_logits(all, torch::cat(truth).to(all.scalar_type())));
  const auto distance = moved.empty() ? deltas.sum() * 0 : box_distance(torch::cat(moved), torch::cat(wanted));
  losses.emplace_back("loss_rpn_box_reg", distance / static_cast<double>(all.size(0)));
}

Tensor box_distance(const Tensor& deltas, const Tensor& wanted) {
  return torch::smooth_l1_loss(deltas, wanted, at::Reduction::Sum, 1.0 / 9);
}

}  // namespace hadal
