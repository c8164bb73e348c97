// Vocos, its discriminators and the losses against plain PyTorch; and what a vocoder must bear.
#include <torch/optim/adam.h>

#include "hadal/models/audio/spectral_losses.h"
#include "hadal/models/audio/vocoder_judges.h"
#include "hadal/models/audio/vocos.h"

#include "tests/models/generative/golden.h"

using namespace hadal;
using namespace hadal::test;

namespace {

constexpr auto kVocoderDouble = torch::kFloat64;
constexpr double kVocoderExact = 1e-9;

const GoldenFile& reference() {
  static const GoldenFile file("vocoder");
  return file;
}

void same(const Tensor& ours, const std::string& key, double tolerance = kVocoderExact) {
  EXPECT_LT(relative_error(ours, reference()[key]), tolerance) << key;
}

void expect_names(const nn::Module& module, const Json& names) {
  std::vector<std::string> ours;
  for (const auto& item : module.named_parameters()) ours.push_back(item.key());
  auto theirs = names.get<std::vector<std::string>>();
  std::sort(ours.begin(), ours.end()), std::sort(theirs.begin(), theirs.end());
  EXPECT_EQ(ours, theirs);
}

const VocosConfig kSmall{.bands = 6, .dim = 12, .mlp = 20, .depth = 2, .window = 32, .hop = 10};

}  // namespace

TEST(Vocos, IsTheReference) {
  for (const std::string ends : {"center", "same"}) {
    const auto about = reference().about("vocos/" + ends);
    auto config = kSmall;
    config.ends = ends, config.hop = about["hop"];
    Vocos model(config);
    expect_names(*model, about["weights"]);
    fill_from_hash(*model);
    model->to(kVocoderDouble);
    {
      const torch::NoGradGuard no_grad;
      model->named_parameters()["head.out.weight"].mul_(3);
    }
    const auto mel = noise("mel", {3, 6, 9}, kVocoderDouble).requires_grad_();
    const auto sound = model->forward(mel);
    same(sound, "vocos/" + ends);
    EXPECT_GT(model->spectrum(mel).abs().max().item<double>(), 99.999);  // the clip has its place in this
    (sound * uniform("probe", sound.sizes())).sum().backward();
    reference().expect_gradients("vocos/" + ends + "/gradients", *model, {{"mel", mel}}, kVocoderExact);
  }
}

TEST(Vocos, AsManySamplesAsTheFramesTell) {
  torch::manual_seed(1);
  Vocos model(vocoders().make({"vocos-8khz", {{"dim", 16}, {"mlp", 16}, {"depth", 1}, {"skip", true}}}));
  const auto sound = model->forward(torch::randn({2, 40, 11}));
  EXPECT_EQ(sound.sizes(), (std::vector<int64_t>{2, 800}));
  EXPECT_TRUE(model->forward(torch::full({1, 40, 3}, 1e4)).isfinite().all().item<bool>());
  // What a frame's loudness adds goes straight to its magnitudes, whatever the norms make of it.
  const torch::NoGradGuard no_grad;
  const auto quiet = torch::rand({1, 40, 5}) - 8;
  const auto before = model->spectrum(quiet).abs();
  for (auto& item : model->named_parameters())
    if (item.key() == "head.skip.bias") item.value().fill_(2);
  EXPECT_TRUE(torch::allclose(model->spectrum(quiet).abs(), std::exp(2.0) * before, 1e-4));
  EXPECT_ERROR(model->forward(torch::zeros({1, 40, 1})), "[vocos] wants 2 frames at least, got 1");
  EXPECT_ERROR(model->forward(torch::zeros({1, 80, 3})), "[vocos] wants (any, 40, any), got (1, 80, 3)");
  EXPECT_ERROR(Vocos(VocosConfig{.window = 64, .hop = 33}), "[vocos] hop (33) must be at most half the window (64)");
  EXPECT_ERROR(Vocos(VocosConfig{.window = 64, .hop = 15, .ends = "same"}), "\"same\" wants a hop (15)");
  EXPECT_ERROR(Vocos(VocosConfig{.depth = 0}), "vocos.depth wants an integer of at least 1, got 0");
}

TEST(Vocos, TakesAPublishedCheckpointsOwnWeightsAlone) {
  const Vocos model(kSmall);
  const auto one = torch::zeros({1});
  const auto names = model->own_names({{"feature_extractor.mel_spec.mel_scale.fb", one},
                                       {"backbone.embed.weight", one},
                                       {"head.istft.window", one},
                                       {"multiresddisc.discriminators.0.conv_post.bias", one},
                                       {"strange", one}});
  ASSERT_EQ(names.size(), 2u);
  EXPECT_EQ(names[0].first, "backbone.embed.weight");
  EXPECT_EQ(names[1].first, "strange");
}

