// Classes of whole series through the encoder of the forecasters: patches over all channels together are tokens, their
// mean gives the class (Nie et al. 2023, arXiv:2211.14730; Zerveas et al. 2021, arXiv:2010.02803, for the mixed
// channels).
#pragma once
#include "hadal/core/catalog.h"
#include "hadal/models/forecast/series_encoder.h"
#include "hadal/models/model.h"

namespace hadal {

struct SeriesClassifierConfig {
  int64_t patch = 4, stride = 2;
  double head_dropout = 0.2;
  SeriesEncoderConfig encoder = {.dim = 64, .depth = 3, .heads = 4, .mlp = 128, .dropout = 0.2};

  static Fields<SeriesClassifierConfig> fields();
  void validate() const { encoder.validate(); }
};

struct ClassShape {
  int64_t channels = 1, length = 64, classes = 2;
};

struct SeriesClassifierImpl : Model {
  /// Throws UsageError for a length below a patch.
  SeriesClassifierImpl(const SeriesClassifierConfig& config, const ClassShape& shape);
  /// x (B, C, L) -> logits (B, classes)
  Tensor forward(const Tensor& x);
  /// x -> (B, dim): what the head makes classes of.
  Tensor pooled(const Tensor& x);
  std::vector<std::string> heads() const override { return {"head"}; }

 private:
  SeriesClassifierConfig config_;
  ClassShape shape_;
  Linear embedding_{nullptr}, head_{nullptr};
  Tensor positions_;  // (P, dim)
  SeriesEncoder layers_{nullptr};
};
TORCH_MODULE(SeriesClassifier);

using SeriesClassifierCatalog = Catalog<SeriesClassifier, const ClassShape&>;
const SeriesClassifierCatalog& series_classifiers();

}  // namespace hadal
