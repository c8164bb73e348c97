// Classification data by name: what `data.kind` in a recipe chooses.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hadal/core/catalog.h"
#include "hadal/data/vision/classification.h"

namespace hadal {

/// A data set whose splits are opened when they are asked for.
struct ClassificationSource {
  std::vector<std::string> splits;  // of train, val, test: those that can be opened
  bool divided = true;              // false: every split is all there is (a folder of classes), good for scoring alone
  std::function<std::shared_ptr<ClassificationData>(const std::string& split)> open;
  std::string remark;  // what whoever reads the run should know: files that are passed over
};

using ClassificationCatalog = Catalog<ClassificationSource>;
const ClassificationCatalog& classification_sources();

}  // namespace hadal
