#include <nlohmann/json.hpp>

#include "hadal/core/error.h"
#include "hadal/models/detection/yolo.h"

namespace hadal {
namespace {

using Json = nlohmann::json;

/// A row of the file, [from, repeats, module, arguments], as the table has it: numbers, and only those that shape it.
struct FileRow {
  std::vector<int64_t> from;
  int64_t repeats;
  std::string block;
  std::vector<double> args;
};

/// Ultralytics keeps some values as Python wrote them: "None", "nc", "[64, 3]".
double number(const Json& value) {
  if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
  if (value.is_number()) return value.get<double>();
  if (value.is_string() && (value == "True" || value == "False")) return value == "True" ? 1 : 0;
  return -1;
}

FileRow file_row(const Json& row, size_t index) {
  const auto bad = [&] {
    fail("[yolo] layer {} of the file is no [from, repeats, module, arguments]: {}", index, row.dump());
  };
  if (!row.is_array() || row.size() != 4 || !row[1].is_number_integer() || !row[2].is_string() || !row[3].is_array())
    bad();
  FileRow out = {.from = {}, .repeats = row[1].get<int64_t>(), .block = row[2].get<std::string>(), .args = {}};
  for (const auto& from : row[0].is_array() ? row[0] : Json::array({row[0]})) {
    if (!from.is_number_integer()) bad();
    out.from.push_back(from.get<int64_t>());
  }
  const bool shaped = out.block != "nn.Upsample" && out.block != "Concat";
  if (shaped)
    for (const auto& value : row[3]) out.args.push_back(number(value));
  return out;
}

bool is_head(const std::string& block) {
  return block == "Detect" || block == "Segment" || block == "Pose" || block == "Segment26" || block == "Pose26";
}

/// Arguments that stand for the block's defaults, `False` at the end, may be left out.
bool same(std::vector<double> a, std::vector<double> b) {
  const auto size = std::max(a.size(), b.size());
  a.resize(size);
  b.resize(size);
  return a == b;
}

bool same(const FileRow& file, const yolo::Row& row) {
  if (file.from != row.from || file.repeats != row.repeats || file.block != row.block) return false;
  if (file.block == "C3" && file.args.size() + row.args.size() == 3)  // its default is True
    return (file.args.size() > 1 ? file.args[1] : row.args[1]) == 1 && file.args[0] == row.args[0];
  return same(file.args, row.args);
}

/// How many rows from the first on are the family's.
size_t agreement(const std::vector<FileRow>& rows, const yolo::Family& family) {
  size_t count = 0;
  while (count < rows.size() && count < family.rows.size() && same(rows[count], family.rows[count])) ++count;
  return count;
}

const yolo::Family& family_of(const std::vector<FileRow>& rows, bool anchors) {
  const yolo::Family* best = nullptr;
  size_t most = 0;
  for (const auto& family : yolo::families()) {
    if (family.anchors != anchors) continue;
    const auto count = agreement(rows, family);
    if (!best || count > most) best = &family, most = count;
  }
  if (best && most == best->rows.size() && rows.size() == most + 1 && is_head(rows[most].block) &&
      rows[most].from == best->levels)
    return *best;
  const auto& row = rows[std::min(most, rows.size() - 1)];
  std::string of = best ? " of yolo" + best->name : "";
  fail(
      "[yolo] the file's layer {}, {} with arguments ({}), is not the one{} (nearest family); Hadal has yolov5 with "
      "anchors, yolov8, yolo11 and yolo26, boxes, -seg and -pose",
      most, row.block, fmt::join(row.args, ", "), of);
}

double number_at(const Json& yaml, const char* key, double otherwise) {
  const auto found = yaml.find(key);
  return found != yaml.end() && found->is_number() ? found->get<double>() : otherwise;
}

/// Depth, width and the most channels that the file names.
yolo::Scale scale_of(const Json& yaml, const yolo::Family& family) {
  yolo::Scale said{"", number_at(yaml, "depth_multiple", 1), number_at(yaml, "width_multiple", 1), INT64_MAX};
  const auto scales = yaml.find("scales");
  if (scales == yaml.end() || !scales->is_object() || scales->empty()) return said;
  const auto name = yaml.value("scale", scales->begin().key());
  const auto found = scales->find(name);
  if (found == scales->end() || !found->is_array() || found->size() != 3 || !(*found)[0].is_number() ||
      !(*found)[1].is_number() || !(*found)[2].is_number())
    fail("[yolo] the file's scale \"{}\" is none of its scales as [depth, width, channels]", name);
  said = {name, (*found)[0].get<double>(), (*found)[1].get<double>(), static_cast<int64_t>((*found)[2].get<double>())};
  if (!family.has_scale(name)) fail("[yolo] the file's scale \"{}\" is none of n, s, m, l, x", name);
  return said;
}

}  // namespace

Part yolo_settings(const Json& model) {
  const auto found = model.find("yaml");
  if (found == model.end() || !found->is_object()) fail("[yolo] the file does not say how its network is built (yaml)");
  const auto& yaml = *found;
  std::vector<FileRow> rows;
  for (const auto* part : {"backbone", "head"}) {
    const auto list = yaml.find(part);
    if (list == yaml.end() || !list->is_array()) fail("[yolo] the file's network has no list \"{}\"", part);
    for (const auto& row : *list) rows.push_back(file_row(row, rows.size()));
  }
  if (rows.empty()) fail("[yolo] the file's network has no layers");
  if (const auto act = yaml.find("activation"); act != yaml.end() && act->is_string())
    if (act->get<std::string>().find("SiLU") == std::string::npos)
      fail("[yolo] the file's network has the activation {}; Hadal's has SiLU", act->get<std::string>());

  const auto& family = family_of(rows, yaml.contains("anchors"));
  const auto said = scale_of(yaml, family);
  Part part;
  const auto& head = rows.back().block;
  const bool masks = head.starts_with("Segment"), keypoints = head.starts_with("Pose");
  if (head.ends_with("26") != (family.end_to_end && (masks || keypoints)))
    fail("[yolo] the file's head {} does not belong to yolo{}", head, family.name);
  const yolo::Scale* own = nullptr;
  for (const auto& scale : family.scales)
    if (said.size.empty() ? scale.depth == said.depth && scale.width == said.width : scale.size == said.size)
      own = &scale;
  part.name = fmt::format("yolo{}{}{}", family.name, own ? own->size : "n", masks ? "-seg" : keypoints ? "-pose" : "");
  if (!own || own->depth != said.depth) part.settings.set("depth", said.depth);
  if (!own || own->width != said.width) part.settings.set("width", said.width);
  if (!own || (!said.size.empty() && own->most_channels != said.most_channels))
    part.settings.set("most_channels", said.most_channels);
  const auto classes = static_cast<int64_t>(number_at(yaml, "nc", 0));
  if (classes < 1) fail("[yolo] the file does not say how many classes it has (nc)");
  part.settings.set("classes", classes);
  if (keypoints) {
    auto shape = model.value("kpt_shape", yaml.value("kpt_shape", Json()));
    if (!shape.is_array() || shape.size() != 2 || !shape[0].is_number_integer() || !shape[1].is_number_integer())
      fail("[yolo] the file does not say how many keypoints it has (kpt_shape)");
    part.settings.set("keypoints", shape[0].get<int64_t>());
    part.settings.set("keypoint_dims", shape[1].get<int64_t>());
  }
  return part;
}

}  // namespace hadal
