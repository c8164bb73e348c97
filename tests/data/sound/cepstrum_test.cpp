// Bands, cepstra and phases against librosa.
#include "hadal/data/sound/griffin_lim.h"
#include "hadal/data/sound/mfcc.h"
#include "hadal/data/sound/spec_augment.h"
#include "hadal/io/safetensors.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {

const NamedTensors& reference() {
  static const auto file = read_safetensors(golden("sound_ops.safetensors"));
  return file;
}

}  // namespace

TEST(Mel, HasBothScalesAndNorms) {
  for (const std::string scale : {"slaney", "htk"})
    for (const std::string norm : {"slaney", "none"}) {
      const MelConfig config{
          .rate = 16000, .window = 128, .bands = 12, .low = 100, .high = 7000, .scale = scale, .norm = norm};
      EXPECT_LT(relative_error(mel_filters(config), reference().at("filters/" + scale + "/" + norm)), 1e-5);
    }
}

TEST(Mel, OfMagnitudesHasTorchsGradient) {
  const auto x = reference().at("signal").slice(0, 0, 400).to(torch::kFloat64).requires_grad_();
  const auto mel = mel_spectrogram(x, {.window = 64, .hop = 16}, {.rate = 8000, .bands = 10}, 1);
  EXPECT_LT(relative_error(mel, reference().at("mel/magnitudes")), 1e-6);
  (mel * torch::arange(mel.numel()).view_as(mel).to(torch::kFloat64).cos()).sum().backward();
  EXPECT_LT(relative_error(x.grad(), reference().at("mel/gradient")), 1e-6);
}

TEST(Mel, AStreamGivesTheSame) {
  torch::manual_seed(1);
  for (const auto& config : {MelConfig{}, MelConfig{.window = 64, .hop = 100}, MelConfig{.window = 33, .hop = 7}})
    for (const int64_t length : {1, 16, 17, 128, 129, 130, 256, 1000, 5001}) {
      const auto samples = torch::randn({length});
      LogMelStream stream(config);
      for (int64_t at = 0, size = 1; at < length; at += size, size = size * 3 % 701 + 1)
        stream.push(samples.slice(0, at, at + size));
      const auto got = stream.finish(), wanted = log_mel(samples, config);
      ASSERT_EQ(got.sizes(), wanted.sizes()) << config.window << " " << length;
      EXPECT_LT(relative_error(got, wanted), 1e-5) << config.window << " " << length;
    }
  EXPECT_ERROR(LogMelStream({}).finish(), "[mel] a sound without a sample");
}

TEST(Mfcc, IsLibrosas) {
  const auto signal = reference().at("signal");
  const MelConfig mel{.bands = 20};
  auto htk = mel;
  htk.scale = "htk", htk.norm = "none";
  for (const auto& [name, config] :
       std::vector<std::pair<std::string, MfccConfig>>{{"plain", {.mel = mel, .coefficients = 13}},
                                                       {"liftered", {.mel = mel, .coefficients = 13, .lifter = 22}},
                                                       {"htk", {.mel = htk, .coefficients = 13}}})
    EXPECT_LT(relative_error(mfcc(signal, config), reference().at("mfcc/" + name)), 1e-5) << name;
  EXPECT_EQ(mfcc(torch::stack({signal, signal}), {.mel = mel}).sizes(), (std::vector<int64_t>{2, 20, 19}));
  EXPECT_ERROR(mfcc(signal, {.mel = mel, .coefficients = 21}),
               "[mfcc] coefficients (21) must be at most the bands (20)");
}

TEST(GriffinLim, IsLibrosas) {
  const StftShape shape{.window = 64, .hop = 16, .ends = StftShape::Ends::zeros};
  const auto magnitude = reference().at("griffin_lim/magnitude"), phases = reference().at("griffin_lim/phases");
  for (const auto momentum : {0.0, 0.99}) {
    const auto sound = griffin_lim(magnitude, shape, {.iterations = 8, .momentum = momentum}, -1, phases);
    EXPECT_LT(relative_error(sound, reference().at(fmt::format("griffin_lim/{:g}", momentum))), 1e-4) << momentum;
  }
}

