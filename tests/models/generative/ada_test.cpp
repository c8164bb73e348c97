// Augmentation for discriminators: every change, its gradients once and twice, and the probability's way.
#include "hadal/models/generative/ada.h"

#include "hadal/models/generative/gan_losses.h"

#include "tests/models/generative/golden.h"

using namespace hadal;
using namespace hadal::test;

namespace {

constexpr auto kDouble = torch::kFloat64;

/// As ada_changes() of the golden script.
AdaChanges changes_of(const std::string& name, int64_t n) {
  const auto draw = [&](const char* key) { return uniform(name + "/" + key, {n}).to(kDouble); };
  const auto pairs = [&](const char* key) { return uniform(name + "/" + key, {n, 2}).to(kDouble); };
  const auto factor = [&](const char* key) { return torch::exp2(draw(key) / 2); };
  return {.flip = (draw("flip") > 0).to(kDouble),
          .turns = (draw("turns") * 2).floor().abs(),
          .shift = pairs("shift") / 4,
          .scale = factor("scale"),
          .rotate = draw("rotate"),
          .rotate2 = draw("rotate2"),
          .stretch = factor("stretch"),
          .move = pairs("move") / 8,
          .brightness = draw("brightness") / 5,
          .contrast = factor("contrast"),
          .luma = (draw("luma") > 0).to(kDouble),
          .hue = draw("hue"),
          .saturation = factor("saturation")};
}

/// None at all, for `n` pictures.
AdaChanges nothing(int64_t n) { return draw_ada({}, 0, n, Random(1)); }

Tensor changed(const Tensor& x, const AdaChanges& changes) {
  return apply_ada(x, ada_geometry(changes, x.size(2), x.size(3)), ada_colours(changes));
}

const Tensor& picture() {
  static const auto x = noise("x", {1, 3, 6, 6}, kDouble);
  return x;
}
void expect_becomes(const AdaChanges& changes, const Tensor& expected) {
  EXPECT_LT((changed(picture(), changes) - expected).abs().max().item<double>(), 1e-9);
}

}  // namespace

TEST(Ada, IsTheReferenceWithGradientsOnceAndTwice) {
  const GoldenFile file("ada");
  const std::map<std::string, std::vector<int64_t>> shapes = {
      {"colour", {6, 3, 7, 9}}, {"grey", {6, 1, 8, 6}}, {"other", {4, 2, 5, 5}}};
  for (const auto& [name, shape] : shapes) {
    const auto x = noise(name, shape, kDouble).requires_grad_();
    const auto out = changed(x, changes_of(name, shape[0]));
    EXPECT_LT(relative_error(out, file[name]), 1e-9) << name;
    (out * uniform("target", shape)).sum().backward();
    EXPECT_LT(relative_error(x.grad(), file[name + "/slope"]), 1e-9) << name;
    x.mutable_grad() = Tensor();
    const auto penalty = squared_gradients(changed(x, changes_of(name, shape[0])).pow(3), x).sum();
    EXPECT_LT(relative_error(penalty, file[name + "/penalty"]), 1e-9) << name;
    penalty.backward();
    EXPECT_LT(relative_error(x.grad(), file[name + "/penalty_slope"]), 1e-9) << name;
  }
}

TEST(Ada, EachChangeIsWhatItIsCalled) {
  const auto one = [](double value) { return torch::full({1}, value, kDouble); };
  expect_becomes(nothing(1), picture());
  auto changes = nothing(1);
  changes.flip = one(1);
  expect_becomes(changes, picture().flip(3));
  changes = nothing(1);
  changes.turns = one(1);
  expect_becomes(changes, picture().rot90(1, {2, 3}));
  changes.turns = one(2);
  expect_becomes(changes, picture().flip({2, 3}));
  changes = nothing(1);
  changes.shift = torch::tensor({{0.3, 0.}}, kDouble);  // 1.8 pixels, rounded to 2
  EXPECT_LT((changed(picture(), changes).slice(3, 2) - picture().slice(3, 0, 4)).abs().max().item<double>(), 1e-9);
  changes = nothing(1);
  changes.brightness = one(0.5);
  expect_becomes(changes, picture() + 0.5);
  changes = nothing(1);
  changes.contrast = one(2);
  expect_becomes(changes, picture() * 2);
  changes = nothing(1);
  changes.saturation = one(0);
  expect_becomes(changes, picture().mean(1, true).expand({1, 3, 6, 6}));
  changes = nothing(1);
  changes.luma = one(1);
  expect_becomes(changes, picture() - 2 * picture().mean(1, true));
  changes = nothing(1);
  changes.hue = one(2 * M_PI / 3);  // a third of the circle moves red to green
  expect_becomes(changes, picture().index_select(1, torch::tensor({2, 0, 1})));
}

TEST(Ada, ChangesHappenAsOftenAsAsked) {
  constexpr int64_t kCount = 4000;
  const auto share = [](const Tensor& values, double spared) {
    return (values != spared).to(kDouble).mean().item<double>();
  };
  const auto some = draw_ada({}, 0.4, kCount, Random(3));
  EXPECT_NEAR(share(some.flip, 0), 0.2, 0.03);  // half of those that happen mirror nothing
  EXPECT_NEAR(share(some.turns, 0), 0.3, 0.03);
  EXPECT_NEAR(share(some.scale, 1), 0.4, 0.03);
  EXPECT_NEAR(share(some.brightness, 0), 0.4, 0.03);
  EXPECT_NEAR(((some.rotate != 0) | (some.rotate2 != 0)).to(kDouble).mean().item<double>(), 0.4, 0.03);
  const auto all = draw_ada({}, 1, kCount, Random(3));
  EXPECT_EQ(share(all.hue, 0), 1);
  EXPECT_NEAR(all.brightness.std().item<double>(), 0.2, 0.01);
  EXPECT_NEAR(all.contrast.log2().std().item<double>(), 0.5, 0.02);
  EXPECT_LE(all.shift.abs().max().item<double>(), 0.125);
  const auto off = draw_ada({.turn = 0, .rotate = 0, .luma = 0, .hue = 0}, 1, kCount, Random(3));
  EXPECT_EQ(share(off.turns, 0), 0);
  EXPECT_EQ(share(off.hue, 0), 0);
  EXPECT_TRUE(torch::equal(off.contrast, all.contrast));  // what is off moves no other draw
  EXPECT_TRUE(torch::equal(draw_ada({}, 0.4, 10, Random(3)).scale, some.scale.slice(0, 0, 10)));
}

TEST(Ada, ProbabilityFollowsTheSigns) {
  Ada ada(AdaConfig{.pictures = 1000, .every = 2});
  const auto x = torch::randn({10, 1, 8, 8});
  EXPECT_TRUE(torch::equal(ada(x, Random(1)), x));
  ada->observe(torch::ones({10}));
  EXPECT_EQ(ada->probability(), 0);
  ada->observe(torch::ones({10}));
  EXPECT_NEAR(ada->probability(), 0.02, 1e-12);
  EXPECT_FALSE(torch::equal(ada(x.repeat({50, 1, 1, 1}), Random(1)), x.repeat({50, 1, 1, 1})));
  for (int i = 0; i < 2; ++i) ada->observe(torch::tensor({1., -1., 1., -1.}));
  EXPECT_NEAR(ada->probability(), 0.012, 1e-12);
  for (int i = 0; i < 8; ++i) ada->observe(-torch::ones({100}));
  EXPECT_EQ(ada->probability(), 0);
  EXPECT_EQ(ada->named_buffers().size(), 4u);
  EXPECT_ERROR(Ada(AdaConfig{.first = 2}), "first");
}
