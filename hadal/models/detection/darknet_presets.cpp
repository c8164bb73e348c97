// The networks of the papers as .cfg texts, written from a short notation, a word a layer:
//   64x3/2   64 filters of 3 x 3, stride 2, batch_normalize (the stride is 1 where none is said)
//   p2/2     maxpool of size 2, stride 2          s        shortcut from=-3
//   r-1,61   route layers=-1,61                   g        route, the second half of the channels
//   u        upsample by 2                        o        reorg by 2
//   h6,7,8   a 1x1 convolution without activation and the head of these anchors
//   mish, leaky: the activation from here on
#include <algorithm>
#include <sstream>

#include "hadal/models/detection/darknet.h"

namespace hadal {
namespace {

constexpr const char* kAnchors2 = "0.57273,0.677385,1.87446,2.06253,3.33843,5.47434,7.88282,3.52778,9.77052,9.16828";
constexpr const char* kAnchors3 = "10,13,16,30,33,23,30,61,62,45,59,119,116,90,156,198,373,326";
constexpr const char* kAnchors4 = "12,16,19,36,40,28,36,75,76,55,72,146,142,110,192,243,459,401";
constexpr const char* kAnchorsTiny = "10,14,23,27,37,58,81,82,135,169,344,319";

struct Preset {
  std::string name;
  int64_t size;
  std::string layers, anchors, head;     // head: what a head's section says besides
  std::vector<std::string> scales = {};  // scale_x_y of the heads
};

std::string times(int64_t count, const std::string& layers) {
  std::string out;
  for (int64_t i = 0; i < count; ++i) out += layers + " ";
  return out;
}

/// `count` residual blocks of v3 behind a convolution that halves the picture.
std::string residual(int64_t width, int64_t count) {
  return fmt::format("{}x3/2 ", width) + times(count, fmt::format("{}x1 {}x3 s", width / 2, width));
}

/// The same with half of the channels led around them (CSPNet, arXiv:1911.11929); v4's first has wider halves.
std::string partial(int64_t width, int64_t count, bool first = false) {
  const auto half = first ? width : width / 2;
  return fmt::format("{}x3/2 {}x1 r-2 {}x1 ", width, half, half) +
         times(count, fmt::format("{}x1 {}x3 s", width / 2, half)) +
         fmt::format("{}x1 r-1,-{} {}x1 ", half, 3 * count + 4, width);
}

std::string alternating(int64_t narrow, int64_t count) {
  std::string out;
  for (int64_t i = 0; i < count; ++i)
    out += fmt::format("{}x{} ", i % 2 == 0 ? narrow : 2 * narrow, i % 2 == 0 ? 1 : 3);
  return out;
}

const std::string kPyramid = "p5/1 r-2 p9/1 r-4 p13/1 r-1,-3,-5,-6 ";  // SPP

std::string darknet53() {
  return "32x3 " + residual(64, 1) + residual(128, 2) + residual(256, 8) + residual(512, 8) + residual(1024, 4);
}
std::string yolov3(const std::string& middle) {
  return darknet53() + middle + "h6,7,8 r-4 256x1 u r-1,61 " + alternating(256, 6) + "h3,4,5 r-4 128x1 u r-1,36 " +
         alternating(128, 6) + "h0,1,2";
}
std::string yolov4() {
  return "mish 32x3 " + partial(64, 1, true) + partial(128, 2) + partial(256, 8) + partial(512, 8) + partial(1024, 4) +
         "leaky " + alternating(512, 3) + kPyramid + alternating(512, 3) +      // 116
         "256x1 u r85 256x1 r-1,-3 " + alternating(256, 5) +                    // 126
         "128x1 u r54 128x1 r-1,-3 " + alternating(128, 5) + "256x3 h0,1,2 " +  // down to here, and up again
         "r-4 256x3/2 r-1,-16 " + alternating(256, 6) + "h3,4,5 r-4 512x3/2 r-1,-37 " + alternating(512, 6) + "h6,7,8";
}
std::string tiny(const std::string& after) {
  return "16x3 p2/2 32x3 p2/2 64x3 p2/2 128x3 p2/2 256x3 p2/2 512x3 p2/1 1024x3 " + after;
}
std::string partial_tiny(int64_t width) {
  return fmt::format("{0}x3 g {1}x3 {1}x3 r-1,-2 {0}x1 r-6,-1 p2/2 ", width, width / 2);
}

const std::vector<Preset>& presets() {
  const std::string v2 = "bias_match=1\nsoftmax=1\nrescore=1\nobject_scale=5\nthresh=0.6\n";
  const std::string v3 = "ignore_thresh=0.7\n";
  const std::string v4 = "ignore_thresh=0.7\niou_thresh=0.213\niou_loss=ciou\niou_normalizer=0.07\n";
  const std::string v4_tiny = "ignore_thresh=0.7\niou_loss=ciou\niou_normalizer=0.07\n";
  static const std::vector<Preset> table = {
      {"yolov2", 608,
       "32x3 p2/2 64x3 p2/2 128x3 64x1 128x3 p2/2 256x3 128x1 256x3 p2/2 512x3 256x1 512x3 256x1 512x3 p2/2 "
       "1024x3 512x1 1024x3 512x1 1024x3 1024x3 1024x3 r-9 64x1 o r-1,-4 1024x3 h",
       kAnchors2, v2},
      {"yolov2-tiny", 416, tiny("512x3 h"), kAnchors2, v2},
      {"yolov3", 608, yolov3(alternating(512, 6)), kAnchors3, v3},
      {"yolov3-tiny", 416, tiny("256x1 512x3 h3,4,5 r-4 128x1 u r-1,8 256x3 h0,1,2"), kAnchorsTiny, v3},
      {"yolov3-spp", 608, yolov3(alternating(512, 3) + kPyramid + alternating(512, 4)), kAnchors3, v3},
      {"yolov4", 608, yolov4(), kAnchors4, v4, {"1.2", "1.1", "1.05"}},
      {"yolov4-tiny",
       416,
       "32x3/2 64x3/2 " + partial_tiny(64) + partial_tiny(128) + partial_tiny(256) +
           "512x3 256x1 512x3 h3,4,5 r-4 128x1 u r-1,23 256x3 h1,2,3",
       kAnchorsTiny,
       v4_tiny,
       {"1.05", "1.05"}},
  };
  return table;
}

std::string head_text(const Preset& preset, const std::string& mask, size_t number) {
  const bool region = mask.empty();
  const auto anchors = (std::count(preset.anchors.begin(), preset.anchors.end(), ',') + 1) / 2;
  const auto used = region ? anchors : std::count(mask.begin(), mask.end(), ',') + 1;
  auto text =
      fmt::format("[convolutional]\nfilters={}\nsize=1\nactivation=linear\n[{}]\nanchors={}\nnum={}\nclasses=80\n",
                  used * 85, region ? "region" : "yolo", preset.anchors, anchors);
  if (!region) text += fmt::format("mask={}\n", mask);
  if (!preset.scales.empty()) text += fmt::format("scale_x_y={}\n", preset.scales.at(number));
  return text + preset.head;
}

}  // namespace

const std::vector<std::string>& darknet_presets() {
  static const auto names = [] {
    std::vector<std::string> out;
    for (const auto& preset : presets()) out.push_back(preset.name);
    return out;
  }();
  return names;
}

std::string darknet_preset(const std::string& name) {
  const auto found = std::find_if(presets().begin(), presets().end(), [&](const auto& p) { return p.name == name; });
  if (found == presets().end()) fail_usage("unknown network \"{}\"{}", name, suggest(name, darknet_presets()));
  auto out = fmt::format("[net]\nwidth={0}\nheight={0}\nchannels=3\n", found->size);
  std::istringstream words(found->layers);
  std::string activation = "leaky";
  size_t heads = 0;
  for (std::string word; words >> word;) {
    const auto rest = word.substr(1), slash = word.substr(word.find('/') + 1);
    if (word == "mish" || word == "leaky")
      activation = word;
    else if (word == "s")
      out += "[shortcut]\nfrom=-3\nactivation=linear\n";
    else if (word == "g")
      out += "[route]\nlayers=-1\ngroups=2\ngroup_id=1\n";
    else if (word == "u")
      out += "[upsample]\nstride=2\n";
    else if (word == "o")
      out += "[reorg]\nstride=2\n";
    else if (word[0] == 'r')
      out += fmt::format("[route]\nlayers={}\n", rest);
    else if (word[0] == 'p')
      out += fmt::format("[maxpool]\nsize={}\nstride={}\n", rest.substr(0, rest.find('/')), slash);
    else if (word[0] == 'h')
      out += head_text(*found, rest, heads++);
    else
      out += fmt::format("[convolutional]\nbatch_normalize=1\nfilters={}\nsize={}\nstride={}\npad=1\nactivation={}\n",
                         word.substr(0, word.find('x')), word.substr(word.find('x') + 1, 1),
                         word.find('/') == std::string::npos ? "1" : slash, activation);
  }
  return out;
}

}  // namespace hadal
