#include "hadal/models/detection/dfine.h"

#include <algorithm>
#include <cmath>
#include <regex>

#include "hadal/core/precision.h"
#include "hadal/core/shape.h"
#include "hadal/models/detection/assign.h"
#include "hadal/models/detection/darknet_found.h"
#include "hadal/models/detection/dfine_decoder.h"
#include "hadal/models/detection/dfine_encoder.h"
#include "hadal/models/detection/dfine_train.h"
#include "hadal/nn/names_only.h"
#include "hadal/ops/boxes.h"

namespace hadal {
namespace {

using Shapes = std::vector<std::pair<int64_t, int64_t>>;

/// A box around every place, larger in coarser levels, as logits; and which lie well within the picture. Others are as
/// far out as the type goes.
struct Places {
  Tensor logits, within;  // (1, N, 4), (1, N, 1) bool
};
Places places_of(const Shapes& shapes, const Tensor& like) {
  constexpr double kSide = 0.05, kEdge = 0.01;
  const auto real = like.options();
  std::vector<Tensor> levels;
  double side = kSide;
  for (const auto& [h, w] : shapes) {
    const auto y = ((torch::arange(h, real) + 0.5) / h).repeat_interleave(w);
    const auto x = ((torch::arange(w, real) + 0.5) / w).repeat({h});
    levels.push_back(torch::stack({x, y, torch::full_like(x, side), torch::full_like(x, side)}, 1));
    side *= 2;
  }
  const auto all = torch::cat(levels).unsqueeze(0);
  const auto within = (all > kEdge).logical_and(all < 1 - kEdge).all(2, true);
  const auto far = real.dtype() == torch::kFloat64 ? std::numeric_limits<double>::max()
                                                   : static_cast<double>(std::numeric_limits<float>::max());
  return {torch::where(within, (all / (1 - all)).log(), torch::full({}, far, real)), within};
}

/// rows (B, Q) of x (B, N, k)
Tensor rows_of(const Tensor& x, const Tensor& rows) {
  return x.gather(1, rows.unsqueeze(2).expand({-1, -1, x.size(2)}));
}

DfineDecoded part_of(const DfineDecoded& all, int64_t first, int64_t count) {
  const auto cut = [&](const Tensor& x) { return x.defined() ? x.narrow(1, first, count) : x; };
  const auto each = [&](const DfineLayerOutput& one) {
    return DfineLayerOutput{cut(one.logits), cut(one.boxes), cut(one.corners)};
  };
  DfineDecoded out{each(all.first), {}};
  for (const auto& layer : all.layers) out.layers.push_back(each(layer));
  return out;
}

}  // namespace

DfineImpl::DfineImpl(const DfineConfig& config) : config_(config) {
  validate_config(config, "d_fine");
  const auto body = register_module("model", std::make_shared<NamesOnly>());
  const auto conv = body->register_module("backbone", std::make_shared<NamesOnly>());
  backbone_ = conv->register_module("model", Hgnet(config.backbone));
  const auto levels = config.points.size(), first = 4 - levels;
  for (size_t i = 0; i < levels; ++i) {
    encoder_in_->push_back(dfine_projection(config.backbone.out[first + i], config.encoder_dim));
    if (config.encoder_dim != config.dim) decoder_in_->push_back(dfine_projection(config.encoder_dim, config.dim));
  }
  body->register_module("encoder_input_proj", encoder_in_);
  encoder_ = body->register_module("encoder", std::make_shared<DfineEncoderImpl>(config));
  if (config.denoising > 0)
    noisy_classes_ = body->register_module(
        "denoising_class_embed",
        nn::Embedding(nn::EmbeddingOptions(config.classes + 1, config.dim).padding_idx(config.classes)));
  enc_output_ = body->register_module(
      "enc_output", nn::Sequential(nn::Linear(config.dim, config.dim),
                                   nn::LayerNorm(nn::LayerNormOptions(std::vector<int64_t>{config.dim}))));
  enc_score_head_ = body->register_module("enc_score_head", nn::Linear(config.dim, config.classes));
  enc_bbox_head_ = body->register_module("enc_bbox_head", std::make_shared<DfineMlpImpl>(config.dim, config.dim, 4, 3));
  decoder_ = body->register_module("decoder", std::make_shared<DfineDecoderImpl>(config));
  body->register_module("decoder_input_proj", decoder_in_);
  init::xavier_uniform(enc_output_[0]->as<nn::Linear>()->weight);
  init::constant(enc_score_head_->bias, -std::log((1 - 0.01) / 0.01));
  enc_bbox_head_->begin_with_zero();
}

int64_t DfineImpl::queries_in(const Tensor& pixels) const {
  int64_t places = 0;
  for (size_t i = 0; i < config_.points.size(); ++i)
    places += (pixels.size(2) / (32 >> i)) * (pixels.size(3) / (32 >> i));
  return std::min(config_.queries, places);
}

DfineSeen DfineImpl::see(const Tensor& pixels, const DfineNoise& noise) {
  if (pixels.size(2) % 32 != 0 || pixels.size(3) % 32 != 0)
    fail("[d_fine] wants sides that are multiples of 32, got {} x {}", pixels.size(2), pixels.size(3));
  const auto stages = backbone_(pixels);
  const auto count = config_.points.size();
  std::vector<Tensor> levels(stages.end() - static_cast<std::ptrdiff_t>(count), stages.end());
  for (size_t i = 0; i < count; ++i) levels[i] = encoder_in_[i]->as<nn::Sequential>()->forward(levels[i]);
  levels = encoder_->forward(levels);
  Shapes shapes;
  for (size_t i = 0; i < count; ++i) {
    auto& level = levels[i];
    if (!decoder_in_->is_empty()) level = decoder_in_[i]->as<nn::Sequential>()->forward(level);
    shapes.emplace_back(level.size(2), level.size(3));
    level = precise(level).flatten(2).transpose(1, 2);
  }
  const auto memory = torch::cat(levels, 1);  // (B, N, dim)
  const auto anchors = places_of(shapes, memory);

  // Places that look most like an object of any class become queries.
  const auto looked = enc_output_->forward(anchors.within.to(memory.scalar_type()) * memory);
  const auto logits = precise(enc_score_head_(looked));
  const auto boxes = precise(enc_bbox_head_->forward(looked)) + anchors.logits;
  const auto best = std::get<1>(logits.amax(2).topk(queries_in(pixels), 1));
  DfineSeen out;
  out.picked_logits = rows_of(logits, best);
  auto places = rows_of(boxes, best);
  out.picked_boxes = places.sigmoid();
  auto queries = precise(rows_of(looked, best)).detach();
  const auto noisy = noise.labels.defined() ? noise.labels.size(1) : 0;
  if (noisy > 0) {
    queries = torch::cat({noisy_classes_(noise.labels), queries}, 1);
    places = torch::cat({noise.places.to(places.scalar_type()), places}, 1);
  }
  const auto values = deformable_values(memory, shapes, config_.heads);
  const auto all = decoder_->forward(queries, places.detach(), values, noise.mask, torch::GradMode::is_enabled());
  out.decoded = part_of(all, noisy, best.size(1));
  if (noisy > 0) out.noise = part_of(all, 0, noisy);
  out.steps = decoder_->steps().to(memory.scalar_type());
  out.reach = decoder_->reach();
  return out;
}

DfineLayerOutput DfineImpl::forward(const Tensor& pixels) {
  expect_shape("d_fine", pixels, {kAny, 3, kAny, kAny});
  return see(pixels, {}).decoded.layers.back();
}

TensorsByName DfineImpl::losses(const Tensor& pixels, const Tensor& sizes, const Targets& targets) {
  picture_sizes("d_fine", pixels, sizes);
  auto truth = by_picture("d_fine", targets, pixels.size(0), config_.classes, precise(pixels));
  const auto whole =
      torch::tensor({pixels.size(3), pixels.size(2), pixels.size(3), pixels.size(2)}).to(pixels.device());
  for (auto& picture : truth) picture.boxes = cxcywh_from_xyxy(picture.boxes) / whole;
  const auto noise = is_training() ? noisy_objects(truth, config_, queries_in(pixels)) : DfineNoise{};
  auto out = dfine_losses(see(pixels, noise), noise, truth, class_weights_like(targets, precise(pixels)), config_);
  // Without objects there is no noise; its weights stay within the graph.
  if (noisy_classes_ && !noise.labels.defined()) out[0].second = out[0].second + 0 * noisy_classes_->weight.sum();
  return out;
}

std::vector<Found> DfineImpl::find(const Tensor& pixels, const Tensor& sizes, const FindOptions& options) {
  const torch::NoGradGuard no_grad;
  picture_sizes("d_fine", pixels, sizes);
  const auto said = see(pixels, {}).decoded.layers.back();
  const auto scores = said.logits.sigmoid().flatten(1);  // (B, Q classes)
  const auto [top, places] = scores.topk(said.boxes.size(1), 1);
  const auto whole =
      torch::tensor({pixels.size(3), pixels.size(2), pixels.size(3), pixels.size(2)}).to(pixels.device());
  const auto boxes = xyxy_from_cxcywh(said.boxes) * whole;
  auto all = options;
  all.iou = 1;  // two queries are two objects
  std::vector<Found> out;
  for (int64_t i = 0; i < pixels.size(0); ++i) {
    const auto rows = (top[i] > options.conf).nonzero().flatten();
    const auto place = places[i].index_select(0, rows);
    out.push_back(best_found(boxes[i].index_select(0, place.floor_divide(config_.classes)).to(torch::kFloat32),
                             top[i].index_select(0, rows).to(torch::kFloat32), place.remainder(config_.classes),
                             sizes[i], all));
  }
  return out;
}

Preparation DfineImpl::preparation() const {
  return {.fit = Preparation::Fit::squash, .sampling = Preparation::Sampling::antialias, .size = config_.size};
}

std::vector<std::string> DfineImpl::heads() const {
  return {"model.denoising_class_embed.", "model.enc_score_head.", "model.decoder.class_embed."};
}

TensorsByName DfineImpl::own_names(const TensorsByName& weights) const {
  // Published files say fc1, fc2, out_proj and encoder.encoder, and have the decoder's heads twice.
  static const std::regex inner(R"(\.layers\.(\d+)\.fc([12])\.)"), level(R"(^model\.encoder\.encoder\.)"),
      out(R"(\.self_attn\.out_proj\.)"), twice(R"(^(class_embed|bbox_embed)\.)");
  const bool has_heads = std::any_of(weights.begin(), weights.end(), [](const auto& item) {
    return item.first.starts_with("model.decoder.class_embed.");
  });
  TensorsByName mine;
  for (const auto& [name, tensor] : weights) {
    if (std::regex_search(name, twice)) {
      if (!has_heads) mine.emplace_back("model.decoder." + name, tensor);
      continue;
    }
    auto now = std::regex_replace(name, level, "model.encoder.aifi.");
    now = std::regex_replace(now, out, ".self_attn.o_proj.");
    std::smatch found;
    if (std::regex_search(now, found, inner))
      now = fmt::format("{}.layers.{}.mlp.layers.{}.{}", found.prefix().str(), found[1].str(),
                        found[2].str() == "1" ? 0 : 1, found.suffix().str());
    mine.emplace_back(now, tensor);
  }
  return mine;
}

}  // namespace hadal
