#include "hadal/data/sound/sound_folder.h"
#include "hadal/io/file.h"
#include "hadal/io/sound.h"
#include "hadal/ops/resample.h"

#include "tests/data/sound/sounds_drawn.h"
#include "tests/io/hostile.h"

using namespace hadal;
using namespace hadal::test;

namespace {

std::span<const std::byte> bytes(const std::string& text) { return std::as_bytes(std::span(text.data(), text.size())); }

}  // namespace

TEST(Sounds, AreSplitByTheirIndex) {
  const TemporaryFolder folder;
  for (const auto* label : {"high", "low"})
    for (int64_t i = 0; i < 6; ++i)
      write_file(folder / fmt::format("{}_anna_{}.wav", label, i), tone(*label == 'h' ? 1.5 : 0.2));
  const Sounds sounds(FileTree(folder.path()), {.path = "x", .test = 2, .val = 1});
  EXPECT_EQ(sounds.classes(), (std::vector<std::string>{"high", "low"}));
  EXPECT_EQ(sounds.size("train"), 6);
  EXPECT_EQ(sounds.size("val"), 2);
  EXPECT_EQ(sounds.size("test"), 4);
  EXPECT_EQ(sounds.size("Test"), 0);
  const auto [features, label] = sounds.get("test", 2);
  EXPECT_EQ(label, 1);
  EXPECT_EQ(features.sizes(), (std::vector<int64_t>{40, 26}));
  EXPECT_NEAR(features.mean().item<double>(), 0, 1e-5);
  EXPECT_LT(features.argmax(0)[13].item<int64_t>(), sounds.get("test", 0).first.argmax(0)[13].item<int64_t>());
}

TEST(Sounds, LabelsAreLookedUpByName) {
  const TemporaryFolder folder;
  for (int64_t i = 0; i < 2; ++i) write_file(folder / fmt::format("low_anna_{}.wav", i), tone(0.2));
  const Sounds sounds(FileTree(folder.path()), {.path = "x", .test = 1, .val = 0}, {"high", "low", "mid"});
  EXPECT_EQ(sounds.classes(), (std::vector<std::string>{"high", "low", "mid"}));  // not all need occur
  EXPECT_EQ(sounds.get("test", 0).second, 1);
  EXPECT_ERROR(Sounds(FileTree(folder.path()), {}, {"high", "mid"}),
               "the label \"low\" is none of the model's: high, mid");
}

TEST(Sounds, SayWhatIsWrong) {
  const TemporaryFolder folder;
  EXPECT_ERROR(Sounds(FileTree(folder.path()), {}), "holds no sound (wav, flac, ogg)");
  write_file(folder / "seven.wav", tone(1));
  EXPECT_ERROR(Sounds(FileTree(folder.path()), {}), "seven.wav: a sound's name must be LABEL_..._INDEX");
}

TEST(Sounds, OfAnyRateAndChannelsAreHeardAlike) {
  torch::manual_seed(1);
  const auto sound = resample(0.1 * torch::randn({6000}), 4000, 8000);  // nothing above 2 kHz
  const auto features = [](const Tensor& samples, int64_t rate) {
    const auto file = encode_wav(samples, rate, WavSamples::float32);
    return sound_features(bytes(file), "s.wav", {.high = 1500});
  };
  const auto wanted = features(sound, 8000);
  for (const int64_t rate : {11025, 16000, 44100, 4000}) {
    const auto got = features(resample(sound, 8000, rate), rate);
    ASSERT_NEAR(got.size(1), wanted.size(1), 1) << rate;
    const auto most = std::min(got.size(1), wanted.size(1)) - 3;
    EXPECT_LT((got.slice(1, 3, most) - wanted.slice(1, 3, most)).abs().mean().item<double>(), 0.05) << rate;
  }
  const auto stereo = torch::stack({1.5 * sound, 0.5 * sound});
  EXPECT_LT(relative_error(features(stereo, 8000), wanted), 1e-4);
}

