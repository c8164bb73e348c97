// DeepLabCut's project folder: config.yaml with body parts and skeleton, labeled-data/VIDEO/CollectedData_SCORER.csv
// with three or four rows of heads (scorer, perhaps individuals, bodyparts, coords), then a row a frame (Mathis et al.
// 2018, doi:10.1038/s41593-018-0209-y).
#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "hadal/core/error.h"
#include "hadal/data/vision/scenes/keypoints.h"
#include "hadal/data/vision/scenes/readers.h"
#include "hadal/io/csv.h"
#include "hadal/io/yaml.h"

namespace hadal {
namespace {

/// Points of all animals that a frame may have: a file of heads alone must not ask for gigabytes a row.
constexpr int64_t kMostPoints = 100000;

bool is_table(std::string_view path) { return ending_of(path) == ".csv" && file_of(path).starts_with("CollectedData"); }

std::optional<int64_t> project_file(const Layout& layout) {
  const auto& tree = layout.tree();
  for (int64_t file = 0; file < tree.size(); ++file)
    if (file_of(tree.path(file)) == "config.yaml" && tree.read(file).find("bodyparts") != std::string::npos)
      return file;
  return std::nullopt;
}

std::vector<std::string> texts(const nlohmann::json& list) {
  std::vector<std::string> out;
  if (list.is_array())
    for (const auto& item : list)
      if (item.is_string()) out.push_back(item.get<std::string>());
  return out;
}

class TableReader {
 public:
  TableReader(std::string_view text, std::string name, const SceneAbout& about, FaultLog& log)
      : reader_(text, std::move(name), {.separator = ','}), about_(about), log_(log) {}

  std::vector<SceneRecord> read() {
    heads();
    std::vector<SceneRecord> out;
    while (reader_.next(fields_)) out.push_back(row());
    return out;
  }

 private:
  /// Which point of which animal a column holds.
  struct Column {
    int64_t animal = 0, point = 0, axis = 0;
  };

  [[noreturn]] void wrong(std::string_view what) const { throw FileError(reader_.place(), what); }

  void heads() {
    std::vector<std::string> animals, parts, axes;
    while (axes.empty()) {
      if (!reader_.next(fields_) || fields_.empty()) wrong("the heads scorer, bodyparts and coords are missing");
      const std::vector<std::string> row(fields_.begin(), fields_.end());
      if (row[0] == "scorer") continue;
      if (row[0] == "individuals")
        animals = row;
      else if (row[0] == "bodyparts")
        parts = row;
      else if (row[0] == "coords")
        axes = row;
      else
        wrong(fmt::format("expected a row of heads, got \"{}\"", row[0]));
    }
    if (parts.empty()) wrong("the row of bodyparts is missing");
    columns_.resize(axes.size());
    std::vector<std::string> known;
    std::set<std::array<int64_t, 3>> taken;
    for (size_t i = 1; i < axes.size(); ++i) {
      if (axes[i].empty()) continue;  // columns of the frame's name
      if (axes[i] != "x" && axes[i] != "y") wrong(fmt::format("coords are x and y, got \"{}\"", axes[i]));
      auto& column = columns_[i].emplace();
      column.axis = axes[i] == "y";
      const auto animal = animals.empty() ? std::string() : animals[i];
      column.animal = std::find(known.begin(), known.end(), animal) - known.begin();
      if (column.animal == std::ssize(known)) known.push_back(animal);
      column.point = std::find(about_.keypoints.begin(), about_.keypoints.end(), parts[i]) - about_.keypoints.begin();
      if (column.point == std::ssize(about_.keypoints))
        wrong(fmt::format("the project has no body part \"{}\"{}", parts[i], suggest(parts[i], about_.keypoints)));
      if (!taken.insert({column.animal, column.point, column.axis}).second)
        wrong(fmt::format("two columns are the {} of {}", axes[i], parts[i]));
    }
    animals_ = std::ssize(known);
    if (animals_ * std::ssize(about_.keypoints) > kMostPoints)
      wrong(fmt::format("{} animals of {} points each are too many", animals_, about_.keypoints.size()));
  }

  SceneRecord row() {
    SceneRecord record;
    std::string path;
    const auto points = std::ssize(about_.keypoints);
    std::vector<std::vector<float>> animals(animals_, std::vector<float>(3 * points, 0.0f));
    for (size_t i = 0; i < fields_.size() && i < columns_.size(); ++i) {
      if (!columns_[i]) {
        path = joined(path, fields_[i]);
        continue;
      }
      if (fields_[i].empty() || fields_[i] == "NaN" || fields_[i] == "nan") continue;
      double value = 0;
      const auto* end = fields_[i].data() + fields_[i].size();
      const auto read = std::from_chars(fields_[i].data(), end, value);
      if (read.ec != std::errc() || read.ptr != end || !(std::abs(value) < 1e7)) {
        log_.add(Fault::number, reader_.place(), fmt::format("\"{}\" is no finite number of pixels", fields_[i]));
        continue;
      }
      auto* point = &animals[columns_[i]->animal][3 * columns_[i]->point];
      point[columns_[i]->axis] = static_cast<float>(value);
      point[2] += 1;  // 2 once both are there
    }
    record.path = tidy_path(path);
    for (auto& keypoints : animals) add(std::move(keypoints), record);
    return record;
  }

