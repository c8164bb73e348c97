// The two kinds of text in YOLO's folders: data.yaml, and a line an object.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "hadal/core/error.h"
#include "hadal/core/utf8.h"
#include "hadal/data/vision/scenes/readers.h"
#include "hadal/io/json.h"
#include "hadal/io/yaml.h"

namespace hadal {
namespace {

constexpr int64_t kMostClasses = 100000, kMostKeypoints = 10000;
constexpr double kSlack = 0.01;  // shares beyond 0 and 1 that rounding and drawing leave; more is pixels by mistake

std::string text_of(const nlohmann::json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

/// A list of names, or a map from every number to its name.
std::vector<std::string> read_names(const nlohmann::json& names, std::string_view file, FaultLog& log) {
  std::vector<std::string> out;
  if (names.is_array()) {
    for (const auto& name : names) out.push_back(text_of(name));
    return out;
  }
  if (!names.is_object()) throw FileError(file, "names wants a list, or a map from numbers to names");
  out.resize(names.size());
  std::vector<bool> given(names.size());
  for (const auto& [key, name] : names.items()) {
    size_t number = 0;
    const auto* end = key.data() + key.size();
    const auto read = std::from_chars(key.data(), end, number);
    if (read.ec != std::errc() || read.ptr != end || number >= out.size()) {
      log.add(Fault::names_wrong, std::string(file),
              fmt::format("names numbers {} classes from 0, without gaps; got the number \"{}\"", out.size(), key));
      continue;
    }
    out[number] = text_of(name), given[number] = true;
  }
  for (size_t i = 0; i < out.size(); ++i)
    if (!given[i]) out[i] = std::to_string(i);
  return out;
}

std::vector<std::string> read_entries(const JsonValue& value) {
  std::vector<std::string> out;
  if (!value.raw().is_array()) return {value.text()};
  for (size_t i = 0; i < value.size(); ++i) out.push_back(value.at(i).text());
  return out;
}

/// A line's numbers; false where a column is none.
bool read_numbers(std::string_view line, std::vector<double>& out, std::string_view& wrong) {
  out.clear();
  while (true) {
    const auto first = line.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) return true;
    line.remove_prefix(first);
    const auto column = line.substr(0, line.find_first_of(" \t\r"));
    line.remove_prefix(column.size());
    double value = 0;
    const auto* begin = column.data() + (column[0] == '+' ? 1 : 0);
    const auto* end = column.data() + column.size();
    const auto read = std::from_chars(begin, end, value);
    wrong = column;
    if (read.ec != std::errc() || read.ptr != end || !std::isfinite(value)) return false;
    out.push_back(value);
  }
}

std::array<float, 4> box_at(const double* xywh) {
  return {static_cast<float>(xywh[0] - xywh[2] / 2), static_cast<float>(xywh[1] - xywh[3] / 2),
          static_cast<float>(xywh[0] + xywh[2] / 2), static_cast<float>(xywh[1] + xywh[3] / 2)};
}

class LineReader {
 public:
  LineReader(const YoloSettings& settings, FaultLog& log) : settings_(settings), log_(log) {}

  std::optional<ObjectLabel> read(std::string_view line, std::string where) {
    std::string_view wrong;
    if (!read_numbers(line, numbers_, wrong)) {
      log_.add(Fault::number, std::move(where), fmt::format("\"{}\" is no finite number", wrong));
      return std::nullopt;
    }
    const auto count = std::ssize(numbers_);
    const auto pose = 5 + settings_.keypoints * settings_.values;
    const bool polygon = settings_.keypoints == 0 && count >= 7 && count % 2 == 1;
    if (settings_.keypoints > 0 ? count != pose : count != 5 && !polygon) {
      log_.add(Fault::columns, std::move(where), columns_text(count, pose));
      return std::nullopt;
    }
    ObjectLabel object;
    const auto classes = std::ssize(settings_.names);
    if (numbers_[0] != std::floor(numbers_[0]) || numbers_[0] < 0 ||
        numbers_[0] >= static_cast<double>(classes > 0 ? classes : kMostClasses)) {
      log_.add(Fault::class_range, std::move(where),
               fmt::format("class {} is not among the {} names, 0 to {}", numbers_[0], classes, classes - 1));
      return std::nullopt;
    }
    object.label = static_cast<int64_t>(numbers_[0]);
    const auto shares = polygon ? count : 5;
    for (int64_t i = 1; i < shares; ++i)
      if (numbers_[i] < -kSlack || numbers_[i] > 1 + kSlack) {
        log_.add(Fault::number, std::move(where),
                 fmt::format("{} is no share of the picture's side; YOLO's labels go from 0 to 1", numbers_[i]));
        return std::nullopt;
      }
    if (polygon) {
      object.mask.polygons.emplace_back(numbers_.begin() + 1, numbers_.end());
      object.box = box_around(object.mask.polygons);
      return object;
    }
    object.box = box_at(&numbers_[1]);
    for (int64_t k = 0; k < settings_.keypoints; ++k) {
      const auto* point = &numbers_[5 + k * settings_.values];
      // Without a third number a point at 0, 0 is absent.
      const double seen = settings_.values == 3 ? point[2] : point[0] != 0 || point[1] != 0 ? 2 : 0;
      for (const auto value : {point[0], point[1], seen}) object.keypoints.push_back(static_cast<float>(value));
    }
    return object;
  }

