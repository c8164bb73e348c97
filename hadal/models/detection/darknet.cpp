#include "hadal/models/detection/darknet.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "hadal/core/shape.h"
#include "hadal/io/bytes.h"
#include "hadal/io/file.h"
#include "hadal/models/detection/darknet_found.h"
#include "hadal/models/detection/darknet_heads.h"
#include "hadal/nn/init.h"

namespace hadal {
namespace {

using Kind = DarknetLayer::Kind;
using Activation = DarknetLayer::Activation;

bool is_preset(const std::string& cfg) {
  const auto& known = darknet_presets();
  return std::find(known.begin(), known.end(), cfg) != known.end();
}

std::vector<CfgSection> sections_of(const DarknetConfig& config) {
  auto sections = read_darknet_cfg(is_preset(config.cfg) ? darknet_preset(config.cfg) : darknet_cfg(config.cfg),
                                   is_preset(config.cfg) ? config.cfg + ".cfg" : "model.cfg");
  return config.classes == 0 ? sections : with_classes(std::move(sections), config.classes);
}

Tensor activated(const Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::linear:
      return x;
    case Activation::leaky:
      return torch::leaky_relu(x, 0.1);
    case Activation::relu:
      return torch::relu(x);
    case Activation::relu6:
      return torch::clamp(x, 0, 6);
    case Activation::mish:
      return torch::mish(x);
    case Activation::swish:
      return torch::silu(x);
    case Activation::logistic:
      return torch::sigmoid(x);
  }
  return x;
}

/// Darknet pads by `padding` in all, the smaller half before, and past the end as far as the last window reaches.
Tensor max_pool(const Tensor& x, const DarknetLayer& layer) {
  const auto before = layer.padding / 2;
  const auto after = [&](int64_t side, int64_t stride) {
    const auto last = (side + layer.padding - layer.size) / stride * stride - before;
    return std::max<int64_t>(last + layer.size - side, 0);
  };
  const auto right = after(x.size(3), layer.stride_x), bottom = after(x.size(2), layer.stride_y);
  auto padded = x;
  if (before + right + bottom > 0)
    padded = torch::constant_pad_nd(x, {before, right, before, bottom}, -std::numeric_limits<double>::infinity());
  return torch::max_pool2d(padded, {layer.size, layer.size}, {layer.stride_y, layer.stride_x});
}

Tensor reorganised(const Tensor& x, const DarknetLayer& layer) {
  const auto s = layer.stride_x, batch = x.size(0), c = x.size(1), h = x.size(2), w = x.size(3);
  // v2's takes the memory for a map of c / s^2 channels, s times as high and wide, and parts that.
  const auto parts = layer.kind == Kind::reorg ? x.reshape({batch, c * h / (s * s), s, w, s}).permute({0, 2, 4, 1, 3})
                                               : x.reshape({batch, c, h / s, s, w / s, s}).permute({0, 3, 5, 1, 2, 4});
  return parts.reshape({batch, c * s * s, h / s, w / s});
}

/// The first channels that both have are added, as Darknet does.
Tensor added(const Tensor& x, const Tensor& other) {
  const auto common = std::min(x.size(1), other.size(1));
  if (common == x.size(1)) return x + other.narrow(1, 0, common);
  return torch::cat({x.narrow(1, 0, common) + other, x.narrow(1, common, x.size(1) - common)}, 1);
}

/// Names and shapes of a network's tensors as they follow one another in a .weights file.
std::vector<std::pair<std::string, std::vector<int64_t>>> file_order(const DarknetPlan& plan) {
  std::vector<std::pair<std::string, std::vector<int64_t>>> out;
  for (size_t i = 0; i < plan.layers.size(); ++i) {
    const auto& layer = plan.layers[i];
    if (layer.kind != Kind::convolutional) continue;
    const std::vector<int64_t> one = {layer.channels};
    if (layer.norm)
      for (const auto* name : {"bias", "weight", "running_mean", "running_var"})
        out.emplace_back(fmt::format("layers.{}.bn.{}", i, name), one);
    else
      out.emplace_back(fmt::format("layers.{}.conv.bias", i), one);
    out.emplace_back(fmt::format("layers.{}.conv.weight", i),
                     std::vector<int64_t>{layer.channels, layer.in / layer.groups, layer.size, layer.size});
  }
  return out;
}

}  // namespace

