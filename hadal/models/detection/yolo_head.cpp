#include "hadal/models/detection/yolo_head.h"

#include <algorithm>
#include <cmath>

#include "hadal/nn/init.h"

namespace hadal::yolo {
namespace {

BlockPtr plain(int64_t in, int64_t out) { return std::make_shared<Plain>(ConvShape{.in = in, .out = out}); }

BlockPtr chain(const std::vector<BlockPtr>& blocks) { return std::make_shared<Chain>(blocks); }

/// Each level's map through its own chain, pixels of all levels in a row: (B, C, A).
Tensor over_levels(const Chain& chains, const std::vector<Tensor>& features) {
  std::vector<Tensor> parts;
  for (size_t i = 0; i < features.size(); ++i) parts.push_back(chains.blocks()[i]->forward(features[i]).flatten(2));
  return torch::cat(parts, 2);
}

/// log(5 objects of a 640 picture / classes / pixels of the level): scores begin as rare as objects are.
double first_score(int64_t classes, int64_t stride) {
  const auto side = 640 / static_cast<double>(stride);
  return std::log(5 / static_cast<double>(classes) / (side * side));
}

Tensor bias_of(const Chain& chains, size_t level) {
  const auto& last = dynamic_cast<const Chain&>(*chains.blocks()[level]).blocks().back();
  return dynamic_cast<const Plain&>(*last).bias;
}

}  // namespace

Head::Head(const HeadShape& given) : shape(given) {
  const torch::NoGradGuard no_grad;
  many_ = add_branch("");
  if (shape.bins > 1) {
    const auto dfl = std::make_shared<Plain>(ConvShape{.in = shape.bins, .out = 1}, false);
    dfl->weight.copy_(torch::arange(shape.bins).view({1, -1, 1, 1}));
    bins = dfl->weight.set_requires_grad(false);
    register_module("dfl", std::make_shared<nn::Module>())->register_module("conv", dfl);
  }
  const bool fused = shape.end_to_end;  // YOLO26
  if (shape.prototype_width > 0 && fused)
    proto_ = std::make_shared<FusedPrototypes>(shape.in, shape.prototype_width, shape.classes);
  else if (shape.prototype_width > 0)
    proto_ = std::make_shared<Prototypes>(shape.in[0], shape.prototype_width);
  if (proto_) register_module("proto", proto_);
  if (shape.keypoints > 0 && fused) flow_model = register_module("flow_model", std::make_shared<Flow>());
  if (shape.end_to_end) one_ = add_branch("one2one_");
  if (WithoutInit::active()) return;
  first_biases(many_);
  if (!shape.end_to_end) return;
  auto named = named_parameters();
  for (auto& item : named)
    if (item.key().starts_with("one2one_")) item.value().copy_(named[item.key().substr(8)]);
}

Head::Branch Head::add_branch(const std::string& prefix) {
  const auto add = [&](const std::string& name) { return register_module(prefix + name, std::make_shared<Chain>()); };
  const auto first = shape.in[0];
  const auto box = std::max({int64_t{16}, first / 4, shape.bins * 4});
  const auto score = std::max(first, std::min<int64_t>(shape.classes, 100));
  Branch branch = {.boxes = add("cv2"), .scores = add("cv3"), .extra = {}, .keypoints = {}, .sigma = {}};
  for (const auto in : shape.in) {
    branch.boxes->add(chain({conv(in, box, 3), conv(box, box, 3), plain(box, 4 * shape.bins)}));
    if (shape.light)
      branch.scores->add(
          chain({chain({conv(in, in, 3, in), conv(in, score, 1)}),
                 chain({conv(score, score, 3, score), conv(score, score, 1)}), plain(score, shape.classes)}));
    else
      branch.scores->add(chain({conv(in, score, 3), conv(score, score, 3), plain(score, shape.classes)}));
  }
  const auto values = shape.keypoints * shape.keypoint_dims;
  if (shape.prototype_width > 0 || (shape.keypoints > 0 && !shape.end_to_end)) {
    const auto out = shape.prototype_width > 0 ? kMaskCoefficients : values;
    const auto hidden = std::max(first / 4, out);
    branch.extra = add("cv4");
    for (const auto in : shape.in)
      branch.extra->add(chain({conv(in, hidden, 3), conv(hidden, hidden, 3), plain(hidden, out)}));
  } else if (shape.keypoints > 0) {
    const auto hidden = std::max(first / 4, values + 2 * shape.keypoints);
    branch.extra = add("cv4");
    branch.keypoints = add("cv4_kpts");
    branch.sigma = add("cv4_sigma");
    for (const auto in : shape.in) {
      branch.extra->add(chain({conv(in, hidden, 3), conv(hidden, hidden, 3)}));
      branch.keypoints->add(plain(hidden, values));
      branch.sigma->add(plain(hidden, 2 * shape.keypoints));
    }
  }
  return branch;
}

void Head::first_biases(const Branch& branch) {
  for (size_t i = 0; i < shape.in.size(); ++i) {
    bias_of(*branch.boxes, i).fill_(2);
    bias_of(*branch.scores, i).fill_(first_score(shape.classes, kStrides[i]));
  }
}

Raw Head::run(const Branch& branch, const std::vector<Tensor>& features) const {
  Raw raw;
  raw.boxes = over_levels(*branch.boxes, features);
  raw.scores = over_levels(*branch.scores, features);
  if (shape.prototype_width > 0) {
    raw.coefficients = over_levels(*branch.extra, features);
  } else if (branch.keypoints) {
    std::vector<Tensor> hidden;
    for (size_t i = 0; i < features.size(); ++i) hidden.push_back(branch.extra->blocks()[i]->forward(features[i]));
    raw.keypoints = over_levels(*branch.keypoints, hidden);
    if (is_training()) raw.sigma = over_levels(*branch.sigma, hidden);
  } else if (branch.extra) {
    raw.keypoints = over_levels(*branch.extra, features);
  }
  return raw;
}

Outputs Head::forward(const std::vector<Tensor>& features, bool wanted_many) {
  Outputs out;
  for (const auto& level : features) out.levels.push_back({level.size(2), level.size(3)});
  if (!shape.end_to_end || wanted_many) out.many = run(many_, features);
  if (shape.end_to_end) {
    std::vector<Tensor> apart;  // the one-to-one branch learns on its own: it would disturb the features
    for (const auto& level : features) apart.push_back(level.detach());
    out.one = run(one_, apart);
  }
  if (const auto fused = std::dynamic_pointer_cast<FusedPrototypes>(proto_))
    out.prototypes = fused->fuse(features, out.semantic);
  else if (proto_)
    out.prototypes = proto_->forward(features[0]);
  return out;
}

AnchorHead::AnchorHead(const std::vector<int64_t>& in, int64_t given) : classes(given) {
  const torch::NoGradGuard no_grad;
  const std::array<double, 18> pixels = {10, 13, 16,  30,  33, 23,  30,  61,  62,  // fitted to COCO's boxes
                                         45, 59, 119, 116, 90, 156, 198, 373, 326};
  anchors = register_buffer("anchors", torch::empty({3, 3, 2}));
  for (size_t i = 0; i < pixels.size(); ++i)
    anchors.view(-1)[static_cast<int64_t>(i)] = pixels[i] / static_cast<double>(kStrides[i / 6]);
  m_ = register_module("m", std::make_shared<Chain>());
  for (size_t i = 0; i < in.size(); ++i) {
    const auto level = std::make_shared<Plain>(ConvShape{.in = in[i], .out = 3 * (5 + classes)});
    m_->add(level);
    if (WithoutInit::active()) continue;
    const auto bias = level->bias.view({3, -1});
    const auto side = 640 / static_cast<double>(kStrides[i]);
    bias.select(1, 4) += std::log(8 / (side * side));
    bias.slice(1, 5) += std::log(0.6 / (static_cast<double>(classes) - 0.99999));
  }
}

std::vector<Tensor> AnchorHead::forward(const std::vector<Tensor>& features) {
  std::vector<Tensor> out;
  for (size_t i = 0; i < features.size(); ++i) {
    const auto y = m_->blocks()[i]->forward(features[i]);
    out.push_back(y.view({y.size(0), 3, 5 + classes, y.size(2), y.size(3)}).permute({0, 1, 3, 4, 2}));
  }
  return out;
}

}  // namespace hadal::yolo
