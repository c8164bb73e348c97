// What poses look like to those who asked for them: a picture with skeletons, DeepLabCut's table of a video.
#pragma once
#include "hadal/trained/vision/detection_answers.h"
#include "hadal/trained/vision/pose.h"

namespace hadal {

/// The three or, with several `animals`, four heads of DeepLabCut's table of an analysed video: scorer, individuals,
/// bodyparts, coords (x, y, likelihood).
std::string deeplabcut_head(const SceneAbout& about, int64_t animals);
/// A frame's row: its number, then each animal's points. Who is which: by the ids of the columns where objects were
/// followed (see TrackColumns), else, without columns, as they come; one that is not there leaves its columns empty.
std::string deeplabcut_row(int64_t frame, const std::vector<Detection>& detections, int64_t keypoints, int64_t animals,
                           const std::vector<int64_t>& columns = {});
/// How many animals the table has room for; 0: there is no such table, for nobody knows how many there may be.
int64_t deeplabcut_animals(const PoseOptions& options);

/// Those that `save` names of png, txt, coco; of a frame NAME-points.csv, DeepLabCut's table, where it is known how
/// many there may be (no detector, or `most`), otherwise points.csv with a line an object.
std::vector<Attachment> pose_files(const Input& input, const Tensor& image, const std::vector<Detection>& detections,
                                   const SceneAbout& about, const PoseOptions& options,
                                   const std::vector<int64_t>& columns = {});

}  // namespace hadal