Fields<DarknetConfig> DarknetConfig::fields() {
  Fields<DarknetConfig> out = {
      {"cfg", &DarknetConfig::cfg, "the network: a .cfg file, its text, or one of Hadal's own, such as yolov3"},
      {"classes", &DarknetConfig::classes, "how many classes; 0: as the .cfg says", at_least(0)}};
  // A file is read as its text, which recipes and weights keep: it may go.
  out.list[0].set = [](void* config, const Value& value, const std::string& path) {
    static_cast<DarknetConfig*>(config)->cfg = darknet_cfg(read_text(value, path, {}));
  };
  return out;
}

void DarknetConfig::validate() const {
  require(!cfg.empty(), "[darknet] cfg wants a .cfg file, its text, or one of {}", fmt::join(darknet_presets(), ", "));
}

DarknetImpl::DarknetImpl(const DarknetConfig& config) {
  validate_config(config, "darknet");
  sections_ = sections_of(config);
  plan_ = plan_darknet(sections_);
  const auto layers = register_module("layers", std::make_shared<nn::Module>("layers"));
  for (size_t i = 0; i < plan_.layers.size(); ++i) {
    const auto& layer = plan_.layers[i];
    last_use_.push_back(i + 1);
    for (const auto from : layer.from) last_use_[static_cast<size_t>(from)] = std::max(i, last_use_[from]);
    convs_.emplace_back(nullptr);
    norms_.emplace_back(nullptr);
    if (layer.kind != Kind::convolutional) continue;
    const auto block = layers->register_module(std::to_string(i), std::make_shared<nn::Module>("convolutional"));
    convs_[i] = block->register_module("conv", nn::Conv2d(nn::Conv2dOptions(layer.in, layer.channels, layer.size)
                                                              .stride({layer.stride_y, layer.stride_x})
                                                              .padding(layer.padding)
                                                              .dilation(layer.dilation)
                                                              .groups(layer.groups)
                                                              .bias(!layer.norm)));
    init::kaiming_normal(convs_[i]->weight, false);
    if (layer.norm)
      norms_[i] = block->register_module("bn", nn::BatchNorm2d(layer.channels));
    else
      init::constant(convs_[i]->bias, 0);
  }
}

Tensor DarknetImpl::run(size_t number, const Tensor& x, const std::vector<Tensor>& before) {
  const auto& layer = plan_.layers[number];
  switch (layer.kind) {
    case Kind::convolutional: {
      const auto y = convs_[number](x);
      return activated(layer.norm ? norms_[number](y) : y, layer.activation);
    }
    case Kind::shortcut: {
      auto sum = x;
      for (const auto from : layer.from) sum = added(sum, before[from]);
      return activated(sum, layer.activation);
    }
    case Kind::route: {
      std::vector<Tensor> parts;
      for (const auto from : layer.from) parts.push_back(before[from].chunk(layer.groups, 1)[layer.group]);
      return parts.size() == 1 ? parts[0] : torch::cat(parts, 1);
    }
    case Kind::maxpool:
      return max_pool(x, layer);
    case Kind::avgpool:
      return x.mean({2, 3}, true);
    case Kind::upsample: {
      const auto large = torch::upsample_nearest2d(x, {x.size(2) * layer.stride_y, x.size(3) * layer.stride_x});
      return layer.value == 1 ? large : large * layer.value;
    }
    case Kind::reorg:
    case Kind::reorg3d:
      return reorganised(x, layer);
    case Kind::dropout:
      return torch::dropout(x, layer.value, is_training());
    case Kind::scale_channels:
    case Kind::sam:
      return activated(before[layer.from[0]] * x, layer.activation);
    case Kind::head:
      return x;
  }
  return x;
}

