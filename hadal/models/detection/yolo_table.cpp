#include "hadal/models/detection/yolo_table.h"

#include <algorithm>
#include <cmath>

#include "hadal/core/error.h"

namespace hadal::yolo {
namespace {

/// YOLOv5 v6.0 (ultralytics/yolov5, 2021).
Family v5() {
  return {.name = "v5",
          .rows = {{{-1}, 1, "Conv", {64, 6, 2, 2}}, {{-1}, 1, "Conv", {128, 3, 2}},  {{-1}, 3, "C3", {128}},
                   {{-1}, 1, "Conv", {256, 3, 2}},   {{-1}, 6, "C3", {256}},          {{-1}, 1, "Conv", {512, 3, 2}},
                   {{-1}, 9, "C3", {512}},           {{-1}, 1, "Conv", {1024, 3, 2}}, {{-1}, 3, "C3", {1024}},
                   {{-1}, 1, "SPPF", {1024, 5}},     {{-1}, 1, "Conv", {512, 1, 1}},  {{-1}, 1, "nn.Upsample", {}},
                   {{-1, 6}, 1, "Concat", {}},       {{-1}, 3, "C3", {512, 0}},       {{-1}, 1, "Conv", {256, 1, 1}},
                   {{-1}, 1, "nn.Upsample", {}},     {{-1, 4}, 1, "Concat", {}},      {{-1}, 3, "C3", {256, 0}},
                   {{-1}, 1, "Conv", {256, 3, 2}},   {{-1, 14}, 1, "Concat", {}},     {{-1}, 3, "C3", {512, 0}},
                   {{-1}, 1, "Conv", {512, 3, 2}},   {{-1, 10}, 1, "Concat", {}},     {{-1}, 3, "C3", {1024, 0}}},
          .levels = {17, 20, 23},
          .scales = {{"n", 0.33, 0.25, 1024},
                     {"s", 0.33, 0.5, 1024},
                     {"m", 0.67, 0.75, 1024},
                     {"l", 1, 1, 1024},
                     {"x", 1.33, 1.25, 1024}},
          .anchors = true};
}

/// YOLOv8 (Ultralytics, 2023).
Family v8() {
  return {.name = "v8",
          .rows = {{{-1}, 1, "Conv", {64, 3, 2}},  {{-1}, 1, "Conv", {128, 3, 2}},  {{-1}, 3, "C2f", {128, 1}},
                   {{-1}, 1, "Conv", {256, 3, 2}}, {{-1}, 6, "C2f", {256, 1}},      {{-1}, 1, "Conv", {512, 3, 2}},
                   {{-1}, 6, "C2f", {512, 1}},     {{-1}, 1, "Conv", {1024, 3, 2}}, {{-1}, 3, "C2f", {1024, 1}},
                   {{-1}, 1, "SPPF", {1024, 5}},   {{-1}, 1, "nn.Upsample", {}},    {{-1, 6}, 1, "Concat", {}},
                   {{-1}, 3, "C2f", {512}},        {{-1}, 1, "nn.Upsample", {}},    {{-1, 4}, 1, "Concat", {}},
                   {{-1}, 3, "C2f", {256}},        {{-1}, 1, "Conv", {256, 3, 2}},  {{-1, 12}, 1, "Concat", {}},
                   {{-1}, 3, "C2f", {512}},        {{-1}, 1, "Conv", {512, 3, 2}},  {{-1, 9}, 1, "Concat", {}},
                   {{-1}, 3, "C2f", {1024}}},
          .levels = {15, 18, 21},
          .scales = {{"n", 0.33, 0.25, 1024},
                     {"s", 0.33, 0.5, 1024},
                     {"m", 0.67, 0.75, 768},
                     {"l", 1, 1, 512},
                     {"x", 1, 1.25, 512}}};
}

/// What YOLO11 and YOLO26 share; they differ in some arguments.
Family with_attention(const std::string& name, const std::vector<double>& pooling, double necks_nest, Row last) {
  return {.name = name,
          .rows = {{{-1}, 1, "Conv", {64, 3, 2}},
                   {{-1}, 1, "Conv", {128, 3, 2}},
                   {{-1}, 2, "C3k2", {256, 0, 0.25}},
                   {{-1}, 1, "Conv", {256, 3, 2}},
                   {{-1}, 2, "C3k2", {512, 0, 0.25}},
                   {{-1}, 1, "Conv", {512, 3, 2}},
                   {{-1}, 2, "C3k2", {512, 1}},
                   {{-1}, 1, "Conv", {1024, 3, 2}},
                   {{-1}, 2, "C3k2", {1024, 1}},
                   {{-1}, 1, "SPPF", pooling},
                   {{-1}, 2, "C2PSA", {1024}},
                   {{-1}, 1, "nn.Upsample", {}},
                   {{-1, 6}, 1, "Concat", {}},
                   {{-1}, 2, "C3k2", {512, necks_nest}},
                   {{-1}, 1, "nn.Upsample", {}},
                   {{-1, 4}, 1, "Concat", {}},
                   {{-1}, 2, "C3k2", {256, necks_nest}},
                   {{-1}, 1, "Conv", {256, 3, 2}},
                   {{-1, 13}, 1, "Concat", {}},
                   {{-1}, 2, "C3k2", {512, necks_nest}},
                   {{-1}, 1, "Conv", {512, 3, 2}},
                   {{-1, 10}, 1, "Concat", {}},
                   std::move(last)},
          .levels = {16, 19, 22},
          .scales =
              {{"n", 0.5, 0.25, 1024}, {"s", 0.5, 0.5, 1024}, {"m", 0.5, 1, 512}, {"l", 1, 1, 512}, {"x", 1, 1.5, 512}},
          .light_head = true};
}

/// YOLO26 (Ultralytics, 2026): no distributions, no NMS, attention in the last block.
Family v26() {
  auto made = with_attention("26", {1024, 5, 3, 1}, 1, {{-1}, 1, "C3k2", {1024, 1, 0.5, 1}});
  made.bins = 1;
  made.end_to_end = true;
  return made;
}

}  // namespace

bool Family::has_scale(std::string_view size) const {
  return std::any_of(scales.begin(), scales.end(), [&](const Scale& scale) { return scale.size == size; });
}

const Scale& Family::scale(std::string_view size) const {
  for (const auto& scale : scales)
    if (scale.size == size) return scale;
  fail_usage("[yolo] size wants one of n, s, m, l, x, got \"{}\"", size);
}

const std::vector<Family>& families() {
  static const std::vector<Family> all = {v5(), v8(), with_attention("11", {1024, 5}, 0, {{-1}, 2, "C3k2", {1024, 1}}),
                                          v26()};
  return all;
}

const Family& family(const std::string& name) {
  std::vector<std::string> known;
  for (const auto& one : families()) {
    if (one.name == name) return one;
    known.push_back(one.name);
  }
  fail_usage("[yolo] unknown family \"{}\"{}", name, suggest(name, known));
}

int64_t scaled_width(double width, const Scale& scale) {
  const auto narrowed = std::min(width, static_cast<double>(scale.most_channels)) * scale.width;
  return static_cast<int64_t>(std::ceil(narrowed / 8)) * 8;
}

int64_t scaled_depth(int64_t repeats, const Scale& scale) {
  if (repeats <= 1) return repeats;
  return std::max<int64_t>(std::llrint(static_cast<double>(repeats) * scale.depth), 1);  // halves to even, as Python
}

}  // namespace hadal::yolo
