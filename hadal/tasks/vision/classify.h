// Image classification: one label a picture.
#pragma once
#include "hadal/data/vision/augment.h"
#include "hadal/tasks/task.h"

namespace hadal {

struct ClassifyConfig {
  Part model{"resnet18", {}}, data{"auto", {}};
  AugmentConfig augment;
  std::vector<std::string> names;
  double label_smoothing = 0;

  static Fields<ClassifyConfig> fields();
  void validate() const;
};

void register_classify(TaskCatalog& catalog);

}  // namespace hadal
