// How good samples are: a classifier of the same kind of data looks at them and at real ones.
#pragma once
#include "hadal/tasks/making/picture_set.h"
#include "hadal/tasks/making/sample_scores.h"
#include "hadal/trained/making/picture_maker.h"
#include "hadal/trained/vision/classifier.h"

namespace hadal {

struct JudgeConfig {
  std::string weights;
  int64_t samples = 10'000, quick = 2'000;
  double confidence = 0.9;

  static Fields<JudgeConfig> fields();
};

class SampleJudge {
 public:
  /// Of samples of these classes, which with `by_class` are asked for. Throws UsageError where `weights` are not there
  /// or no classifier's, and for a class that is asked for and the judge does not know.
  SampleJudge(const JudgeConfig& config, const TaskContext& context, int64_t channels,
              const std::vector<std::string>& classes, bool by_class);

  /// What score() gives: nothing of shares of classes where the judge's are others than the data's.
  std::vector<Score> scores() const { return sample_score_names(by_class_, counted_); }
  /// "judged by runs/mnist-cnn, 128 features a1b2c3d4"
  std::string summary() const;
  /// `count` samples of `maker` beside as many pictures of `split`, and these beside as many of the training split:
  /// what a perfect generator would get.
  Metrics score(PictureMaker& maker, PictureSet& set, const std::string& split, int64_t count, uint64_t seed);

  /// pictures (N, H, W, C) uint8
  SamplesSeen look(const Tensor& pictures);

 private:
  SamplesSeen look_at(const std::vector<Tensor>& images);
  const SamplesSeen& real(PictureMaker& maker, PictureSet& set, const std::string& split, int64_t count);

  JudgeConfig config_;
  std::unique_ptr<TrainedClassifier> classifier_;
  std::vector<std::string> names_;  // of the classes it tells apart
  bool by_class_ = false, counted_ = true;
  bool stacked_ = false;  // a picture's channels are digits of one number: each is looked at alone
  std::map<std::pair<std::string, int64_t>, SamplesSeen> real_;
};

/// FNV-1a over weights, by which features can be told from others: eight hexadecimal digits.
std::string weights_hash(const nn::Module& module);

}  // namespace hadal
