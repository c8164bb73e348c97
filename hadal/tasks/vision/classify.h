// Image classification: one label a picture.
#pragma once
#include "hadal/tasks/task.h"
#include "hadal/trained/vision/classifier.h"

namespace hadal {

struct ClassifyConfig : ClassifierConfig {
  Part data{"auto", {}};
  double label_smoothing = 0;

  static Fields<ClassifyConfig> fields();
};

void register_classify(TaskCatalog& catalog);

}  // namespace hadal
