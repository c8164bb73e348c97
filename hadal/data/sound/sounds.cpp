#include "hadal/data/sound/sounds.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>

#include "hadal/core/parallel.h"
#include "hadal/ops/resample.h"

namespace hadal {
namespace {

/// LABEL and INDEX of "7_theo_12.wav".
std::pair<std::string, int64_t> parts_of(const std::string& path, const std::string& name) {
  const auto stem = std::filesystem::path(path).stem().string();
  const auto first = stem.find('_'), last = stem.rfind('_');
  int64_t index = -1;
  if (first != std::string::npos && first > 0) {
    const auto* begin = stem.data() + last + 1;
    const auto [end, error] = std::from_chars(begin, stem.data() + stem.size(), index);
    if (error != std::errc() || end != stem.data() + stem.size()) index = -1;
  }
  if (index < 0)
    throw FileError(
        name,
        "a sound's name must be LABEL_..._INDEX, such as 7_theo_12.wav; class folders are data.kind=sound_folder");
  return {stem.substr(0, first), index};
}

Tensor centred(const Tensor& mel) { return (mel - mel.mean()) / mel.std(false).clamp_min(1e-5); }

}  // namespace

Fields<SoundsConfig> SoundsConfig::fields() {
  using C = SoundsConfig;
  return {{"path", &C::path, "folder or archive of LABEL_..._INDEX.wav; $DATA is HADAL_DATA", file_path()},
          {"length", &C::length, "steps of the spectrogram that the model sees; shorter ones are padded", at_least(1)},
          {"test", &C::test, "indices below it are the test split", at_least(0)},
          {"val", &C::val, "as many indices behind those of the test split are the val split", at_least(0)},
          {"mel", &C::mel, "the spectrogram"}};
}

void SoundsConfig::validate() const { mel.validate(); }

bool is_sound(const std::string& path) {
  auto ending = std::filesystem::path(path).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return ending == ".wav" || ending == ".flac" || ending == ".ogg";
}

namespace {

/// The sound piece by piece, channels mixed, at `rate`: `take` gets samples (n).
void each_piece(SoundReader& sound, int64_t rate, const SoundLimits& limits,
                const std::function<void(const Tensor&)>& take) {
  // So long a piece that what becomes of it is small too.
  const auto size = std::max<int64_t>(1, (1 << 18) / std::max<int64_t>(1, rate / sound.rate()));
  Resampler resampler(sound.rate(), rate);
  const bool another = sound.rate() != rate;
  for (int64_t taken = 0;;) {
    const auto piece = sound.read(size);
    if (piece.size(1) == 0) {
      if (taken == 0) throw FileError(sound.name(), "a sound without a sample");
      break;
    }
    taken += piece.size(1);
    if (resampled_length(taken, sound.rate(), rate) > limits.max_samples)
      throw FileError(sound.name(), fmt::format("more than {} samples at {} a second", limits.max_samples, rate));
    const auto mono = piece.mean(0);
    take(another ? resampler.push(mono.unsqueeze(0))[0] : mono);
  }
  if (another) take(resampler.finish()[0]);
}

}  // namespace

Tensor sound_features(SoundReader& sound, const MelConfig& config, const SoundLimits& limits) {
  const torch::NoGradGuard no_grad;
  LogMelStream stream(config);
  each_piece(sound, config.rate, limits, [&](const Tensor& piece) { stream.push(piece); });
  return centred(stream.finish());
}

Tensor sound_features(std::span<const std::byte> bytes, std::string_view name, const MelConfig& config) {
  SoundReader sound(bytes, name);
  return sound_features(sound, config);
}

Tensor sound_features(const Tensor& samples, const MelConfig& config) {
  const torch::NoGradGuard no_grad;
  return centred(log_mel(samples, config));
}

Tensor sound_samples(SoundReader& sound, int64_t rate, const SoundLimits& limits) {
  const torch::NoGradGuard no_grad;
  std::vector<Tensor> pieces;
  each_piece(sound, rate, limits, [&](const Tensor& piece) { pieces.push_back(piece); });
  return torch::cat(pieces);
}

Tensor sound_samples(std::span<const std::byte> bytes, std::string_view name, int64_t rate) {
  SoundReader sound(bytes, name);
  return sound_samples(sound, rate);
}

std::vector<SoundPlace> sounds_by_name(const FileTree& tree, const SoundsConfig& config) {
  std::vector<SoundPlace> found;
  for (int64_t i = 0; i < tree.size(); ++i) {
    if (!is_sound(tree.path(i))) continue;
    const auto [label, index] = parts_of(tree.path(i), tree.name(i));
    found.push_back({i, label, index < config.test ? "test" : index < config.test + config.val ? "val" : "train"});
  }
  return found;
}

Sounds::Sounds(const FileTree& tree, const std::vector<SoundPlace>& places, const Hearing& hear,
               const std::vector<std::string>& labels)
    : classes_(labels) {
  std::set<std::string> there;
  for (const auto& [file, label, split] : places) {
    if (!labels.empty() && std::find(labels.begin(), labels.end(), label) == labels.end())
      throw FileError(tree.name(file),
                      fmt::format("the label \"{}\" is none of the model's: {}", label, fmt::join(labels, ", ")));
    there.insert(label);
  }
  if (places.empty()) throw FileError(tree.root(), "holds no sound (wav, flac, ogg)");
  if (classes_.empty()) classes_.assign(there.begin(), there.end());
  std::vector<Item> items(places.size());
  parallel_for(0, static_cast<int64_t>(places.size()), 16, [&](int64_t first, int64_t last) {
    for (auto i = first; i < last; ++i) {
      const auto& [file, label, split] = places[static_cast<size_t>(i)];
      const auto bytes = tree.read(file);
      SoundReader sound(std::as_bytes(std::span(bytes.data(), bytes.size())), tree.name(file));
      items[static_cast<size_t>(i)] = {hear(sound),
                                       std::find(classes_.begin(), classes_.end(), label) - classes_.begin()};
    }
  });
  for (size_t i = 0; i < places.size(); ++i) {
    const auto& split = places[i].split;
    (split == "test" ? test_ : split == "val" ? val_ : train_).push_back(std::move(items[i]));
  }
}

const std::vector<Sounds::Item>& Sounds::of(const std::string& split) const {
  static const std::vector<Item> none;
  return split == "train" ? train_ : split == "val" ? val_ : split == "test" ? test_ : none;
}

std::pair<Tensor, int64_t> Sounds::get(const std::string& split, int64_t index) const {
  const auto& item = of(split).at(static_cast<size_t>(index));
  return {item.heard, item.label};
}

}  // namespace hadal
