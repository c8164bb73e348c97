// How good made sounds are: a classifier of sounds listens to them and to real ones.
#pragma once
#include "hadal/tasks/making/sample_judge.h"
#include "hadal/trained/making/speech_maker.h"
#include "hadal/trained/series/classifier.h"

namespace hadal {

class SoundJudge {
 public:
  /// As SampleJudge's, of sounds.
  SoundJudge(const JudgeConfig& config, const TaskContext& context, const std::vector<std::string>& classes,
             bool by_class);
  std::vector<Score> scores() const { return sample_score_names(by_class_, counted_); }

  /// "judged by runs/digits-series, 64 features a1b2c3d4"
  std::string summary() const;
  /// `count` sounds of `maker` beside as many of `split`, and these beside as many for training.
  Metrics score(SpeechMaker& maker, const Sounds& sounds, const std::string& split, int64_t count, uint64_t seed);
  /// Its class of each sound (T) at `rate`, with the probability.
  std::vector<ScoredClass> name(const std::vector<Tensor>& samples, int64_t rate);

 private:
  const SamplesSeen& real(const Sounds& sounds, const std::string& split, int64_t count, int64_t rate);

  JudgeConfig config_;
  bool by_class_ = false, counted_ = true;
  std::unique_ptr<TrainedSoundClassifier> classifier_;
  std::map<std::pair<std::string, int64_t>, SamplesSeen> real_;
};

}  // namespace hadal
