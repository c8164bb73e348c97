// What detections look like to those who asked for them: JSON, YOLO's and COCO's files, a picture.
#pragma once
#include "hadal/trained/vision/detector.h"

namespace hadal {

/// [{"class", "score", "box": [x1, y1, x2, y2], "mask": {"size", "counts"}, "keypoints": [[x, y, score]]}], masks as
/// COCO's run lengths.
nlohmann::ordered_json detections_json(const std::vector<Detection>& detections);
/// A line an object: class, then its box (middle and sides) or outline or box and keypoints, as shares of the picture.
std::string yolo_labels(const std::vector<Detection>& detections, ImageSize size);
/// Elements of COCO's list of results. The picture's number is its file's name where that is one, and that name as a
/// text where not; file_name says it whole.
std::string coco_results(const std::string& name, const std::vector<Detection>& detections, const SceneAbout& about);
/// The picture with what was found drawn on it, keypoints from the score `sure` on.
Tensor draw_detections(const Tensor& image, const std::vector<Detection>& detections, const SceneAbout& about,
                       double sure = 0.5);

/// A line an object of a video's frame: input, frame, time, id (empty: not tracked), class, and x, y, score of each
/// keypoint, in pixels.
std::string points_table_head(const SceneAbout& about);
std::string points_table(const Input& input, const std::vector<Detection>& detections);

/// Those that `save` names of png, txt, coco; of a frame points.csv where objects have keypoints.
std::vector<Attachment> detection_files(const Input& input, const Tensor& image,
                                        const std::vector<Detection>& detections, const SceneAbout& about,
                                        const std::vector<std::string>& save);

}  // namespace hadal
