// What the readers of label files make of a folder or archive: per split, a record a picture, as its labels have it and
// nothing decoded.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "hadal/core/config.h"
#include "hadal/data/vision/scenes/scene_data.h"
#include "hadal/data/vision/scenes/scene_faults.h"
#include "hadal/io/archive.h"

namespace hadal {

/// A mask as labels write it, polygons or COCO's runs; rasterised when it is asked for.
struct MaskLabel {
  std::vector<std::vector<float>> polygons;  // x, y, x, y, ...; their union
  std::string runs;                          // as COCO writes them in a text
  int64_t height = 0, width = 0;             // of the runs' picture
  bool refused = false;                      // there was one, but it is a fault
  bool empty() const { return polygons.empty() && runs.empty(); }
};

struct ObjectLabel {
  std::array<float, 4> box{};  // x1 y1 x2 y2
  int64_t label = 0;
  bool crowd = false;
  float area = -1;  // below 0: not said
  MaskLabel mask;
  std::vector<float> keypoints;  // x, y, visibility, ...
  int64_t id = 0;                // the label file's own number, or its line
};

struct SceneRecord {
  int64_t picture = -1;           // number of the file in the tree; below 0: not there
  int64_t labels = -1;            // the file of its labels; below 0: none of its own
  int64_t mask = -1;              // a label picture, which then says what objects there are
  int64_t width = 0, height = 0;  // as the labels say; 0: they do not
  int64_t id = 0;
  bool relative = false;  // coordinates are shares of the sides
  std::string path;       // as the labels name it
  std::vector<ObjectLabel> objects;
};

/// One for all kinds; each reads what concerns it.
struct SceneFilesConfig {
  std::string path, images;
  std::vector<std::string> names;
  double val = 0, test = 0;
  int64_t seed = 0;
  bool from_one = false, difficult = false;
  int64_t cache_mb = 1024;

  static Fields<SceneFilesConfig> fields();
  void validate() const;
};

struct SceneSplit {
  std::string name;  // train, val or test
  std::vector<SceneRecord> records;
};

struct SceneFiles {
  explicit SceneFiles(FileTree files) : tree(std::move(files)) {}
  FileTree tree;
  SceneAbout about;
  std::vector<SceneSplit> splits;
  bool divided = true;  // false: one split, which is all there is

  const SceneSplit* find(const std::string& split) const;
};

enum class SceneKind { coco, yolo, voc, labelmask, deeplabcut };
std::string name_of(SceneKind kind);

/// What lies at the path. Throws FileError, with what was looked for, when it is none of them.
SceneKind find_scene_kind(const SceneFilesConfig& config);

/// Reads all labels; faults go to the log. Splits drawn by share are in it. Throws FileError where nothing of the kind
/// is there.
SceneFiles read_scene_files(SceneKind kind, const SceneFilesConfig& config, FaultLog& log);

}  // namespace hadal
