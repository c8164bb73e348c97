#include "hadal/models/detection/darknet_plan.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "hadal/io/bytes.h"
#include "hadal/models/detection/darknet_plan_head.h"

namespace hadal {
namespace {

using Kind = DarknetLayer::Kind;
using Activation = DarknetLayer::Activation;

// A network beyond these is a mistake or an attack: a picture's side, channels, a kernel's side, floats of one layer's
// output, weights of all.
constexpr int64_t kMostSide = 1 << 14, kMostChannels = 1 << 16, kMostSize = 1 << 10;
constexpr int64_t kMostValues = int64_t{1} << 29, kMostFloats = int64_t{1} << 29;

const std::map<std::string, Activation, std::less<>> kActivations = {
    {"linear", Activation::linear},    {"leaky", Activation::leaky}, {"relu", Activation::relu},
    {"relu6", Activation::relu6},      {"mish", Activation::mish},   {"swish", Activation::swish},
    {"logistic", Activation::logistic}};

/// Keys that would change what a layer computes and that are not here: refused unless they say 0.
const std::map<std::string, std::vector<std::string>, std::less<>> kNotHere = {
    {"convolutional",
     {"binary", "xnor", "bin_output", "antialiasing", "share_index", "sway", "rotate", "stretch", "stretch_sway",
      "assisted_excitation", "deform", "coordconv", "normalized_xy", "cbn", "batch_normalize2"}},
    {"maxpool", {"maxpool_depth", "antialiasing"}},
    {"route", {"stream_max"}},
    {"shortcut", {"weights_type"}},
    {"dropout", {"dropblock"}},
    {"reorg", {"reverse", "flatten", "extra"}},
    {"reorg3d", {"reverse"}},
    {"scale_channels", {"scale_wh"}},
};

class Planner {
 public:
  explicit Planner(const std::vector<CfgSection>& sections) {
    const auto& net = sections.front();
    plan_.name = net.file;
    plan_.width = net.integer("width", 416, 1, kMostSide);
    plan_.height = net.integer("height", 416, 1, kMostSide);
    plan_.channels = net.integer("channels", 3, 1, kMostChannels);
    plan_.letterbox = net.integer("letter_box", 0, 0, 1) == 1;
    for (size_t i = 1; i < sections.size(); ++i) add(sections[i]);
    if (plan_.heads.empty())
      throw FileError(plan_.name, "no [yolo] or [region] layer: a network without a head finds nothing");
    for (const auto head : plan_.heads)
      if (const auto& layer = plan_.layers[head]; layer.head.classes != plan_.classes())
        sections[head + 1].refuse("has {} classes, another head {}", layer.head.classes, plan_.classes());
  }
  DarknetPlan take() { return std::move(plan_); }

 private:
  int64_t count() const { return static_cast<int64_t>(plan_.layers.size()); }

  void add(const CfgSection& section) {
    DarknetLayer layer;
    layer.line = section.line;
    layer.in = layer.channels = count() == 0 ? plan_.channels : plan_.layers.back().channels;
    layer.height = count() == 0 ? plan_.height : plan_.layers.back().height;
    layer.width = count() == 0 ? plan_.width : plan_.layers.back().width;
    if (const auto found = kNotHere.find(section.kind); found != kNotHere.end())
      for (const auto& key : found->second)
        if (const auto* entry = section.find(key); entry && entry->value != "0" && entry->value != "none")
          section.refuse_at(entry->line, fmt::format("{}={} is not known here", key, shown(entry->value)));
    const auto& readers = by_name();
    const auto reader = readers.find(section.kind);
    if (reader == readers.end()) {
      std::vector<std::string> known;
      for (const auto& item : readers) known.push_back(item.first);
      section.refuse("is no layer of YOLOv2, v3 or v4{}", suggest(section.kind, known));
    }
    (this->*reader->second)(section, layer);
    if (layer.channels < 1 || layer.height < 1 || layer.width < 1)
      section.refuse("nothing is left of the picture: {} x {} x {}", layer.channels, layer.height, layer.width);
    if (layer.channels > kMostChannels || layer.height > kMostSide || layer.width > kMostSide ||
        layer.channels * layer.height * layer.width > kMostValues)
      section.refuse("{} channels of {} x {} are too much", layer.channels, layer.height, layer.width);
    floats_ += layer.floats();
    if (floats_ > kMostFloats) section.refuse("more than {} weights up to here", kMostFloats);
    plan_.layers.push_back(std::move(layer));
  }

