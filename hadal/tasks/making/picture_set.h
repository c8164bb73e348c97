// Pictures that a generative model learns from: any classification data, its labels used where the model asks.
#pragma once
#include <functional>
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

  /// Puts what the data say into the settings of `model`, one of `models`, where they are not given: channels, with
  /// `by_class` the number of classes, and the side nearest to the pictures' that the model takes. With `as` the model
  /// works on that instead.
  template <class Models>
  void settle(Part& model, const Models& models, bool by_class, const std::optional<PictureShape>& as = {}) const {
    settle(model, models.at(model.name).schema, by_class, as, [&](const Part& part) { (void)models.resolve(part); });
  }
  /// How pictures come from now on: of that shape, with values in `range`, mirrored that often in training.
  void prepare(const PictureShape& shape, std::pair<double, double> range, double hflip);

  const std::vector<std::string>& splits() const { return source_.splits; }
  const std::string& remark() const { return source_.remark; }
  /// Of pictures for training that are not all squares of `side`: "pictures of several sizes, each resized and cropped
  /// to 32x32 (model.image=N: another side)". Empty where they are.
  std::string resizing(int64_t side) const;
  std::shared_ptr<ClassificationData> open(const std::string& split);
  /// The split that training learns from; undefined where nothing is trained.
  const ClassificationData& train() const { return *train_; }
  const std::vector<std::string>& classes() const { return classes_; }
  int64_t channels() const { return channels_; }

  PictureBatch batch(const ClassificationData& data, const BatchPlan& plan, bool training) const;
  /// Of some of the data, as evaluation sees them.
  PictureBatch batch(const ClassificationData& data, const std::vector<int64_t>& indices) const;

 private:
  void settle(Part& model, const Schema& schema, bool by_class, const std::optional<PictureShape>& as,
              const std::function<void(const Part&)>& check) const;
  int64_t side_for(Part model, const std::function<void(const Part&)>& check) const;

  ClassificationSource source_;
  std::map<std::string, std::shared_ptr<ClassificationData>> opened_;
  std::shared_ptr<ClassificationData> train_;
  std::vector<std::string> classes_;
  int64_t channels_ = 1;
  std::vector<std::pair<int64_t, int64_t>> sizes_;  // height and width of some pictures for training
  std::unique_ptr<ClassificationTransform> training_, scoring_;
};

}  // namespace hadal
