#include "hadal/models/vision/classifier.h"

#include "hadal/models/vision/cnn.h"
#include "hadal/models/vision/mlp.h"
#include "hadal/models/vision/mobilenet_v3.h"
#include "hadal/models/vision/resnet.h"
#include "hadal/models/vision/vit.h"

namespace hadal {

const ClassifierCatalog& classifiers() {
  static const auto catalog = [] {
    ClassifierCatalog made("model", "model");
    register_mlp(made);
    register_cnn(made);
    register_resnet(made);
    register_mobilenet_v3(made);
    register_vit(made);
    return made;
  }();
  return catalog;
}

}  // namespace hadal
