// Other rates against the formula in float64, piece by piece as well as whole.
#include "hadal/ops/resample.h"

#include <cmath>

#include "hadal/io/safetensors.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

TEST(Resample, IsTheFormulaInDoubles) {
  const auto file = read_safetensors(golden("sound_ops.safetensors"));
  const auto signal = file.at("signal").slice(0, 0, 700);
  for (const auto& [from, to] : std::vector<std::pair<int64_t, int64_t>>{
           {8000, 16000}, {44100, 8000}, {16000, 11025}, {8000, 8001}, {48000, 44100}}) {
    const auto wanted = file.at(fmt::format("resample/{}/{}", from, to));
    EXPECT_EQ(resampled_length(700, from, to), wanted.size(0));
    EXPECT_LT(relative_error(resample(signal, from, to), wanted), 1e-6) << from << " " << to;
  }
  EXPECT_TRUE(torch::equal(resample(signal, 8000, 8000), signal));
}

TEST(Resample, PiecesGiveTheSame) {
  torch::manual_seed(1);
  const auto signal = torch::randn({2, 5000});
  for (const auto& [from, to] :
       std::vector<std::pair<int64_t, int64_t>>{{44100, 8000}, {8000, 44100}, {7, 1000003}, {1000003, 400009}}) {
    const auto some = from == 7 ? signal.slice(1, 0, 3) : signal;
    const auto whole = resample(some, from, to);
    Resampler resampler(from, to);
    std::vector<Tensor> pieces;
    for (int64_t at = 0, size = 1; at < some.size(1); at += size, size = size * 3 % 701 + 1)
      pieces.push_back(resampler.push(some.slice(1, at, at + size)));
    pieces.push_back(resampler.finish());
    EXPECT_TRUE(torch::equal(torch::cat(pieces, 1), whole)) << from << " " << to;
    EXPECT_EQ(whole.size(1), resampled_length(some.size(1), from, to));
  }
}

TEST(Resample, KeepsWhatTheNewRateHoldsAndNothingElse) {
  const auto t = torch::arange(16000, torch::kFloat64) / 16000;
  const auto tone = [&](double hertz) { return (2 * M_PI * hertz * t).sin().to(torch::kFloat32); };
  const auto loud = [](const Tensor& x) { return x.slice(0, 500, -500).square().mean().sqrt().item<double>(); };
  EXPECT_NEAR(loud(resample(tone(1000), 16000, 8000)), std::sqrt(0.5), 1e-3);
  EXPECT_LT(loud(resample(tone(5500), 16000, 8000)), 5e-3);  // would come back as 2500 Hz
}

TEST(Resample, SaysWhatIsWrong) {
  EXPECT_ERROR(resample(torch::ones({4}), 0, 8000), "[resample] rates are from 1 to 2147483648, got 0 and 8000");
  EXPECT_ERROR(resample(torch::ones({1, 1, 4}), 8000, 4000), "[resample] wants (T) or (channels, T), got (1, 1, 4)");
  Resampler stream(8000, 4000);
  stream.push(torch::ones({2, 4}));
  EXPECT_ERROR(stream.push(torch::ones({1, 4})), "[resample] wants (2, n) float32, got (1, 4)");
}