TEST(Sounds, SilenceAndShreds) {
  const auto silent = wav(std::vector<int16_t>(3000, 0)), shred = wav({900});
  EXPECT_TRUE(torch::equal(sound_features(bytes(silent), "s.wav", {}), torch::zeros({40, 38})));
  const auto features = sound_features(bytes(shred), "s.wav", {});
  EXPECT_EQ(features.sizes(), (std::vector<int64_t>{40, 1}));
  EXPECT_TRUE(features.isfinite().all().item<bool>());
  const auto loud = wav(std::vector<int16_t>(3000, 32767));
  EXPECT_TRUE(sound_features(bytes(loud), "s.wav", {}).isfinite().all().item<bool>());
}

TEST(Sounds, ALongOneIsNotHeld) {
  torch::manual_seed(2);
  const TemporaryFolder folder;
  const auto samples = (0.1 * torch::randn({2, 700000})).clamp(-1, 1);
  write_file(folder / "long.wav", encode_wav(samples, 16000));
  SoundReader reader(folder / "long.wav");
  EXPECT_EQ(reader.length(), 700000);
  const auto features = sound_features(reader, {});
  auto mel =
      log_mel(resample(decode_sound(bytes(read_file(folder / "long.wav")), "l").samples.mean(0), 16000, 8000), {});
  EXPECT_LT(relative_error(features, (mel - mel.mean()) / mel.std(false)), 1e-4);
  reader.seek(0);
  EXPECT_ERROR(sound_features(reader, {}, {.max_samples = 349999}),
               "long.wav: more than 349999 samples at 8000 a second");
}

TEST(Sounds, InClassFolders) {
  const TemporaryFolder folder;
  for (const auto* label : {"high", "low"})
    for (int64_t i = 0; i < 20; ++i)
      write_file(folder / fmt::format("all/{}/clips/{}.WAV", label, i),
                 tone(*label == 'h' ? 1.5 : 0.2, 1000 + 100 * i));
  const FileTree tree(folder.path());
  const SoundFolderConfig config{.path = "x", .val = 0.1, .test = 0.25};
  const auto places = sounds_in_folders(tree, config);
  const Sounds sounds(tree, places, config.mel);
  EXPECT_EQ(sounds.classes(), (std::vector<std::string>{"high", "low"}));
  EXPECT_EQ(sounds.size("train"), 26);
  EXPECT_EQ(sounds.size("val"), 4);
  EXPECT_EQ(sounds.size("test"), 10);
  int64_t lows = 0;
  for (int64_t i = 0; i < 10; ++i) lows += sounds.get("test", i).second;
  EXPECT_EQ(lows, 5);
  const auto again = sounds_in_folders(tree, config);
  for (size_t i = 0; i < places.size(); ++i) EXPECT_EQ(places[i].split, again[i].split);
  // Folders that say the split.
  const TemporaryFolder divided;
  for (const auto* path : {"Train/a/1.wav", "Train/b/1.wav", "validation/a/2.wav", "testing/b/deep/3.wav"})
    write_file(divided / path, tone(1));
  const FileTree splits(divided.path());
  const Sounds three(splits, sounds_in_folders(splits, config), config.mel);
  EXPECT_EQ(three.classes(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(three.size("train"), 2);
  EXPECT_EQ(three.get("val", 0).second, 0);
  EXPECT_EQ(three.get("test", 0).second, 1);
  // Classes that are called like splits.
  const TemporaryFolder named;
  for (const auto* path : {"train/1.wav", "car/1.wav"}) write_file(named / path, tone(1));
  EXPECT_EQ(sounds_in_folders(FileTree(named.path()), config)[1].label, "train");
  write_file(named / "loose.wav", tone(1));
  EXPECT_ERROR(sounds_in_folders(FileTree(named.path()), config), "loose.wav: lies in no class folder");
  EXPECT_ERROR(validate_config(SoundFolderConfig{.val = 0.5, .test = 0.5}), "leave nothing to train on");
}
