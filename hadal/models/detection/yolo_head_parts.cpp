// Mask prototypes, and the flow that tells how likely a keypoint's error is.
#include <cmath>
#include <numbers>

#include "hadal/models/detection/yolo_head.h"
#include "hadal/nn/init.h"

namespace hadal::yolo {
namespace {

nn::Sequential coupling(bool bounded) {
  nn::Sequential net(nn::Linear(2, 64), nn::SiLU(), nn::Linear(64, 64), nn::SiLU(), nn::Linear(64, 2));
  if (bounded) net->push_back(nn::Tanh());
  if (WithoutInit::active()) return net;
  const torch::NoGradGuard no_grad;
  for (const auto& layer : net->children())
    if (auto* linear = layer->as<nn::Linear>()) nn::init::xavier_uniform_(linear->weight, 0.01);
  return net;
}

}  // namespace

Prototypes::Prototypes(int64_t in, int64_t width) {
  cv1_ = register_module("cv1", conv(in, width, 3));
  upsample_ = register_module("upsample", nn::ConvTranspose2d(nn::ConvTranspose2dOptions(width, width, 2).stride(2)));
  cv2_ = register_module("cv2", conv(width, width, 3));
  cv3_ = register_module("cv3", conv(width, kMaskCoefficients, 1));
}

Tensor Prototypes::forward(const Tensor& x) { return cv3_->forward(cv2_->forward(upsample_(cv1_->forward(x)))); }

FusedPrototypes::FusedPrototypes(const std::vector<int64_t>& in, int64_t width, int64_t classes)
    : Prototypes(width, width) {
  feat_refine_ = register_module("feat_refine", std::make_shared<Chain>());
  for (size_t i = 1; i < in.size(); ++i) feat_refine_->add(conv(in[i], in[0], 1));
  feat_fuse_ = register_module("feat_fuse", conv(in[0], width, 3));
  const std::vector<BlockPtr> semantic = {conv(in[0], width, 3), conv(width, width, 3),
                                          std::make_shared<Plain>(ConvShape{.in = width, .out = classes})};
  semseg_ = register_module("semseg", std::make_shared<Chain>(semantic));
}

Tensor FusedPrototypes::fuse(const std::vector<Tensor>& features, Tensor& semantic) {
  auto all = features[0];
  for (size_t i = 1; i < features.size(); ++i) {
    const auto part = feat_refine_->blocks()[i - 1]->forward(features[i]);
    all = all + torch::upsample_nearest2d(part, all.sizes().slice(2));
  }
  if (is_training()) semantic = semseg_->forward(all);
  return Prototypes::forward(feat_fuse_->forward(all));
}

Flow::Flow() {
  register_buffer("loc", torch::zeros({2}));
  register_buffer("cov", torch::eye(2));
  mask_ = register_buffer("mask", torch::tensor({0.F, 1.F, 1.F, 0.F}).view({2, 2}).repeat({3, 1}));
  const auto scales = register_module("s", std::make_shared<nn::Module>());
  const auto shifts = register_module("t", std::make_shared<nn::Module>());
  for (int64_t i = 0; i < mask_.size(0); ++i) {
    s_.push_back(scales->register_module(std::to_string(i), coupling(true)));
    t_.push_back(shifts->register_module(std::to_string(i), coupling(false)));
  }
}

Tensor Flow::log_prob(const Tensor& errors) {
  auto z = errors;
  auto log_determinant = torch::zeros({errors.size(0)}, errors.options());
  for (auto i = static_cast<int64_t>(s_.size()) - 1; i >= 0; --i) {
    const auto kept = mask_[i], moved = 1 - kept;
    const auto still = kept * z;
    const auto scale = s_[static_cast<size_t>(i)]->forward(still) * moved;
    const auto shift = t_[static_cast<size_t>(i)]->forward(still) * moved;
    z = moved * (z - shift) * (-scale).exp() + still;
    log_determinant = log_determinant - scale.sum(1);
  }
  return -0.5 * z.square().sum(-1) - std::log(2 * std::numbers::pi) + log_determinant;
}

}  // namespace hadal::yolo
