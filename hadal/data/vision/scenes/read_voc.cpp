// Pascal VOC: an XML file a picture (Everingham et al. 2010, doi:10.1007/s11263-009-0275-4).
#include <algorithm>
#include <charconv>
#include <cmath>

#include "hadal/core/error.h"
#include "hadal/data/vision/scenes/readers.h"
#include "hadal/io/xml.h"

namespace hadal {
namespace {

std::string place(std::string_view name, const XmlNode& node) { return fmt::format("{} line {}", name, node.line); }

std::optional<double> number_of(const XmlNode* node) {
  if (!node) return std::nullopt;
  double value = 0;
  const auto* end = node->text.data() + node->text.size();
  const auto read = std::from_chars(node->text.data(), end, value);
  if (read.ec != std::errc() || read.ptr != end || !std::isfinite(value) || std::abs(value) > 1e7) return std::nullopt;
  return value;
}

/// A class's number; -1 after a fault.
int64_t class_of(const XmlNode& name, std::string_view file, std::vector<std::string>& classes, bool fixed,
                 FaultLog& log) {
  const auto found = std::find(classes.begin(), classes.end(), name.text);
  if (found != classes.end()) return found - classes.begin();
  if (fixed || name.text.empty()) {
    log.add(Fault::class_unknown, place(file, name),
            fmt::format("the class \"{}\" is not among the names{}", name.text, suggest(name.text, classes)));
    return -1;
  }
  classes.push_back(name.text);
  return std::ssize(classes) - 1;
}

std::optional<ObjectLabel> read_object(const XmlNode& node, std::string_view file, std::vector<std::string>& classes,
                                       bool fixed, const SceneFilesConfig& config, FaultLog& log) {
  const auto* name = node.find("name");
  const auto* corners = node.find("bndbox");
  if (!name || !corners) {
    log.add(Fault::labels_unreadable, place(file, node),
            fmt::format("an object without <{}>", name ? "bndbox" : "name"));
    return std::nullopt;
  }
  ObjectLabel object;
  object.id = node.line;
  constexpr const char* kCorners[] = {"xmin", "ymin", "xmax", "ymax"};
  for (size_t i = 0; i < 4; ++i) {
    const auto value = number_of(corners->find(kCorners[i]));
    if (!value) {
      const auto* wrong = corners->find(kCorners[i]);
      log.add(Fault::number, place(file, wrong ? *wrong : *corners),
              fmt::format("<{}> wants a number of pixels, got \"{}\"", kCorners[i], wrong ? wrong->text : "nothing"));
      return std::nullopt;
    }
    object.box[i] = static_cast<float>(*value - (config.from_one && i < 2 ? 1 : 0));
  }
  object.label = class_of(*name, file, classes, fixed, log);
  if (object.label < 0) return std::nullopt;
  const auto* difficult = node.find("difficult");
  object.crowd = !config.difficult && difficult && difficult->text == "1";
  return object;
}

}  // namespace

SceneRecord parse_voc(std::string_view text, std::string_view name, std::vector<std::string>& classes, bool fixed,
                      const SceneFilesConfig& config, FaultLog& log) {
  const auto root = parse_xml(text, name);
  if (root.name != "annotation")
    throw FileError(place(name, root), fmt::format("VOC's root element is <annotation>, got <{}>", root.name));
  SceneRecord record;
  if (const auto* file = root.find("filename")) record.path = tidy_path(file->text);
  if (const auto* size = root.find("size")) {
    const auto side = [&](const char* which) {
      const auto value = number_of(size->find(which));
      if (!value || *value < 0 || *value != std::floor(*value)) {
        log.add(Fault::number, place(name, *size), fmt::format("<size> wants a whole <{}> in pixels", which));
        return int64_t{0};
      }
      return static_cast<int64_t>(*value);
    };
    record.width = side("width"), record.height = side("height");
  }
  for (const auto& child : root.children)
    if (child.name == "object")
      if (auto object = read_object(child, name, classes, fixed, config, log))
        record.objects.push_back(std::move(*object));
  return record;
}

bool looks_like_voc(const Layout& layout) {
  int tried = 0;
  for (const auto file : layout.files(".xml")) {
    if (layout.tree().read(file).find("<annotation") != std::string::npos) return true;
    if (++tried == 8) break;
  }
  return false;
}

void read_voc(const Layout& layout, const SceneFilesConfig& config, SceneFiles& out, FaultLog& log) {
  const auto& tree = layout.tree();
  const auto files = layout.files(".xml");
  if (files.empty()) throw FileError(tree.root(), "holds no annotation (*.xml)");
  // The labels' folder may be Annotations/, or Annotations/train/.
  std::string folder(folder_of(tree.path(files[0])));
  while (!split_called(file_of(folder)).empty()) folder = folder_of(folder);
  const auto top = std::string(folder_of(folder));
  out.about.classes = config.names;
  std::vector<SceneRecord> records;
  for (const auto file : files) {
    SceneRecord record;
    try {
      record = parse_voc(tree.read(file), tree.name(file), out.about.classes, !config.names.empty(), config, log);
    } catch (const FileError& error) {
      log.add(Fault::labels_unreadable, tree.name(file), error.what());
      continue;
    }
    const auto beside = std::string(folder_of(tree.path(file)));
    const auto above = std::string(folder_of(beside)), own = std::string(file_of(beside));
    std::vector<std::string> folders = {config.images, beside};
    for (const auto* images : {"JPEGImages", "images", "Images", "imgs"}) {
      folders.push_back(joined(above, images));
      folders.push_back(joined(joined(top, images), own));
      folders.push_back(joined(top, images));
    }
    auto picture = layout.picture(stem_of(tree.path(file)), folders);
    if (!picture && !record.path.empty()) picture = layout.picture(stem_of(record.path), folders);
    record.labels = file;
    if (!picture) {
      log.add(Fault::labels_orphan, tree.name(file), fmt::format("there is no picture {}", stem_of(tree.path(file))));
      continue;
    }
    record.picture = *picture;
    record.path = tree.path(*picture);
    records.push_back(std::move(record));
  }
  if (config.names.empty()) {
    // Sorted, so that they do not hang on which file comes first.
    auto sorted = out.about.classes;
    std::sort(sorted.begin(), sorted.end());
    std::vector<int64_t> moved;
    for (const auto& name : out.about.classes)
      moved.push_back(std::lower_bound(sorted.begin(), sorted.end(), name) - sorted.begin());
    for (auto& record : records)
      for (auto& object : record.objects) object.label = moved[object.label];
    out.about.classes = sorted;
  }
  split_records(layout, top, std::move(records), out, log);
}

}  // namespace hadal
