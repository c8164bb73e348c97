// Spectra against librosa's and PyTorch's, and the way back.
#include "hadal/ops/stft.h"

#include "hadal/io/safetensors.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;
using Ends = StftShape::Ends;

namespace {

struct StftCase {
  std::string name;
  StftShape shape;
};
const std::vector<StftCase> kStftCases = {{"plain", {.window = 128, .hop = 32}},
                                          {"odd", {.window = 75, .hop = 31, .fft = 96, .ends = Ends::zeros}},
                                          {"wide", {.window = 100, .hop = 50, .fft = 256}}};

}  // namespace

TEST(Stft, IsTorchsAndLibrosas) {
  const auto file = read_safetensors(golden("sound_ops.safetensors"));
  const auto signal = file.at("signal");
  for (const auto& [name, shape] : kStftCases) {
    const auto spectrum = stft(signal, shape);
    const auto some = torch::view_as_real(spectrum).slice(1, 0, {}, 3);
    EXPECT_LT(relative_error(some, file.at("stft/" + name)), 1e-5) << name;
    const auto bent = spectrum * torch::polar(torch::ones({spectrum.size(1)}), torch::arange(spectrum.size(1)) * 0.3);
    EXPECT_LT(relative_error(istft(bent, shape), file.at("istft/" + name)), 1e-5) << name;
  }
}

TEST(Stft, ItsInverseGivesTheSignalBack) {
  torch::manual_seed(1);
  auto cases = kStftCases;
  cases.push_back({"same", {.window = 256, .hop = 64, .ends = Ends::same}});
  cases.push_back({"coarse", {.window = 64, .hop = 48}});
  cases.push_back({"rectangle", {.window = 50, .hop = 50, .taper = StftShape::Taper::none}});
  for (const auto& [name, shape] : cases)
    for (const auto length : {1280, 2001}) {
      const auto signal = torch::randn({2, 3, length});
      const auto spectrum = stft(signal, shape);
      if (shape.ends == Ends::same) EXPECT_EQ(spectrum.size(-1), length / shape.hop);
      const auto back = istft(spectrum, shape, shape.ends == Ends::same ? -1 : length);
      const auto told = length / shape.hop * shape.hop;
      EXPECT_EQ(back.size(-1), shape.ends == Ends::same ? told : length);
      EXPECT_LT((back.slice(-1, 0, told) - signal.slice(-1, 0, told)).abs().max().item<double>(), 1e-5)
          << name << " " << length;
      if (shape.hop * 2 <= shape.window && shape.ends != Ends::same)
        EXPECT_LT((back - signal).abs().max().item<double>(), 1e-5) << name << " " << length << ", to the end";
    }
}

TEST(Stft, GradientsAreThoseOfTheFormula) {
  torch::manual_seed(2);
  const StftShape shape{.window = 12, .hop = 5, .fft = 16};
  const auto x = torch::randn({40}, torch::kFloat64).requires_grad_();
  const auto probe = torch::randn({9, 9}, torch::kFloat64), other = torch::randn({40}, torch::kFloat64);
  const auto score = [&](const Tensor& signal) {
    const auto spectrum = stft(signal, shape);
    return (torch::real(spectrum) * probe).sum() + (istft(spectrum * spectrum, shape) * other).sum();
  };
  score(x).backward();
  const auto gradient = x.grad();
  constexpr double kStep = 1e-6;
  for (const int64_t i : {0, 3, 20, 39}) {
    auto up = x.detach().clone(), down = up.clone();
    up[i] += kStep, down[i] -= kStep;
    EXPECT_NEAR(gradient[i].item<double>(), (score(up) - score(down)).item<double>() / (2 * kStep), 1e-6);
  }
  // Silence has a gradient too.
  const auto silence = torch::zeros({40}).requires_grad_();
  stft_magnitude(silence, shape).sum().backward();
  EXPECT_TRUE(silence.grad().isfinite().all().item<bool>());
}

TEST(Stft, TakesASignalShorterThanAWindow) {
  EXPECT_EQ(stft(torch::ones({1}), {.window = 64, .hop = 16}).sizes(), (std::vector<int64_t>{33, 1}));
  EXPECT_ERROR(stft(torch::ones({63}), {.window = 64, .hop = 16, .ends = Ends::cut}),
               "[stft] a signal of 63 samples is shorter than a window (64)");
}

TEST(Stft, SaysWhatIsWrong) {
  EXPECT_ERROR(stft(torch::ones({9}, torch::kInt64), StftShape{}),
               "[stft] wants a signal (..., T) float32 or float64, got (9)");
  EXPECT_ERROR(stft(torch::ones({0}), StftShape{}), "a signal without a sample");
  EXPECT_ERROR(stft(torch::ones({9}), {.window = 1}), "[stft] window (1) must be at least 2");
  EXPECT_ERROR(stft(torch::ones({9}), {.window = 64, .fft = 32}), "[stft] fft (32) must be at least the window (64)");
  EXPECT_ERROR(stft(torch::ones({9}), {.window = 64, .hop = 15, .ends = Ends::same}), "\"same\" wants a hop (15)");
  EXPECT_ERROR(istft(torch::ones({33, 4}), {.window = 64}), "[istft] wants (..., 33, frames) complex");
  const auto spectrum = torch::ones({33, 4}, torch::kComplexFloat);
  EXPECT_ERROR(istft(spectrum, {.window = 64, .hop = 64}), "no window tells of sample 32; hop (64) must leave");
}
