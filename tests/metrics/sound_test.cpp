#include "hadal/metrics/sound.h"

#include "hadal/io/safetensors.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

TEST(SoundDistance, IsTheFormulaOverLibrosasSpectra) {
  const auto file = read_safetensors(golden("sound_ops.safetensors"));
  const auto real = file.at("signal"), made = real.flip(0) * 0.8;
  const auto wanted = file.at("distances");
  EXPECT_NEAR(stft_distance(made, real, 8000), wanted[0].item<double>(), 1e-5);
  EXPECT_NEAR(mel_distance(made, real, {}), wanted[1].item<double>(), 1e-5);
  SoundDistance both({});
  EXPECT_TRUE(both.metrics().empty());
  both.add(made, real), both.add(real, real);
  EXPECT_EQ(both.metrics()[0].first, "stft_distance");
  EXPECT_NEAR(both.metrics()[0].second, wanted[0].item<double>() / 2, 1e-5);
  EXPECT_EQ(both.metrics()[1].first, "mel_distance");
  EXPECT_NEAR(both.metrics()[1].second, wanted[1].item<double>() / 2, 1e-5);
}

TEST(SoundDistance, ComparesWhatBothHave) {
  torch::manual_seed(1);
  const auto sound = torch::randn({2000});
  EXPECT_EQ(stft_distance(sound.slice(0, 0, 1900), sound, 8000), 0);
  EXPECT_ERROR(stft_distance(sound.slice(0, 0, 1700), sound, 8000),
               "[stft_distance] recordings of 1700 and 2000 samples are not the same sound");
  EXPECT_ERROR(mel_distance(torch::empty({0}), torch::empty({0}), {}), "[mel_distance] recordings of 0 and 0 samples");
  EXPECT_ERROR(mel_distance(torch::ones({1, 9}), torch::ones({9}), {}), "[mel_distance] wants (any), got (1, 9)");
  const auto silence = torch::zeros({2000});
  EXPECT_TRUE(std::isfinite(stft_distance(silence, sound, 8000)));
  EXPECT_TRUE(std::isfinite(stft_distance(sound, silence, 8000)));
  EXPECT_EQ(mel_distance(silence, silence, {}), 0);
}
