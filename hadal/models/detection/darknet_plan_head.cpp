#include "hadal/models/detection/darknet_plan_head.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "hadal/io/bytes.h"

namespace hadal {
namespace {

constexpr int64_t kMostClasses = 1 << 16, kMostAnchors = 1024;

bool is_head(const CfgSection& section) { return section.kind == "yolo" || section.kind == "region"; }

void read_anchors(const CfgSection& section, DarknetHead& head) {
  const auto count = section.integer("num", 1, 1, kMostAnchors);
  auto numbers = section.numbers("anchors");
  // As in Darknet, whose anchors are .5 where the .cfg has none.
  if (numbers.empty()) numbers.assign(static_cast<size_t>(2 * count), 0.5);
  if (static_cast<int64_t>(numbers.size()) != 2 * count)
    section.refuse("num={} anchors want {} numbers, got {}", count, 2 * count, numbers.size());
  for (size_t i = 0; i < numbers.size(); i += 2) {
    if (numbers[i] <= 0 || numbers[i + 1] <= 0 || numbers[i] > 1e6 || numbers[i + 1] > 1e6)
      section.refuse("anchor {} is {} x {}", i / 2, numbers[i], numbers[i + 1]);
    head.anchors.push_back({numbers[i], numbers[i + 1]});
  }
  head.mask = section.integers("mask");
  if (head.mask.empty()) {
    head.mask.resize(static_cast<size_t>(count));
    std::iota(head.mask.begin(), head.mask.end(), 0);
  }
  for (auto at = head.mask.begin(); at != head.mask.end(); ++at)
    if (*at < 0 || *at >= count || std::find(head.mask.begin(), at, *at) != at)
      section.refuse("mask={} is no anchor of {}, or comes twice", *at, count);
}

void read_yolo(const CfgSection& section, DarknetHead& head) {
  static const std::map<std::string, Overlap, std::less<>> overlaps = {
      {"iou", Overlap::iou}, {"giou", Overlap::giou}, {"diou", Overlap::diou}, {"ciou", Overlap::ciou}};
  head.scale_xy = section.number("scale_x_y", 1, 0.1, 10);
  head.new_coords = section.integer("new_coords", 0, 0, 1) == 1;
  head.ignore = section.number("ignore_thresh", 0.5, 0, 1);
  head.also = section.number("iou_thresh", 1, 0, 1);
  head.box_weight = section.number("iou_normalizer", 0.75, 0, 1e6);
  head.object_weight = section.number("obj_normalizer", 1, 0, 1e6);
  head.class_weight = section.number("cls_normalizer", 1, 0, 1e6);
  const auto loss = section.text("iou_loss", "mse");
  head.squared = loss == "mse";
  if (head.squared) return;
  const auto found = overlaps.find(loss);
  if (found == overlaps.end()) section.refuse("iou_loss={} is none of mse, iou, giou, diou, ciou", shown(loss));
  head.overlap = found->second;
}

void read_region(const CfgSection& section, DarknetHead& head) {
  for (const auto* key : {"tree", "map", "background"})
    if (const auto* entry = section.find(key); entry && entry->value != "0")
      section.refuse_at(entry->line, fmt::format("{}={} is not known here", key, shown(entry->value)));
  if (section.integer("coords", 4, 1, 1024) != 4) section.refuse("coords must be 4");
  head.softmax = section.integer("softmax", 0, 0, 1) == 1;
  head.rescore = section.integer("rescore", 0, 0, 1) == 1;
  head.threshold = section.number("thresh", 0.5, 0, 1);
  head.coord_scale = section.number("coord_scale", 1, 0, 1e6);
  head.object_scale = section.number("object_scale", 1, 0, 1e6);
  head.noobject_scale = section.number("noobject_scale", 1, 0, 1e6);
  head.class_scale = section.number("class_scale", 1, 0, 1e6);
}

void set(CfgSection& section, const std::string& key, int64_t value) {
  for (auto& entry : section.entries)
    if (entry.key == key) {
      entry.value = std::to_string(value);
      return;
    }
  section.entries.push_back({key, std::to_string(value), section.line});
}

}  // namespace

DarknetHead read_darknet_head(const CfgSection& section) {
  DarknetHead head;
  head.region = section.kind == "region";
  head.classes = section.integer("classes", 20, 1, kMostClasses);
  read_anchors(section, head);
  head.region ? read_region(section, head) : read_yolo(section, head);
  return head;
}

std::vector<CfgSection> with_classes(std::vector<CfgSection> sections, int64_t classes) {
  for (size_t i = 1; i < sections.size(); ++i) {
    if (!is_head(sections[i])) continue;
    const auto head = read_darknet_head(sections[i]);
    if (head.classes == classes) continue;
    if (sections[i - 1].kind != "convolutional")
      sections[i].refuse("follows a [{}]: only behind a [convolutional] can it have {} classes instead of {}",
                         sections[i - 1].kind, classes, head.classes);
    set(sections[i], "classes", classes);
    set(sections[i - 1], "filters", static_cast<int64_t>(head.mask.size()) * (5 + classes));
  }
  return sections;
}

}  // namespace hadal