 private:
  std::string columns_text(int64_t count, int64_t pose) const {
    if (settings_.keypoints > 0)
      return fmt::format("{} columns; a class, a box and {} keypoints of {} numbers are {}", count, settings_.keypoints,
                         settings_.values, pose);
    return fmt::format("{} columns; a class and a box are 5, a class and a polygon 7, 9, 11, ...", count);
  }

  const YoloSettings& settings_;
  FaultLog& log_;
  std::vector<double> numbers_;
};

}  // namespace

YoloSettings parse_yolo_settings(std::string_view text, std::string_view name, FaultLog& log) {
  const auto parsed = parse_yaml(text, name);
  const JsonValue value(parsed, name);
  value.table();
  YoloSettings out;
  if (value.has("path")) out.path = value.at("path").text();
  for (const auto& [split, keys] :
       {std::pair{"train", std::vector{"train"}}, std::pair{"val", std::vector{"val", "valid", "validation"}},
        std::pair{"test", std::vector{"test"}}})
    for (const auto* key : keys)
      if (value.has(key)) {
        out.splits.emplace_back(split, read_entries(value.at(key)));
        break;
      }
  if (value.has("names")) out.names = read_names(parsed["names"], name, log);
  if (std::ssize(out.names) > kMostClasses) throw FileError(name, "has more than 100000 names");
  if (value.has("nc")) {
    const auto count = value.at("nc").integer(1, kMostClasses);
    if (out.names.empty())
      for (int64_t i = 0; i < count; ++i) out.names.push_back(std::to_string(i));
    if (count != std::ssize(out.names))
      log.add(Fault::names_wrong, std::string(name),
              fmt::format("nc says {} classes; names has {}", count, out.names.size()));
  }
  if (out.names.empty()) throw FileError(name, "says neither names nor nc: which classes are there?");
  if (value.has("kpt_shape")) {
    const auto shape = value.at("kpt_shape");
    if (shape.list().size() != 2) shape.fail_here("wants two numbers: keypoints, and 2 or 3 values each");
    out.keypoints = shape.at(0).integer(1, kMostKeypoints);
    out.values = shape.at(1).integer(2, 3);
  }
  if (value.has("flip_idx")) {
    const auto flip = value.at("flip_idx");
    for (size_t i = 0; i < flip.list().size(); ++i) out.flip.push_back(flip.at(i).integer(0, kMostKeypoints));
  }
  if (value.has("kpt_names") && parsed["kpt_names"].is_object() && !parsed["kpt_names"].empty()) {
    const auto& first = *parsed["kpt_names"].begin();  // a list for every class; they share their points
    if (first.is_array() && std::ssize(first) == out.keypoints)
      for (const auto& point : first) out.keypoint_names.push_back(text_of(point));
  }
  return out;
}

std::vector<ObjectLabel> parse_yolo_labels(std::string_view text, std::string_view name, const YoloSettings& settings,
                                           FaultLog& log) {
  std::vector<ObjectLabel> out;
  LineReader reader(settings, log);
  text = without_mark(text);
  for (int64_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (auto object = reader.read(line, fmt::format("{} line {}", name, number))) {
      object->id = number;
      out.push_back(std::move(*object));
    }
  }
  return out;
}

}  // namespace hadal
