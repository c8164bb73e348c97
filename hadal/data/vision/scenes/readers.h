// The readers behind read_scene_files(), one a format. Each fills about and splits of what it is given; a reader of one
// label file stands alone, for tests and fuzzers.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "hadal/data/vision/scenes/layout.h"
#include "hadal/data/vision/scenes/scene_files.h"

namespace hadal {

void read_coco(const Layout&, const SceneFilesConfig&, SceneFiles& out, FaultLog&);
void read_yolo(const Layout&, const SceneFilesConfig&, SceneFiles& out, FaultLog&);
void read_voc(const Layout&, const SceneFilesConfig&, SceneFiles& out, FaultLog&);
void read_label_masks(const Layout&, const SceneFilesConfig&, SceneFiles& out, FaultLog&);
void read_deeplabcut(const Layout&, const SceneFilesConfig&, SceneFiles& out, FaultLog&);

/// Whether the layout looks like one of the format's.
bool looks_like_yolo(const Layout&);
bool looks_like_voc(const Layout&);
bool looks_like_label_masks(const Layout&);
bool looks_like_deeplabcut(const Layout&);
bool looks_like_coco(const Layout&);

/// Where YOLO's data.yaml stands, and what it says.
struct YoloSettings {
  std::vector<std::string> names;
  std::vector<std::pair<std::string, std::vector<std::string>>> splits;  // train, val, test: folders, lists, files
  std::string path;
  int64_t keypoints = 0, values = 3;  // a keypoint's numbers: 2 or 3
  std::vector<int64_t> flip;
  std::vector<std::string> keypoint_names;
};
/// Throws FileError, or logs what it can go on from.
YoloSettings parse_yolo_settings(std::string_view text, std::string_view name, FaultLog&);

/// A label file's lines: class, then a box (x y w h), a polygon or a box with keypoints, as shares of the sides.
std::vector<ObjectLabel> parse_yolo_labels(std::string_view text, std::string_view name, const YoloSettings& settings,
                                           FaultLog&);

/// A Pascal VOC annotation. Classes are looked up in, or appended to, `classes` (`fixed`: an unknown one is a fault).
SceneRecord parse_voc(std::string_view text, std::string_view name, std::vector<std::string>& classes, bool fixed,
                      const SceneFilesConfig& config, FaultLog&);

/// A table of DeepLabCut's labels: a record a frame, its picture's path as it stands there. Its body parts are among
/// about.keypoints. Throws FileError where the heads are not as they should be.
std::vector<SceneRecord> parse_deeplabcut(std::string_view text, std::string_view name, const SceneAbout& about,
                                          FaultLog&);

/// A picture's boxes around its polygons or points.
std::array<float, 4> box_around(const std::vector<std::vector<float>>& polygons);

/// Puts records into splits by lists named train.txt, val.txt, test.txt in `folder` (or its ImageSets/Main), else by
/// their pictures' folders, else into one that is everything. `stem` gives what a list calls a record.
void split_records(const Layout&, std::string_view folder, std::vector<SceneRecord> records, SceneFiles& out,
                   FaultLog&);

}  // namespace hadal
