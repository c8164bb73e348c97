// Data sets of scenes by name: what `data.kind` chooses for detection, segmentation and pose.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hadal/core/catalog.h"
#include "hadal/data/vision/scenes/scene_files.h"

namespace hadal {

struct SceneSource {
  std::string kind;                 // coco, yolo, voc, labelmask, deeplabcut, shapes
  std::vector<std::string> splits;  // of train, val, test: those that can be opened
  bool divided = true;              // false: every split is all there is, good for scoring alone
  SceneAbout about;
  std::function<std::shared_ptr<SceneData>(const std::string& split)> open;
  std::shared_ptr<const SceneFiles> files;  // what the labels say; none of shapes
  std::shared_ptr<FaultLog> faults;         // what was seen while they were read
};

using SceneCatalog = Catalog<SceneSource>;
/// Opening one reads all labels, and no picture. Throws FileError on the first fatal fault (scene_faults.h).
const SceneCatalog& scene_sources();

}  // namespace hadal