  using Reader = void (Planner::*)(const CfgSection&, DarknetLayer&);
  static const std::map<std::string, Reader>& by_name() {
    static const std::map<std::string, Reader> table = {{"convolutional", &Planner::convolutional},
                                                        {"conv", &Planner::convolutional},
                                                        {"shortcut", &Planner::shortcut},
                                                        {"route", &Planner::route},
                                                        {"maxpool", &Planner::maxpool},
                                                        {"max", &Planner::maxpool},
                                                        {"avgpool", &Planner::avgpool},
                                                        {"avg", &Planner::avgpool},
                                                        {"upsample", &Planner::upsample},
                                                        {"reorg", &Planner::reorg},
                                                        {"reorg3d", &Planner::reorg},
                                                        {"dropout", &Planner::dropout},
                                                        {"scale_channels", &Planner::scaled},
                                                        {"sam", &Planner::scaled},
                                                        {"yolo", &Planner::head},
                                                        {"region", &Planner::head}};
    return table;
  }

  Activation activation(const CfgSection& section, std::string_view otherwise) const {
    const auto name = section.text("activation", otherwise);
    const auto found = kActivations.find(name);
    if (found == kActivations.end()) {
      std::vector<std::string> known;
      for (const auto& item : kActivations) known.push_back(item.first);
      section.refuse("has an unknown activation {}{}", shown(name), suggest(name, known));
    }
    return found->second;
  }

  /// Layers named by their number, or, below 0, counted back from this one.
  std::vector<int64_t> layers_of(const CfgSection& section, std::string_view key) const {
    auto out = section.integers(key);
    if (out.empty()) section.refuse("wants {}=, numbers of layers", key);
    for (auto& number : out) {
      const auto said = number;
      if (number < 0) number += count();
      if (number < 0) section.refuse("{}={} lies before the first layer: this one is layer {}", key, said, count());
      if (number >= count())
        section.refuse("{}={} is not there yet: this is layer {}, and a layer takes only what comes before it", key,
                       said, count());
    }
    return out;
  }

  void strides(const CfgSection& section, DarknetLayer& layer) const {
    const auto stride = section.integer("stride", 1, 1, kMostSize);
    layer.stride_y = section.integer("stride_y", stride, 1, kMostSize);
    layer.stride_x = section.integer("stride_x", stride, 1, kMostSize);
  }

  void convolutional(const CfgSection& section, DarknetLayer& layer) {
    layer.kind = Kind::convolutional;
    layer.channels = section.integer("filters", 1, 1, kMostChannels);
    layer.size = section.integer("size", 1, 1, kMostSize);
    layer.groups = section.integer("groups", 1, 1, kMostChannels);
    layer.dilation = section.integer("dilation", 1, 1, kMostSize);
    layer.norm = section.integer("batch_normalize", 0, 0, 1) == 1;
    layer.activation = activation(section, "logistic");
    strides(section, layer);
    layer.padding =
        section.integer("pad", 0, 0, kMostSize) != 0 ? layer.size / 2 : section.integer("padding", 0, 0, kMostSize);
    layer.padding *= layer.dilation;
    if (layer.in % layer.groups != 0 || layer.channels % layer.groups != 0)
      section.refuse("groups={} divides not both, the {} channels that come in and the {} filters", layer.groups,
                     layer.in, layer.channels);
    const auto reach = layer.dilation * (layer.size - 1) + 1;
    const auto out = [&](int64_t side, int64_t stride) {
      const auto room = side + 2 * layer.padding - reach;
      return room < 0 ? 0 : room / stride + 1;
    };
    layer.height = out(layer.height, layer.stride_y);
    layer.width = out(layer.width, layer.stride_x);
  }

  void expect_same_size(const CfgSection& section, const DarknetLayer& layer, int64_t from) const {
    const auto& other = plan_.layers[from];
    if (other.height != layer.height || other.width != layer.width)
      section.refuse("layer {} is {} x {}, this one {} x {}", from, other.height, other.width, layer.height,
                     layer.width);
  }

  void shortcut(const CfgSection& section, DarknetLayer& layer) {
    layer.kind = Kind::shortcut;
    layer.from = layers_of(section, "from");
    layer.activation = activation(section, "linear");
    for (const auto from : layer.from) expect_same_size(section, layer, from);
  }

  void route(const CfgSection& section, DarknetLayer& layer) {
    layer.kind = Kind::route;
    layer.from = layers_of(section, "layers");
    layer.groups = section.integer("groups", 1, 1, kMostChannels);
    layer.group = section.integer("group_id", 0, 0, kMostChannels);
    if (layer.group >= layer.groups) section.refuse("group_id={} of groups={}", layer.group, layer.groups);
    layer.height = plan_.layers[layer.from.front()].height;
    layer.width = plan_.layers[layer.from.front()].width;
    layer.channels = 0;
    for (const auto from : layer.from) {
      expect_same_size(section, layer, from);
      const auto channels = plan_.layers[from].channels;
      if (channels % layer.groups != 0)
        section.refuse("layer {} has {} channels, which {} groups do not divide", from, channels, layer.groups);
      layer.channels += channels / layer.groups;
    }
  }

