// A trained vocoder: a spectrogram becomes a sound again.
#pragma once
#include "hadal/data/sound/sources.h"
#include "hadal/models/audio/vocoder_judges.h"
#include "hadal/models/audio/vocos.h"
#include "hadal/trained/open.h"

namespace hadal {

struct VocoderOptions {
  bool griffin_lim = false;
  int64_t refine = 16;
  static Fields<VocoderOptions> fields();
};

struct VocoderConfig {
  Part model{"vocos-8khz", {}}, data{"sounds", {}};
  VocoderOptions predict;

  static Fields<VocoderConfig> fields();
};

/// The net as child `vocoder`, and where it learns its discriminators as child `judges`.
struct VocoderNets : Model {
  VocoderNets(std::shared_ptr<VocosImpl> makes, const VocoderJudgesConfig* tells);
  /// Published weights are the vocoder's alone, under their own names.
  TensorsByName own_names(const TensorsByName& weights) const override;
  std::vector<std::string> heads() const override { return {"judges"}; }

  std::shared_ptr<VocosImpl> vocoder;
  std::shared_ptr<VocoderJudgesImpl> judges;
};

class TrainedVocoder : public Trained {
 public:
  /// Of `data` only how a sound is heard counts here: its spectrogram, which sets the net's bands, window and hop.
  /// Throws UsageError where the net's are others. Nobody but training has `judges`.
  TrainedVocoder(VocoderConfig config, const Use& use, const VocoderJudgesConfig* judges = nullptr);

  VocoderNets& model() override { return *model_; }
  Takes takes() const override { return Takes::sound; }
  std::string summary() const override;
  /// {"input", "rate", "seconds"} and the sound as a WAV file.
  std::vector<Answer> predict(std::span<const Input> inputs, const Table& options = {}) override;

  /// The log-mel spectrogram of samples (T), with so much silence behind them that sound() gives them all back.
  Tensor heard(const Tensor& samples) const;
  /// log_mel()'s (bands, frames), at least 2 frames -> samples ((frames - 1) * hop) on the CPU; piece by piece, so that
  /// length costs nothing else.
  Tensor sound(const Tensor& mel) { return sound(mel, config_.predict.refine); }
  Tensor sound(const Tensor& mel, int64_t refine);
  /// Both: samples (T) through the vocoder, as many.
  Tensor operator()(const Tensor& samples) { return sound(heard(samples)).slice(0, 0, samples.size(0)); }

  const MelConfig& mel() const { return mel_; }
  const VocoderConfig& config() const { return config_; }

 private:
  VocoderConfig config_;
  Use use_;
  MelConfig mel_;
  std::shared_ptr<VocoderNets> model_;
};

/// What the vocoder is compared with: the same spectrogram through Griffin & Lim's steps, the first `length` samples.
Tensor sound_without_vocoder(const Tensor& mel, const MelConfig& config, int64_t length);

std::unique_ptr<TrainedVocoder> load_vocoder(const std::filesystem::path& what, const UseOptions& options = {});

void register_trained_vocoder(TrainedCatalog& catalog);

}  // namespace hadal
