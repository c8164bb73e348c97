// Sounds with one label each, as spectrograms: series of many channels.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "hadal/core/config.h"
#include "hadal/data/more.h"
#include "hadal/data/sound/mel.h"
#include "hadal/io/archive.h"
#include "hadal/io/sound.h"

namespace hadal {

struct SoundsConfig {
  std::string path;
  int64_t length = 64, test = 5, val = 5;
  MelConfig mel;

  static Fields<SoundsConfig> fields();
  void validate() const;
};

/// One sound as a model sees it: its log-mel spectrogram at mean 0 and deviation 1, (bands, frames); all 0 where it is
/// silent. Channels are mixed and other rates brought to the spectrogram's, piece by piece. Throws FileError for what
/// is no sound, is cut short or would be longer than `limits` at the spectrogram's rate.
Tensor sound_features(SoundReader& sound, const MelConfig& config, const SoundLimits& limits = {});
Tensor sound_features(std::span<const std::byte> bytes, std::string_view name, const MelConfig& config);
/// Of samples (T) at the spectrogram's rate.
Tensor sound_features(const Tensor& samples, const MelConfig& config);

/// All of it, channels mixed, at `rate`: (T) float32. Throws FileError as sound_features() does.
Tensor sound_samples(SoundReader& sound, int64_t rate, const SoundLimits& limits = {});
Tensor sound_samples(std::span<const std::byte> bytes, std::string_view name, int64_t rate);

/// Whether a file is named like a sound: wav, flac, ogg.
bool is_sound(const std::string& path);

/// A sound in its tree, with the label and the split (train, val, test) that it belongs to.
struct SoundPlace {
  int64_t file;
  std::string label, split;
};
/// WAV, FLAC and Ogg files called LABEL_..._INDEX.wav: those with an index below `test` are the test split, those below
/// test + val the val split. Throws FileError for a name without label or index.
std::vector<SoundPlace> sounds_by_name(const FileTree& tree, const SoundsConfig& config);

/// What is kept of a sound: its spectrogram (bands, frames), its samples (T).
using Hearing = std::function<Tensor(SoundReader&)>;

/// Sounds, read. Classes are `labels` in their order, of which not all need occur; without them the labels that there
/// are, sorted. Throws FileError where there is no sound, for a label that is not among `labels`, and for a broken
/// sound.
class Sounds {
 public:
  Sounds(const FileTree& tree, const std::vector<SoundPlace>& places, const Hearing& hear,
         const std::vector<std::string>& labels = {});
  Sounds(const FileTree& tree, const std::vector<SoundPlace>& places, const MelConfig& mel,
         const std::vector<std::string>& labels = {})
      : Sounds(tree, places, [&](SoundReader& sound) { return sound_features(sound, mel); }, labels) {}
  Sounds(const FileTree& tree, const SoundsConfig& config, const std::vector<std::string>& labels = {})
      : Sounds(tree, sounds_by_name(tree, config), config.mel, labels) {}

  /// Leaves training as many labelled sounds as `how` says, and gives it those of its folders, seen or heard as `hear`
  /// has it. Throws UsageError and FileError for a class that is none of classes().
  void choose(const MoreData& how, const Hearing& hear);

  int64_t size(const std::string& split) const { return static_cast<int64_t>(of(split).size()); }
  /// What was heard, and the class number.
  std::pair<Tensor, int64_t> get(const std::string& split, int64_t index) const;
  const std::vector<std::string>& classes() const { return classes_; }

 private:
  struct Item {
    Tensor heard;
    int64_t label;
  };
  const std::vector<Item>& of(const std::string& split) const;

  std::vector<std::string> classes_;
  std::vector<Item> train_, val_, test_;
};

}  // namespace hadal