TEST(VocoderJudges, AreTheReference) {
  VocoderJudges model(VocoderJudgesConfig{{2, 3}, {64, 32}, 2, 3});
  expect_names(*model, reference().about("judges"));
  fill_from_hash(*model);
  model->to(kVocoderDouble);
  const auto real = noise("real", {2, 401}, kVocoderDouble) * 0.3;
  const auto made = (noise("made", {2, 401}, kVocoderDouble) * 0.3).requires_grad_();
  const auto one = model->forward(real), other = model->forward(made);
  ASSERT_EQ(other.logits.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    same(other.logits[i], fmt::format("judges/logits{}", i));
    std::vector<Tensor> norms;
    for (const auto& feature : other.features[i]) norms.push_back(feature.norm());
    same(torch::stack(norms), fmt::format("judges/features{}", i));
  }
  same(judges_loss(GanLoss::hinge, one, other), "judges/loss");
  const auto adversarial = vocoder_loss(GanLoss::hinge, other, one), matching = feature_matching_loss(one, other);
  same(adversarial, "judges/adversarial");
  same(matching, "judges/matching");
  (adversarial + 2 * matching).backward();
  reference().expect_gradients("judges/gradients", *model, {{"made", made}}, kVocoderExact);
}

TEST(VocoderJudges, SayWhatIsWrong) {
  VocoderJudges model(VocoderJudgesConfig{{2}, {64}, 1, 1});
  EXPECT_ERROR(model->forward(torch::zeros({2, 32})), "a sound of 32 samples is too short for a window of 64");
  EXPECT_ERROR(VocoderJudges(VocoderJudgesConfig{{}, {}}), "nobody judges");
  const auto judged = model->forward(torch::randn({2, 100}));
  EXPECT_ERROR(feature_matching_loss(judged, {}), "2 nets judged the one sound and 0 the other");
}

TEST(SpectralLosses, AreTheReference) {
  const auto real = noise("real", {2, 900}, kVocoderDouble) * 0.2;
  const auto made = (noise("made", {2, 900}, kVocoderDouble) * 0.2).requires_grad_();
  const std::vector<StftShape> resolutions = {
      {.window = 100, .hop = 16, .fft = 128}, {.window = 256, .hop = 40}, {.window = 50, .hop = 10, .fft = 64}};
  const auto loss = stft_loss(made, real, resolutions);
  const auto bands = mel_loss(made, real, {.window = 128, .hop = 32}, {.rate = 8000, .bands = 10});
  same(torch::stack({loss.convergence, loss.magnitude, bands}), "losses", 1e-7);  // the filters are float32
  (loss.convergence + 2 * loss.magnitude + 3 * bands).backward();
  same(made.grad(), "losses/gradient", 1e-6);
  const auto silence = torch::zeros({1, 900}).requires_grad_();
  stft_loss(silence, real.to(torch::kFloat32)[0].unsqueeze(0), stft_resolutions(8000)).sum().backward();
  EXPECT_TRUE(silence.grad().isfinite().all().item<bool>());
  EXPECT_EQ(stft_loss(real, real, resolutions).sum().item<double>(), 0);
  EXPECT_ERROR(stft_loss(real, real[0], resolutions), "[stft_loss] wants (900), got (2, 900)");
  EXPECT_ERROR(stft_loss(real, real, {}), "wants one resolution at least");
}

TEST(Vocoder, LearnsASound) {
  torch::manual_seed(1);
  // A chirp's magnitudes as bands: a small net finds its phases within a few steps by the losses alone.
  const auto t = torch::arange(1600, torch::kFloat32) / 8000;
  const auto sound = (0.5 * (2 * M_PI * (300 * t + 2000 * t * t)).sin()).unsqueeze(0);
  const StftShape shape{.window = 256, .hop = 80};
  const MelBands bands{.rate = 8000, .bands = 40};
  const auto mel = mel_spectrogram(sound, shape, bands, 1).clamp_min(1e-5).log();
  Vocos model(VocosConfig{.bands = 40, .dim = 32, .mlp = 64, .depth = 2, .window = 256, .hop = 80});
  VocoderJudges judges(VocoderJudgesConfig{{2, 3}, {256}, 1, 4});
  torch::optim::Adam makes(model->parameters(), torch::optim::AdamOptions(1e-2)),
      judge(judges->parameters(), torch::optim::AdamOptions(1e-3));
  const auto resolutions = stft_resolutions(8000);
  double first = 0, last = 0;
  for (int step = 0; step < 100; ++step) {
    const auto made = model->forward(mel);
    judge.zero_grad();
    judges_loss(GanLoss::hinge, judges->forward(sound), judges->forward(made.detach())).backward();
    judge.step();
    makes.zero_grad();
    const auto real = judges->forward(sound), now = judges->forward(made);
    const auto near = stft_loss(made, sound, resolutions).sum() + mel_loss(made, sound, shape, bands);
    (near + 0.1 * vocoder_loss(GanLoss::hinge, now, real) + 0.1 * feature_matching_loss(real, now)).backward();
    makes.step();
    (step == 0 ? first : last) = near.item<double>();
  }
  EXPECT_LT(last, 0.5 * first);
}
