// DiffWave against plain PyTorch: by a spectrogram, a class, both and neither.
#include "hadal/models/audio/diffwave.h"

#include "tests/models/generative/golden.h"

using namespace hadal;
using namespace hadal::test;

namespace {

constexpr auto kDouble = torch::kFloat64;
constexpr double kExact = 1e-6;  // its waves are a float32 table, as published; sines differ by a CPU's last bit

}  // namespace

TEST(DiffWave, IsTheReference) {
  const GoldenFile reference("vocoder");
  for (const std::string name : {"mel", "class", "both", "neither"}) {
    const auto about = reference.about("diffwave/" + name);
    const int64_t bands = about["bands"], classes = about["classes"];
    DiffWave model(DiffWaveConfig{
        .bands = bands, .classes = classes, .width = 6, .depth = about["depth"], .cycle = 3, .up = {4, 6}});
    std::vector<std::string> names;
    for (const auto& item : model->named_parameters()) names.push_back(item.key());
    auto theirs = about["weights"].get<std::vector<std::string>>();
    std::sort(names.begin(), names.end()), std::sort(theirs.begin(), theirs.end());
    EXPECT_EQ(names, theirs);
    fill_from_hash(*model);
    model->to(kDouble);
    const auto sound = noise("sound", {3, 70}, kDouble).requires_grad_();
    const auto out = model->forward(sound, torch::tensor({0.f, 17.f, 42.25f}),
                                    bands > 0 ? noise("mel", {3, bands, 3}, kDouble) : Tensor(),
                                    classes > 0 ? torch::tensor({0, 4, 2}) : Tensor());
    EXPECT_LT(relative_error(out, reference["diffwave/" + name]), kExact) << name;
    (out * uniform("probe", out.sizes())).sum().backward();
    reference.expect_gradients("diffwave/" + name + "/gradients", *model, {{"sound", sound}}, kExact);
    const auto whole = [&](const Tensor& steps) {
      return model->forward(sound, steps, bands > 0 ? noise("mel", {3, bands, 3}, kDouble) : Tensor(),
                            classes > 0 ? torch::tensor({0, 4, 2}) : Tensor());
    };
    EXPECT_TRUE(torch::equal(whole(torch::tensor({3, 17, 42})), whole(torch::tensor({3.f, 17.f, 42.f}))));
  }
}

TEST(DiffWave, BeginsWithNothingAndSaysWhatIsWrong) {
  DiffWave model(wave_diffusers().make({"diffwave-conditional", {{"width", 4}, {"depth", 2}}}));
  const auto sound = torch::randn({2, 50}), steps = torch::tensor({1, 2});
  const auto labels = torch::tensor({9, 10});
  const auto out = model->forward(sound, steps, {}, labels);
  EXPECT_TRUE(torch::equal(out, out[0][0].expand({2, 50})));  // its last weights begin at 0
  EXPECT_ERROR(model->forward(sound, steps), "[diffwave] 10 classes, and labels missing");
  EXPECT_ERROR(model->forward(sound, steps, {}, torch::tensor({0, 11})), "no row for id 11");
  EXPECT_ERROR(model->forward(sound, steps, torch::zeros({2, 5, 9}), labels), "follows no spectrogram and got one");
  EXPECT_ERROR(model->forward(sound, torch::tensor({1}), {}, labels), "[diffwave steps] wants (2), got (1)");
  DiffWave other(DiffWaveConfig{.bands = 5, .width = 4, .depth = 2, .up = {4, 2}});
  EXPECT_ERROR(other->forward(sound, steps), "[diffwave] wants a spectrogram of 5 bands and got none");
  EXPECT_ERROR(other->forward(sound, steps, torch::zeros({2, 5, 6})),
               "6 frames of 8 samples do not reach over a sound of 50");
  EXPECT_ERROR(DiffWave(DiffWaveConfig{.up = {5, 4}}), "[diffwave] up (5) must be even; nearest: ");
  EXPECT_ERROR(DiffWave(DiffWaveConfig{.cycle = 60}), "diffwave.cycle wants");
}
