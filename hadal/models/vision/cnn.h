// A small convolutional net for small pictures: 3x3 convolutions with batch norm, halved by max pooling in between, and
// the mean over the picture into one linear layer.
#pragma once
#include <vector>

#include "hadal/models/vision/classifier.h"
#include "hadal/nn/linear.h"

namespace hadal {

struct CnnConfig {
  int64_t classes = 10, channels = 1;
  std::vector<int64_t> widths = {32, 64, 128};
  double dropout = 0;

  static Fields<CnnConfig> fields();
  void validate() const;
};

struct CnnImpl : ImageClassifier {
  explicit CnnImpl(const CnnConfig& config);
  /// pixels (B, channels, H, W) -> logits (B, classes). Throws Error when a side is shorter than 2^(stages - 1).
  Tensor forward(const Tensor& pixels) override;
  Tensor pooled(const Tensor& pixels) override;
  std::vector<std::string> heads() const override { return {"head"}; }

 private:
  int64_t channels_, smallest_;
  nn::Sequential features_;
  nn::Dropout dropout_{nullptr};
  Linear head_{nullptr};
};
TORCH_MODULE(Cnn);

void register_cnn(ClassifierCatalog& catalog);

}  // namespace hadal
