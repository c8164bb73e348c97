#include "hadal/models/detection/yolo.h"

#include "hadal/core/shape.h"
#include "hadal/models/detection/yolo_loss.h"
#include "hadal/models/detection/yolo_predict.h"

namespace hadal {
namespace {

constexpr int64_t kStride = 32;

void expect_pixels(const Tensor& pixels) {
  expect_shape("yolo", pixels, {kAny, 3, kAny, kAny});
  for (const auto side : {pixels.size(2), pixels.size(3)})
    require(side % kStride == 0 && side > 0, "[yolo] a picture's sides must be multiples of {}, got {}; nearest: {}",
            kStride, side, nearest_multiple(side, kStride));
}

}  // namespace

Fields<YoloConfig> YoloConfig::fields() {
  return {
      {"family", &YoloConfig::family, "v5 with anchor boxes; v8, 11 and 26 without", one_of({"v5", "v8", "11", "26"})},
      {"size", &YoloConfig::size, "how deep and wide", one_of({"n", "s", "m", "l", "x"})},
      {"classes", &YoloConfig::classes, "how many classes", at_least(1)},
      {"masks", &YoloConfig::masks, "a mask for each object"},
      {"keypoints", &YoloConfig::keypoints, "keypoints of an object; 0: none", at_least(0)},
      {"keypoint_dims", &YoloConfig::keypoint_dims, "of a keypoint: 2 is x and y, 3 has whether it is seen",
       between(2, 3)},
      {"depth", &YoloConfig::depth, "layers' repeats are multiplied by it; 0: the size's", at_least(0)},
      {"width", &YoloConfig::width, "layers' widths are multiplied by it; 0: the size's", at_least(0)},
      {"most_channels", &YoloConfig::most_channels, "widths end there before that; 0: the size's", at_least(0)}};
}

void YoloConfig::validate() const {
  require(!masks || keypoints == 0,
          "[yolo] masks and keypoints are two different heads; set masks=false or keypoints=0");
  require(!yolo::family(family).anchors || (!masks && keypoints == 0),
          "[yolo] v5 has neither masks nor keypoints; take yolov8, yolo11 or yolo26");
}

yolo::Scale YoloConfig::scale() const {
  auto made = yolo::family(family).scale(size);
  if (depth > 0) made.depth = depth;
  if (width > 0) made.width = width;
  if (most_channels > 0) made.most_channels = most_channels;
  return made;
}

YoloImpl::YoloImpl(const YoloConfig& config) : config_(config), family_(yolo::family(config.family)) {
  validate_config(config, "yolo");
  const auto scale = config.scale();
  const auto model = register_module("model", std::make_shared<nn::Module>());
  std::vector<int64_t> widths;
  const auto width_of = [&](int64_t from) {
    return from < 0 ? (widths.empty() ? int64_t{3} : widths.back()) : widths[static_cast<size_t>(from)];
  };
  for (const auto& row : family_.rows) {
    int64_t in = 0, out = 0;
    for (const auto from : row.from) in += width_of(from);
    const auto block = yolo::make_block(row, in, scale, out);
    if (block) model->register_module(std::to_string(layers_.size()), block);
    layers_.push_back({row.from, block});
    widths.push_back(out);
  }
  std::vector<int64_t> in;
  for (const auto level : family_.levels) in.push_back(width_of(level));
  const auto last = std::to_string(layers_.size());
  if (family_.anchors) {
    anchor_head_ = model->register_module(last, std::make_shared<yolo::AnchorHead>(in, config.classes));
    return;
  }
  head_ = model->register_module(
      last, std::make_shared<yolo::Head>(
                yolo::HeadShape{.in = in,
                                .classes = config.classes,
                                .bins = family_.bins,
                                .light = family_.light_head,
                                .end_to_end = family_.end_to_end,
                                .prototype_width = config.masks ? yolo::scaled_width(yolo::kPrototypeWidth, scale) : 0,
                                .keypoints = config.keypoints,
                                .keypoint_dims = config.keypoint_dims}));
}

std::vector<Tensor> YoloImpl::features(const Tensor& pixels) const {
  std::vector<Tensor> outputs;
  outputs.reserve(layers_.size());
  for (const auto& layer : layers_) {
    std::vector<Tensor> inputs;
    for (const auto from : layer.from)
      inputs.push_back(from >= 0 ? outputs[static_cast<size_t>(from)] : outputs.empty() ? pixels : outputs.back());
    if (layer.block) {
      outputs.push_back(layer.block->forward(inputs[0]));
    } else if (inputs.size() > 1) {
      outputs.push_back(torch::cat(inputs, 1));
    } else {
      const std::vector<int64_t> doubled = {2 * inputs[0].size(2), 2 * inputs[0].size(3)};
      outputs.push_back(torch::upsample_nearest2d(inputs[0], doubled));
    }
  }
  std::vector<Tensor> levels;
  for (const auto level : family_.levels) levels.push_back(outputs[static_cast<size_t>(level)]);
  return levels;
}

TensorsByName YoloImpl::losses(const Tensor& pixels, const Tensor& /*sizes*/, const Targets& targets) {
  expect_pixels(pixels);
  const auto levels = features(pixels);
  if (anchor_head_)
    return yolo::anchor_losses(*anchor_head_, anchor_head_->forward(levels), targets, pixels.size(2), pixels.size(3));
  return yolo::losses(*head_, head_->forward(levels), targets, progress_);
}

std::vector<Found> YoloImpl::find(const Tensor& pixels, const Tensor& /*sizes*/, const FindOptions& options) {
  expect_pixels(pixels);
  const torch::NoGradGuard no_grad;
  const auto levels = features(pixels);
  const auto all = anchor_head_ ? decode(*anchor_head_, anchor_head_->forward(levels))
                                : decode(*head_, head_->forward(levels, false));
  return choose(all, family_.end_to_end, options, pixels.size(2), pixels.size(3));
}

std::pair<Tensor, Tensor> YoloImpl::predictions(const Tensor& pixels) {
  expect_pixels(pixels);
  const auto levels = features(pixels);
  const auto all = anchor_head_ ? decode(*anchor_head_, anchor_head_->forward(levels))
                                : decode(*head_, head_->forward(levels, false));
  std::vector<Tensor> parts = {all.boxes, all.scores};
  if (all.coefficients.defined()) parts.push_back(all.coefficients);
  if (all.keypoints.defined()) parts.push_back(all.keypoints.flatten(2));
  return {torch::cat(parts, 2), all.prototypes};
}

std::vector<std::string> YoloImpl::heads() const {
  const auto head = fmt::format("model.{}.", layers_.size());
  std::vector<std::string> names;
  for (size_t i = 0; i < yolo::kStrides.size(); ++i) {
    if (anchor_head_) {
      names.push_back(fmt::format("{}m.{}.", head, i));
      continue;
    }
    for (const auto* branch : {"", "one2one_"}) {
      if (*branch && !family_.end_to_end) continue;
      names.push_back(fmt::format("{}{}cv3.{}.", head, branch, i));
      if (config_.keypoints > 0) names.push_back(fmt::format("{}{}cv4", head, branch));
    }
  }
  if (config_.masks && family_.end_to_end) names.push_back(head + "proto.semseg.2.");
  return names;
}

void register_yolo(DetectionCatalog& catalog) {
  const auto add = [&](const std::string& name, const std::string& about, const YoloConfig& config) {
    catalog.add(name, about, config, [](const YoloConfig& chosen) { return std::make_shared<YoloImpl>(chosen); });
  };
  for (const auto& family : yolo::families())
    for (const auto& scale : family.scales) {
      const auto name = fmt::format("yolo{}{}", family.name, scale.size);
      const YoloConfig config{.family = family.name, .size = scale.size};
      const auto title = fmt::format("YOLO{}{}", family.name, scale.size);
      add(name, title + ": boxes", config);
      if (family.anchors) continue;
      auto masks = config, keypoints = config;
      masks.masks = true;
      keypoints.keypoints = 17;
      keypoints.classes = 1;
      add(name + "-seg", title + ": boxes and masks", masks);
      add(name + "-pose", title + ": boxes and keypoints", keypoints);
    }
}

}  // namespace hadal
