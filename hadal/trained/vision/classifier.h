// A trained classifier of pictures.
#pragma once
#include "hadal/data/vision/augment.h"
#include "hadal/models/vision/classifier.h"
#include "hadal/trained/classes.h"
#include "hadal/trained/open.h"

namespace hadal {

struct ClassifyPicturesOptions : ClassifyOptions {
  int64_t size = 0;
  static Fields<ClassifyPicturesOptions> fields();
};

struct ClassifierConfig {
  Part model{"resnet18", {}};
  AugmentConfig augment;
  std::vector<std::string> names;
  ClassifyPicturesOptions predict;

  static Fields<ClassifierConfig> fields();
  void validate() const;
};

class TrainedClassifier : public Trained {
 public:
  /// What `config` leaves open follows the weights: names from what was learned, the side from the model or its
  /// published one.
  TrainedClassifier(ClassifierConfig config, const Table& learned, const Use& use);

  ImageClassifier& model() override { return *model_; }
  Takes takes() const override { return Takes::picture; }
  std::string summary() const override;
  int64_t at_once() const override { return use_.batch; }
  /// {"input", "top": [{"class", "score"}]}, and the picture with its class written below.
  std::vector<Answer> predict(std::span<const Input> inputs, const Table& options = {}) override;

  /// image (H, W, 1 or 3) uint8 -> its likeliest classes, best first.
  std::vector<ScoredClass> operator()(const Tensor& image);
  /// images (H, W, 1 or 3) uint8 -> probabilities (images, classes), on the CPU.
  Tensor probabilities(std::span<const Tensor> images, const ClassificationTransform& transform);

  /// images (H, W, 1 or 3) uint8 -> what the last layers are given (images, D), and logits (images, classes), float32
  /// on the CPU.
  std::pair<Tensor, Tensor> look(std::span<const Tensor> images);

  /// All that was left open is settled.
  const ClassifierConfig& config() const { return config_; }
  const LearnedClasses& classes() const { return learned_; }
  /// How a picture is prepared to be scored.
  const ClassificationTransform& transform() const { return *transform_; }
  int64_t channels() const { return channels_; }
  /// (B, C, S, S) pixels as the model wants them in memory.
  Tensor laid_out(Tensor pixels) const;

 private:
  void settle(bool as_published);
  Tensor prepared(std::span<const Tensor> images, const ClassificationTransform& transform) const;

  ClassifierConfig config_;
  Use use_;
  LearnedClasses learned_;
  int64_t channels_ = 3;
  std::shared_ptr<ImageClassifier> model_;
  std::unique_ptr<ClassificationTransform> transform_;
};

/// auto classifier = load_classifier("runs/mnist-cnn"); auto top = (*classifier)(read_image("digit.png"));
std::unique_ptr<TrainedClassifier> load_classifier(const std::filesystem::path& what, const UseOptions& options = {});

/// A whole-number setting of an image classifier, given or its preset's; nothing where it has none of that name.
std::optional<int64_t> model_setting(const Part& model, const std::string& key);

void register_trained_classifier(TrainedCatalog& catalog);

}  // namespace hadal
