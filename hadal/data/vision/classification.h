// Pictures with one label each: what every classification data set gives, wherever its pictures come from.
#pragma once
#include <string>
#include <vector>

#include "hadal/core/torch.h"

namespace hadal {

struct LabelledImage {
  Tensor image;  // (H, W, C) uint8, contiguous; C is 1 (grey) or 3 (RGB)
  int64_t label = 0;
};

/// get() may be called from several threads at once and always gives the same for the same index. It may share memory
/// with the data set: callers do not write into the image.
class ClassificationData {
 public:
  virtual ~ClassificationData() = default;
  virtual int64_t size() const = 0;
  virtual LabelledImage get(int64_t index) const = 0;
  virtual int64_t channels() const = 0;
  virtual const std::vector<std::string>& classes() const = 0;
  /// Where a picture comes from, for messages and predictions: a path, or "train-images-idx3-ubyte[17]".
  virtual std::string name(int64_t index) const = 0;
};

}  // namespace hadal
