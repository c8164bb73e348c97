// What the classification task asks of a model, and the catalog of all of them.
#pragma once
#include <memory>
#include <string>

#include "hadal/core/catalog.h"
#include "hadal/core/torch.h"

namespace hadal {

/// What pictures are made into for weights that others published: the shorter side becomes `resize` (0: `size`), and
/// the centre is cut to `size` by `size`. A size of 0: nobody published any.
struct PublishedSize {
  int64_t size = 0, resize = 0;
};

struct ImageClassifier : torch::nn::Module {
  /// (B, C, H, W) normalised pixels -> (B, classes) logits.
  virtual Tensor forward(const Tensor& pixels) = 0;
  /// The last layer's name ("fc", "heads.head"): what is replaced when the class count differs.
  virtual std::string head() const = 0;
  virtual PublishedSize published_size() const { return {}; }
  /// Weights as other libraries name them -> as this model does; unknown names stay.
  virtual TensorsByName own_names(const TensorsByName& weights) const { return weights; }
};

/// Their configs share the names `classes`, `channels` and `image` where they have them: the task sets these from the
/// data.
using ClassifierCatalog = Catalog<std::shared_ptr<ImageClassifier>>;

/// Every image classifier Hadal has.
const ClassifierCatalog& classifiers();

}  // namespace hadal