  void add(std::vector<float> keypoints, SceneRecord& record) const {
    for (size_t k = 0; k < keypoints.size(); k += 3) {
      if (keypoints[k + 2] < 2) std::fill_n(keypoints.begin() + static_cast<int64_t>(k), 3, 0.0f);
    }
    const auto box = box_of_keypoints(keypoints);
    if (!box) return;
    ObjectLabel object;
    std::copy(box->begin(), box->end(), object.box.begin());
    object.box[0] = std::max(object.box[0], 0.0f), object.box[1] = std::max(object.box[1], 0.0f);
    object.keypoints = std::move(keypoints);
    object.id = reader_.line();
    record.objects.push_back(std::move(object));
  }

  CsvReader reader_;
  const SceneAbout& about_;
  FaultLog& log_;
  std::vector<std::string_view> fields_;
  std::vector<std::optional<Column>> columns_;
  int64_t animals_ = 1;
};

void read_project(const std::string& text, const std::string& name, SceneAbout& about, FaultLog& log) {
  const auto project = parse_yaml(text, name);
  if (!project.is_object()) throw FileError(name, "is no list of settings");
  about.keypoints = texts(project.value("bodyparts", nlohmann::json()));
  if (about.keypoints.empty()) {
    // Of several animals; what there is one of in a picture, as a corner of the box, is an animal "single" with these.
    about.keypoints = texts(project.value("multianimalbodyparts", nlohmann::json()));
    for (auto& name : texts(project.value("uniquebodyparts", nlohmann::json())))
      about.keypoints.push_back(std::move(name));
  }
  if (about.keypoints.empty()) throw FileError(name, "names no body parts");
  about.swap = mirrored_keypoints(about.keypoints);
  const auto lines = project.value("skeleton", nlohmann::json::array());
  for (const auto& line : lines) {
    const auto ends = texts(line);
    if (ends.size() != 2) continue;
    std::array<int64_t, 2> joint{};
    for (size_t i = 0; i < 2; ++i) {
      joint[i] = std::find(about.keypoints.begin(), about.keypoints.end(), ends[i]) - about.keypoints.begin();
      if (joint[i] == std::ssize(about.keypoints))
        log.add(Fault::skeleton_wrong, name,
                fmt::format("the skeleton names \"{}\", which is no body part{}", ends[i],
                            suggest(ends[i], about.keypoints)));
    }
    if (std::max(joint[0], joint[1]) < std::ssize(about.keypoints)) about.skeleton.push_back(joint);
  }
}

}  // namespace

std::vector<SceneRecord> parse_deeplabcut(std::string_view text, std::string_view name, const SceneAbout& about,
                                          FaultLog& log) {
  return TableReader(text, std::string(name), about, log).read();
}

bool looks_like_deeplabcut(const Layout& layout) {
  const auto tables = layout.files(".csv");
  return std::any_of(tables.begin(), tables.end(), [&](int64_t f) { return is_table(layout.tree().path(f)); }) &&
         project_file(layout);
}

void read_deeplabcut(const Layout& layout, const SceneFilesConfig& config, SceneFiles& out, FaultLog& log) {
  const auto& tree = layout.tree();
  const auto project = project_file(layout);
  if (!project) throw FileError(tree.root(), "holds no DeepLabCut project (config.yaml with bodyparts)");
  read_project(tree.read(*project), tree.name(*project), out.about, log);
  require(config.names.size() <= 1, "DeepLabCut's animals are of one class; names= gives {}", config.names.size());
  out.about.classes = config.names.empty() ? std::vector<std::string>{"animal"} : config.names;
  std::vector<SceneRecord> records;
  for (const auto file : layout.files(".csv")) {
    if (!is_table(tree.path(file))) continue;
    std::vector<SceneRecord> read;
    try {
      const auto text = tree.read(file);
      read = parse_deeplabcut(text, tree.name(file), out.about, log);
    } catch (const FileError& error) {
      log.add(Fault::labels_unreadable, tree.name(file), error.what());
    }
    for (auto& record : read) {
      auto picture = layout.find(joined(folder_of(tree.path(file)), file_of(record.path)));
      if (!picture) picture = layout.find(record.path, folder_of(tree.path(*project)));
      if (!picture)
        log.add(Fault::picture_missing, tree.name(file), fmt::format("there is no frame {}", record.path));
      else
        record.picture = *picture, record.path = tree.path(*picture);
      record.labels = file;
      records.push_back(std::move(record));
    }
  }
  split_records(layout, folder_of(tree.path(*project)), std::move(records), out, log);
}

}  // namespace hadal
