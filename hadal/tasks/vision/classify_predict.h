// Classification of pictures that are no data set: files and folders named on the command line.
#pragma once
#include "hadal/data/vision/augment.h"
#include "hadal/models/vision/classifier.h"
#include "hadal/tasks/task.h"

namespace hadal {

struct TrainedClassifier {
  ImageClassifier& model;
  const ClassificationTransform& transform;
  const std::vector<std::string>& names;
  int64_t channels, batch;
  torch::Device device;
};

/// Writes OUT/predictions.jsonl, a line {"input", "top": [{"class", "score"}]} per picture, and OUT/pictures/. A file
/// that does not decode gives a line with "error"; after all the others are done, that throws Error with the first.
int64_t predict_classes(const TrainedClassifier& classifier, const PredictOptions& options,
                        const std::function<void(const std::string&)>& line);

/// The pictures that inputs name: files as they are, folders with everything below them that looks like a picture and
/// is not hidden, sorted.
std::vector<std::string> find_pictures(const std::vector<std::string>& inputs);

}  // namespace hadal