std::vector<Tensor> DarknetImpl::maps(const Tensor& pixels) {
  expect_shape(plan_.name, pixels, {kAny, plan_.channels, kAny, kAny});
  const auto stride = static_cast<int64_t>(std::ceil(plan_.stride()));
  for (const auto side : {2, 3})
    if (pixels.size(side) % stride != 0)
      fail("[{}] wants sides that are multiples of {}, got {} x {}", plan_.name, stride, pixels.size(2),
           pixels.size(3));
  std::vector<Tensor> outputs, heads;
  auto x = pixels;
  for (size_t i = 0; i < plan_.layers.size(); ++i) {
    x = run(i, x, outputs);
    if (plan_.layers[i].kind == Kind::head) heads.push_back(x);
    outputs.push_back(x);
    for (size_t k = 0; k < i; ++k)
      if (last_use_[k] == i) outputs[k] = Tensor();
  }
  return heads;
}

Tensor DarknetImpl::forward(const Tensor& pixels) {
  const auto heads = maps(pixels);
  std::vector<Tensor> parts;
  for (size_t i = 0; i < heads.size(); ++i) {
    const auto& head = plan_.layers[plan_.heads[i]].head;
    const auto found = decoded(cells_of(heads[i], head), head, pixels.size(2), pixels.size(3));
    parts.push_back(torch::cat({found.boxes, found.objectness, found.classes}, -1).flatten(1, 3));
  }
  return torch::cat(parts, 1);
}

TensorsByName DarknetImpl::losses(const Tensor& pixels, const Tensor&, const Targets& targets) {
  const auto heads = maps(pixels);
  DarknetLosses sum;
  for (size_t i = 0; i < heads.size(); ++i)
    add_losses(sum, heads[i], plan_.layers[plan_.heads[i]].head, targets, pixels.size(2), pixels.size(3));
  const auto batch = pixels.size(0);
  return {{"box", sum.box / batch}, {"objectness", sum.objectness / batch}, {"classes", sum.classes / batch}};
}

std::vector<Found> DarknetImpl::find(const Tensor& pixels, const Tensor& sizes, const FindOptions& options) {
  const torch::NoGradGuard no_grad;
  const auto all = forward(pixels).to(torch::kFloat32);
  std::vector<Found> out;
  for (int64_t i = 0; i < all.size(0); ++i) {
    const auto scores = all[i].narrow(1, 4, 1) * all[i].slice(1, 5);  // (N, classes)
    const auto places = (scores > options.conf).nonzero();
    const auto rows = places.select(1, 0), labels = places.select(1, 1);
    out.push_back(best_found(all[i].narrow(1, 0, 4).index_select(0, rows), scores.index({rows, labels}), labels,
                             sizes[i], options));
  }
  return out;
}

Preparation DarknetImpl::preparation() const {
  return {.fit = plan_.letterbox ? Preparation::Fit::letterbox : Preparation::Fit::squash,
          .sampling = Preparation::Sampling::corners,
          .size = std::max(plan_.width, plan_.height),
          .stride = static_cast<int64_t>(std::ceil(plan_.stride())),
          .fill = 127};
}

std::vector<std::string> DarknetImpl::heads() const {
  std::vector<std::string> out;
  for (const auto head : plan_.heads)
    if (head > 0 && plan_.layers[head - 1].kind == Kind::convolutional)
      out.push_back(fmt::format("layers.{}.", head - 1));
  return out;
}

TensorsByName DarknetImpl::own_names(const TensorsByName& weights) const {
  if (weights.size() != 1 || weights[0].first != kDarknetFloats) return weights;
  const auto row = weights[0].second.flatten();
  const auto classes = plan_.classes(), have = row.numel();
  auto plan = plan_;
  if (have != plan.floats()) {
    // Weights of another number of classes: the heads of both differ by the same number of floats a class.
    const auto a_class = plan_darknet(with_classes(sections_, classes + 1)).floats() - plan.floats();
    const auto more = a_class > 0 && (have - plan.floats()) % a_class == 0 ? (have - plan.floats()) / a_class : 0;
    if (more != 0 && classes + more >= 1 && classes + more <= 1 << 16)
      plan = plan_darknet(with_classes(sections_, classes + more));
  }
  if (have != plan.floats())
    fail("the .weights hold {} floats, {} {} than the {} of {}: they are of another .cfg, or the file is not whole",
         have, std::abs(have - plan.floats()), have < plan.floats() ? "fewer" : "more", plan.floats(), plan.name);
  TensorsByName out;
  int64_t at = 0;
  for (const auto& [name, shape] : file_order(plan)) {
    const auto count = c10::multiply_integers(shape);
    out.emplace_back(name, row.narrow(0, at, count).view(shape));
    at += count;
  }
  return out;
}