  void maxpool(const CfgSection& section, DarknetLayer& layer) {
    layer.kind = Kind::maxpool;
    strides(section, layer);
    layer.size = section.integer("size", section.integer("stride", 1, 1, kMostSize), 1, kMostSize);
    layer.padding = section.integer("padding", layer.size - 1, 0, layer.size - 1);
    const auto out = [&](int64_t side, int64_t stride) {
      const auto room = side + layer.padding - layer.size;
      return room < 0 ? 0 : room / stride + 1;
    };
    layer.height = out(layer.height, layer.stride_y);
    layer.width = out(layer.width, layer.stride_x);
  }

  void avgpool(const CfgSection&, DarknetLayer& layer) {
    layer.kind = Kind::avgpool;
    layer.height = layer.width = 1;
  }

  void upsample(const CfgSection& section, DarknetLayer& layer) {
    layer.kind = Kind::upsample;
    layer.stride_y = layer.stride_x = section.integer("stride", 2, 1, kMostSize);
    layer.value = section.number("scale", 1, -1e6, 1e6);
    layer.height *= layer.stride_y;
    layer.width *= layer.stride_x;
  }

  void reorg(const CfgSection& section, DarknetLayer& layer) {
    layer.kind = section.kind == "reorg" ? Kind::reorg : Kind::reorg3d;
    const auto stride = layer.stride_y = layer.stride_x = section.integer("stride", 1, 1, kMostSize);
    const bool parts = layer.kind == Kind::reorg && layer.channels % (stride * stride) != 0;
    if (parts || layer.height % stride != 0 || layer.width % stride != 0)
      section.refuse("stride={} does not divide {} channels of {} x {}", stride, layer.channels, layer.height,
                     layer.width);
    layer.channels *= stride * stride;
    layer.height /= stride;
    layer.width /= stride;
  }

  void dropout(const CfgSection& section, DarknetLayer& layer) {
    layer.kind = Kind::dropout;
    layer.value = section.number("probability", 0.5, 0, 1);
  }

  /// Both multiply a layer before by what comes in: its channels by one number each, or value by value.
  void scaled(const CfgSection& section, DarknetLayer& layer) {
    const bool channels = section.kind == "scale_channels";
    layer.kind = channels ? Kind::scale_channels : Kind::sam;
    layer.from = layers_of(section, "from");
    layer.activation = activation(section, "linear");
    if (layer.from.size() != 1) section.refuse("wants one layer in from=, got {}", layer.from.size());
    const auto& other = plan_.layers[layer.from.front()];
    if (other.channels != layer.channels || (channels && (layer.height != 1 || layer.width != 1)))
      section.refuse("layer {} has {} channels; what comes in is {} x {} x {}", layer.from.front(), other.channels,
                     layer.channels, layer.height, layer.width);
    if (!channels) expect_same_size(section, layer, layer.from.front());
    layer.height = other.height;
    layer.width = other.width;
  }

  void head(const CfgSection& section, DarknetLayer& layer) {
    layer.kind = Kind::head;
    layer.head = read_darknet_head(section);
    const auto wanted = static_cast<int64_t>(layer.head.mask.size()) * layer.head.values();
    if (layer.channels != wanted)
      section.refuse("wants {} channels, {} anchors x (5 + {} classes); the layer before has {}", wanted,
                     layer.head.mask.size(), layer.head.classes, layer.channels);
    plan_.heads.push_back(count());
  }

  DarknetPlan plan_;
  int64_t floats_ = 0;
};

}  // namespace

int64_t DarknetLayer::floats() const {
  if (kind != Kind::convolutional) return 0;
  return channels * (norm ? 4 : 1) + channels * (in / groups) * size * size;
}

int64_t DarknetPlan::floats() const {
  int64_t sum = 0;
  for (const auto& layer : layers) sum += layer.floats();
  return sum;
}

double DarknetPlan::stride() const {
  double most = 1;
  for (const auto head : heads) {
    const auto& layer = layers[head];
    most = std::max({most, static_cast<double>(width) / static_cast<double>(layer.width),
                     static_cast<double>(height) / static_cast<double>(layer.height)});
  }
  return most;
}

int64_t DarknetPlan::classes() const { return layers[heads.front()].head.classes; }

DarknetPlan plan_darknet(const std::vector<CfgSection>& sections) { return Planner(sections).take(); }

}  // namespace hadal
