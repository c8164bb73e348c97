// A trained model that makes sounds: noise becomes a spectrogram, or a sound itself, step by step.
#pragma once
#include <optional>

#include "hadal/trained/making/diffusion_maker.h"
#include "hadal/trained/making/sound_nets.h"
#include "hadal/trained/making/vocoder.h"

namespace hadal {

struct SpeechOptions : MakeOptions {
  SamplerConfig how;

  static Fields<SpeechOptions> fields();
  void validate() const;
};

struct SpeechMakerConfig {
  Part model{"unet", {}}, process{"flow", {}}, data{"sounds", {}};
  std::string vocoder;
  SpeechOptions generate;

  static Fields<SpeechMakerConfig> fields();
};

/// What the data taught of loudness: the logarithms that become -1 and 1.
struct SpeechRange {
  double low = 0, high = 0;

  static Fields<SpeechRange> fields();
  /// From a [learned]; the entries of others are left alone.
  static SpeechRange from(const Table& learned);
};

class SpeechMaker : public Maker {
 public:
  /// Of `data` only how a sound is heard counts here: its spectrogram, and the frames that a sample has. `learned` is
  /// LearnedClasses and SpeechRange. Throws UsageError for a vocoder that hears another spectrogram.
  SpeechMaker(SpeechMakerConfig config, const Table& learned, const Use& use);

  Diffuser& model() override { return *model_; }
  std::string summary() const override;
  Making making(const Table& options = {}) override;
  std::vector<int64_t> noise_shape() const override;
  const std::vector<std::string>& names() const override { return names_; }
  /// Spectrograms, low bands below; of samples the spectrogram that they have.
  Tensor as_pictures(const Tensor& raw) const override;
  /// The sound as a WAV file.
  std::vector<Attachment> files_of(const Tensor& raw, const std::string& stem) override;

  /// Samples (T) as the net makes them, (1, H, W): shorter ones have silence behind them, of longer ones the middle
  /// counts.
  Tensor seen(const Tensor& samples) const;
  /// The sound of what the net made, (T), without the silence behind it.
  Tensor sound(const Tensor& raw);

  const SpeechMakerConfig& config() const { return config_; }
  const Process& process() const { return *process_; }
  const MelConfig& mel() const { return hearing_.mel; }
  int64_t samples_each() const { return hearing_.length * hearing_.mel.hop; }

 private:
  Tensor logarithms(const Tensor& raw) const;

  SpeechMakerConfig config_;
  SoundsSource hearing_;
  SpeechRange range_;
  bool waves_ = false;
  std::shared_ptr<Diffuser> model_;
  std::shared_ptr<const Process> process_;
  std::vector<std::string> names_;
  std::unique_ptr<TrainedVocoder> vocoder_;
};

void register_speech_maker(TrainedCatalog& catalog);

}  // namespace hadal