TEST(GriffinLim, FindsPhasesThatAgree) {
  const auto signal = reference().at("signal");
  const StftShape shape{.window = 128, .hop = 32};
  const auto magnitude = stft_magnitude(signal, shape);
  const auto off = [&](const GriffinLim& how) {
    return relative_error(stft_magnitude(griffin_lim(magnitude, shape, how, 1500), shape), magnitude);
  };
  EXPECT_LT(off({.iterations = 60}), 0.5 * off({.iterations = 0}));
  EXPECT_TRUE(torch::equal(griffin_lim(magnitude, shape, {.seed = 3}), griffin_lim(magnitude, shape, {.seed = 3})));
  EXPECT_FALSE(torch::equal(griffin_lim(magnitude, shape, {.seed = 3}), griffin_lim(magnitude, shape, {.seed = 4})));
  EXPECT_ERROR(griffin_lim(magnitude.slice(0, 1), shape), "[griffin_lim] wants (65, any), got (64, 47)");
}

TEST(GriffinLim, BringsASoundNearerToItsBands) {
  MelConfig mel;
  mel.floor = 1e-5, mel.power = 1;
  torch::manual_seed(3);
  const auto time = torch::arange(4000) / 8000.0;
  const auto real = (0.4 * torch::sin(2 * std::numbers::pi * 300 * time * (1 + time)) + 0.01 * torch::randn({4000}))
                        .to(torch::kFloat32);
  const auto heard = log_mel(real, mel);
  const auto rough = 0.5 * real + 0.02 * torch::randn({4000});
  const auto off = [&](const Tensor& sound) { return (log_mel(sound, mel) - heard).abs().mean().item<double>(); };
  const auto refined = nearer_to_log_mel(rough, heard, mel, 16);
  ASSERT_EQ(refined.sizes(), real.sizes());
  EXPECT_LT(off(refined), 0.3 * off(rough));
  EXPECT_LT(off(nearer_to_log_mel(rough, heard, mel, 4)), off(rough));
  EXPECT_TRUE(nearer_to_log_mel(rough, heard, mel, 0).equal(rough));
  EXPECT_LT(off(nearer_to_log_mel(real, heard, mel, 16)), 0.02) << "what is right stays";
  EXPECT_ERROR(nearer_to_log_mel(rough, heard.slice(1, 1), mel, 1), "nearer_to_log_mel");
}

TEST(GriffinLim, TurnsABandsSpectrogramIntoSound) {
  const auto signal = reference().at("signal");
  const MelConfig config{.window = 128, .hop = 32, .bands = 24};
  const auto mel = log_mel(signal, config);
  const auto sound = sound_of_log_mel(mel, config, {.iterations = 60}, 1500);
  EXPECT_EQ(sound.size(0), 1500);
  const auto heard = (log_mel(sound, config) - mel).slice(1, 2, -2).abs().mean().item<double>();
  EXPECT_LT(heard, 0.6);  // nepers of energy; noise of the same loudness is off by more than 1
  EXPECT_GT((log_mel(torch::randn({1500}) * signal.std(), config) - mel).abs().mean().item<double>(), 1);
  const auto silence = sound_of_log_mel(log_mel(torch::zeros({1500}), config), config);
  EXPECT_LT(silence.abs().max().item<double>(), 1e-6);
}

TEST(SpecAugment, MasksWhatItSays) {
  Random random(1), again(1), other(2);
  const SpecAugment how{.bands = 3, .steps = 20, .masks = 2, .share = 0.1, .value = 7};
  for (int i = 0; i < 50; ++i) {
    auto x = torch::zeros({16, 50}), same = x.clone(), b = x.clone();
    spec_augment(x, how, random), spec_augment(same, how, again), spec_augment(b, how, other);
    EXPECT_TRUE(torch::equal(x, same));
    const auto masked = x.eq(7);
    const auto steps = masked.all(0).sum().item<int64_t>(), bands = masked.all(1).sum().item<int64_t>();
    EXPECT_LE(steps, 10);  // two masks of a tenth each
    EXPECT_LE(bands, 6);
    EXPECT_EQ(masked.sum().item<int64_t>(), 16 * steps + 50 * bands - steps * bands);
  }
  EXPECT_NE(random.bits(), other.bits());
  auto x = torch::zeros({4, 5});
  EXPECT_ERROR(spec_augment(x, {.share = 2}, random), "share (2) from 0 to 1");
}
