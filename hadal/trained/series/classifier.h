// A trained classifier of sounds, which it sees as spectrograms.
#pragma once
#include "hadal/data/sound/sources.h"
#include "hadal/models/forecast/series_classifier.h"
#include "hadal/trained/classes.h"
#include "hadal/trained/open.h"

namespace hadal {

struct SoundClassifierConfig {
  Part model{"series_classifier", {}}, data{"sounds", {}};
  std::vector<std::string> names;  // of the classes for people; those of the labels without them
  ClassifyOptions predict;

  static Fields<SoundClassifierConfig> fields();
};

class TrainedSoundClassifier : public Trained {
 public:
  /// Of `data` only how a sound is heard counts here: its spectrogram and length. Throws UsageError where nobody says
  /// which classes there are.
  TrainedSoundClassifier(SoundClassifierConfig config, const Table& learned, const Use& use);

  SeriesClassifierImpl& model() override { return *model_; }
  Takes takes() const override { return Takes::sound; }
  std::string summary() const override;
  int64_t at_once() const override { return use_.batch; }
  /// {"input", "top": [{"class", "score"}]}
  std::vector<Answer> predict(std::span<const Input> inputs, const Table& options = {}) override;

  struct Seen {
    Tensor features, logits;  // (N, dim), (N, classes) float32
  };
  /// Of sounds (T) at `rate`.
  Seen look(const std::vector<Tensor>& samples, int64_t rate);

  const SoundClassifierConfig& config() const { return config_; }

 private:
  SoundClassifierConfig config_;
  Use use_;
  SoundsSource hearing_;
  SeriesClassifier model_{nullptr};
};

std::unique_ptr<TrainedSoundClassifier> load_sound_classifier(const std::filesystem::path& what,
                                                              const UseOptions& options = {});

void register_trained_series_classifier(TrainedCatalog& catalog);

}  // namespace hadal
