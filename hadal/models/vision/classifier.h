// What the classification task asks of a model, and the catalog of all of them.
#pragma once
#include <memory>
#include <string>

#include "hadal/core/catalog.h"
#include "hadal/models/model.h"

namespace hadal {

/// What pictures are made into for weights that others published: the shorter side becomes `resize` (0: `size`), and
/// the centre is cut to `size` by `size`. A size of 0: nobody published any.
struct PublishedSize {
  int64_t size = 0, resize = 0;
};

struct ImageClassifier : Model {
  /// (B, C, H, W) normalised pixels -> (B, classes) logits.
  virtual Tensor forward(const Tensor& pixels) = 0;
  /// The same pixels -> (B, D): what the last layers are given, by which pictures can be compared.
  virtual Tensor pooled(const Tensor& pixels) = 0;
  virtual PublishedSize published_size() const { return {}; }
};

/// Their configs share the names `classes`, `channels` and `image` where they have them: the task sets these from the
/// data.
using ClassifierCatalog = Catalog<std::shared_ptr<ImageClassifier>>;

/// Every image classifier Hadal has.
const ClassifierCatalog& classifiers();

}  // namespace hadal
