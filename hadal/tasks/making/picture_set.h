// Pictures that a generative model learns from: any classification data, its labels used where the model asks.
#pragma once
#include <map>
#include <optional>

#include "hadal/data/vision/augment.h"
#include "hadal/data/vision/sources.h"
#include "hadal/models/generative/generator.h"
#include "hadal/tasks/batches.h"
#include "hadal/trained/classes.h"

namespace hadal {

struct PictureBatch {
  Tensor pictures;             // (N, C, H, W) float32
  Tensor labels;               // (N) int64
  std::vector<int64_t> index;  // which of the data they are
  int64_t epoch = 0;
  auto tensors() { return std::tie(pictures, labels); }
};

class PictureSet {
 public:
  /// Opens the data; `data` gets all its settings. Throws UsageError where training wants what is not there.
  PictureSet(Part& data, const TaskContext& context);

  /// Puts what the data say into the model's settings, where they are not given: channels, the pictures' side, and
  /// with `by_class` the number of classes. `schema` is the model's. With `as` the model works on that instead.
  void settle(Part& model, const Schema& schema, bool by_class, const std::optional<PictureShape>& as = {}) const;
  /// How pictures come from now on: of that shape, with values in `range`, mirrored that often in training.
  void prepare(const PictureShape& shape, std::pair<double, double> range, double hflip);

  const std::vector<std::string>& splits() const { return source_.splits; }
  const std::string& remark() const { return source_.remark; }
  std::shared_ptr<ClassificationData> open(const std::string& split);
  /// The split that training learns from; undefined where nothing is trained.
  const ClassificationData& train() const { return *train_; }
  const std::vector<std::string>& classes() const { return classes_; }
  int64_t channels() const { return channels_; }

  PictureBatch batch(const ClassificationData& data, const BatchPlan& plan, bool training) const;
  /// Of some of the data, as evaluation sees them.
  PictureBatch batch(const ClassificationData& data, const std::vector<int64_t>& indices) const;

 private:
  ClassificationSource source_;
  std::map<std::string, std::shared_ptr<ClassificationData>> opened_;
  std::shared_ptr<ClassificationData> train_;
  std::vector<std::string> classes_;
  int64_t channels_ = 1, side_ = 0;
  std::unique_ptr<ClassificationTransform> training_, scoring_;
};

}  // namespace hadal