std::vector<Tensor> DarknetImpl::in_file_order() const {
  std::map<std::string, Tensor> all;
  for (const auto& item : named_parameters()) all.emplace(item.key(), item.value());
  for (const auto& item : named_buffers()) all.emplace(item.key(), item.value());
  std::vector<Tensor> out;
  for (const auto& [name, shape] : file_order(plan_)) out.push_back(all.at(name));
  return out;
}

std::string DarknetImpl::cfg(int64_t side) const {
  auto sections = sections_;
  if (side != std::max(plan_.width, plan_.height)) {
    auto& net = sections.front().entries;
    std::erase_if(net, [](const auto& entry) { return entry.key == "width" || entry.key == "height"; });
    for (const auto* key : {"width", "height"}) net.push_back({key, std::to_string(side), 0});
  }
  return darknet_cfg_text(sections);
}

std::string darknet_cfg(const std::string& what) {
  if (what.empty() || is_preset(what) || what.starts_with('[') || what.find('\n') != std::string::npos) return what;
  std::error_code none;
  if (!std::filesystem::is_regular_file(what, none))
    fail_usage("[darknet] there is no file {}; cfg wants a .cfg file, its text, or one of {}", shown(what),
               fmt::join(darknet_presets(), ", "));
  const auto sections = read_darknet_cfg(read_file(what), what);
  plan_darknet(sections);  // what is wrong is said of the file, by its lines
  return darknet_cfg_text(sections);
}

bool same_darknet(const std::string& a, const std::string& b) {
  const auto plan_of = [](const std::string& cfg) { return plan_darknet(sections_of({.cfg = cfg, .classes = 1})); };
  const auto one = plan_of(a), other = plan_of(b);
  const auto same_layer = [](const DarknetLayer& x, const DarknetLayer& y) {
    const auto shape = [](const DarknetLayer& l) {
      return std::tie(l.kind, l.in, l.channels, l.size, l.stride_y, l.stride_x, l.padding, l.dilation, l.groups, l.norm,
                      l.activation, l.from, l.group, l.value);
    };
    const auto head = [](const DarknetHead& h) {
      return std::tie(h.region, h.anchors, h.mask, h.scale_xy, h.new_coords, h.softmax);
    };
    return shape(x) == shape(y) && head(x.head) == head(y.head);
  };
  return one.channels == other.channels && one.letterbox == other.letterbox &&
         std::equal(one.layers.begin(), one.layers.end(), other.layers.begin(), other.layers.end(), same_layer);
}

void save_darknet_weights(const std::filesystem::path& path, const DarknetImpl& model, const DarknetHeader& header) {
  write_darknet_weights(path, header, model.in_file_order());
}

Table darknet_settings(std::string_view text, const std::string& name) {
  const auto sections = read_darknet_cfg(text, name);
  return {{"cfg", darknet_cfg_text(sections)}, {"classes", plan_darknet(sections).classes()}};
}

void register_darknet(DetectionCatalog& catalog) {
  const auto make = [](const DarknetConfig& config) { return std::make_shared<DarknetImpl>(config); };
  catalog.add("darknet", "What a Darknet .cfg describes: YOLOv2, v3, v4 and their relatives", DarknetConfig{}, make);
  for (const auto& name : darknet_presets())
    catalog.add(name, fmt::format("YOLO{} as its .cfg has it", name.substr(4)),
                DarknetConfig{.cfg = name, .classes = 80}, make);
}

}  // namespace hadal
