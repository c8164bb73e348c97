// Multi-layer perceptron: the picture's pixels as one vector, through fully connected layers.
#pragma once
#include <vector>

#include "hadal/models/vision/classifier.h"
#include "hadal/nn/linear.h"

namespace hadal {

struct MlpConfig {
  int64_t classes = 10, channels = 1, image = 28;
  std::vector<int64_t> hidden = {512, 256};
  double dropout = 0;

  static Fields<MlpConfig> fields();
};

struct MlpImpl : ImageClassifier {
  explicit MlpImpl(const MlpConfig& config);
  /// pixels (B, channels, image, image) -> logits (B, classes). Throws Error on any other size.
  Tensor forward(const Tensor& pixels) override;
  Tensor pooled(const Tensor& pixels) override;
  std::vector<std::string> heads() const override { return {"head"}; }

 private:
  int64_t channels_, image_;
  nn::Sequential hidden_;
  Linear head_{nullptr};
};
TORCH_MODULE(Mlp);

void register_mlp(ClassifierCatalog& catalog);

}  // namespace hadal
