// COCO's files into the evaluation, with the habits of pycocotools' loadRes, so that the same files give the same
// numbers:
// - what results are is seen from the first one: with a bbox, its area is what counts, for masks too;
// - `ignore` in the truth means nothing, `iscrowd` does; for keypoints an object without any is ignored;
// - an annotation whose id is 0 is never found, for pycocotools notes ids and takes 0 for none;
// - results of a category that the truth does not have are left out; where all are, that is an error.
// What pycocotools does not know: a result may name its picture, by file_name or by a text for its image_id.
#pragma once
#include "hadal/data/vision/coco_json.h"
#include "hadal/metrics/coco.h"

namespace hadal {

struct CocoFiles {
  CocoEvaluation evaluation;
  std::vector<CocoCategory> categories;  // of the truth, by id
  int64_t pictures = 0;
  std::vector<std::string> notes;  // of what was left out or is odd, a sentence each
};

/// "bbox", "segm" or "keypoints". Throws UsageError on another word.
CocoKind coco_kind(const std::string& name);

/// Reads both files. Throws FileError where they are no COCO files, where a result is of a picture that the truth does
/// not have, or none is of one of its categories, or one lacks what is scored, where two annotations share an id, and
/// where the keypoints do not fit `sigmas` (default: COCO's 17, or equal_sigmas of as many as the categories name, when
/// these are not 17).
CocoFiles read_coco_files(const std::filesystem::path& truth, const std::filesystem::path& results,
                          CocoSettings settings = {});
/// The same from what was read; `results_name` is for messages.
CocoFiles make_coco_files(const CocoTruth& truth, std::vector<CocoAnnotation> results, const std::string& results_name,
                          CocoSettings settings = {});

}  // namespace hadal
