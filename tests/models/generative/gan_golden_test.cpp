// Every pair of nets, and every loss with its penalties, against plain PyTorch.
#include "hadal/models/generative/gan_losses.h"
#include "hadal/models/generative/generator.h"

#include "tests/models/generative/golden.h"

using namespace hadal;
using namespace hadal::test;

namespace {

const GoldenFile& nets() {
  static const GoldenFile file("gan");
  return file;
}
const GoldenFile& losses() {
  static const GoldenFile file("gan_losses");
  return file;
}

std::shared_ptr<Gan> filled(const std::string& preset, const std::string& settings, torch::Dtype type) {
  auto gan = gan_models().make({preset, parse_toml(settings, "golden")});
  fill_from_hash(*gan);
  gan->to(type);
  return gan;
}

class GanNets : public testing::TestWithParam<std::string> {
 protected:
  void expect_the_same(torch::Dtype type, double tolerance, double gradients) const {
    const auto& name = GetParam();
    const auto about = nets().about(name);
    const auto gan = filled(about["preset"], about["settings"], type);
    std::vector<std::string> names;
    for (const auto& [key, tensor] : tensors_of(*gan))
      if (!key.ends_with("tracked")) names.push_back(key);
    auto expected = about["weights"].get<std::vector<std::string>>();
    EXPECT_THAT(names, testing::UnorderedElementsAreArray(expected));

    const auto count = about["count"].get<int64_t>(), classes = about["classes"].get<int64_t>();
    auto shape = about["shape"].get<std::vector<int64_t>>();
    shape.insert(shape.begin(), count);
    const auto z = noise("z", {count, about["latent"].get<int64_t>()}, type).requires_grad_();
    const auto x = noise("pictures", shape, type).requires_grad_();
    const auto labels = classes > 0 ? torch::arange(count) * 2 % classes : Tensor();
    const auto same = [&](const Tensor& ours, const char* key) {
      EXPECT_LT(relative_error(ours, nets()[name + "/" + key]), tolerance) << name << " " << key;
    };
    gan->train(about["train"]);
    gan->generator->make(z, labels);
    same(gan->discriminator->judge(x, labels), "first");
    const auto made = gan->generator->make(z, labels), logits = gan->discriminator->judge(x, labels);
    same(made, "made");
    same(logits, "logits");
    ((made * uniform("target", made.sizes())).sum() + (logits * uniform("weigh", {count})).sum()).backward();
    nets().expect_gradients(name + "/gradients", *gan, {{"z", z}, {"pictures", x}}, gradients);
    gan->eval();
    same(gan->generator->make(z, labels), "eval_made");
    same(gan->discriminator->judge(x, labels), "eval_logits");
  }
};

TEST_P(GanNets, OutputsAndGradientsAreTheReferences) { expect_the_same(torch::kFloat32, 1e-4, 2e-3); }
TEST_P(GanNets, InDoublesToo) { expect_the_same(torch::kFloat64, 1e-9, 1e-9); }

INSTANTIATE_TEST_SUITE_P(All, GanNets,
                         testing::Values("mission_gan", "dcgan28", "dcgan32", "dcgan_conditional", "dcgan_spectral",
                                         "r3gan", "r3gan_conditional", "stylegan2", "stylegan2_conditional"),
                         [](const auto& info) { return info.param; });

struct Pair {
  const char *name, *preset, *settings;
  std::vector<int64_t> shape;
};

class Losses : public testing::TestWithParam<Pair> {
 protected:
  static constexpr auto kType = torch::kFloat64;
  static constexpr double kExact = 1e-9;
  const std::string of_ = GetParam().name;
  const std::shared_ptr<Gan> gan_ = filled(GetParam().preset, GetParam().settings, kType);
  const Tensor z_ = noise("z", {6, 5}, kType), x_ = noise("pictures", GetParam().shape, kType);

  Tensor made() const { return gan_->generator->make(z_); }
  Tensor judge(const Tensor& pictures) const { return gan_->discriminator->judge(pictures); }
  void same(const Tensor& ours, const std::string& key) const {
    EXPECT_LT(relative_error(ours, losses()[of_ + "/" + key]), kExact) << of_ << " " << key;
  }
  void same_gradients(const std::string& key) const {
    losses().expect_gradients(of_ + "/" + key + "/gradients", *gan_, {}, kExact);
    forget_gradients(*gan_);
  }
};

TEST_P(Losses, AreTheReferencesForBothNets) {
  for (const auto& name : gan_loss_names()) {
    const auto kind = gan_loss(name);
    const auto d = discriminator_loss(kind, judge(x_), judge(made()));
    same(d, name + "/d");
    d.backward();
    same_gradients(name + "/d");
    const auto g = generator_loss(kind, judge(made()), judge(x_));
    same(g, name + "/g");
    g.backward();
    same_gradients(name + "/g");
  }
}

TEST_P(Losses, PenaltiesHaveTheReferencesGradients) {
  const auto real = x_.clone().requires_grad_(), fake = made().detach().requires_grad_();
  const auto r1 = squared_gradients(judge(real), real), r2 = squared_gradients(judge(fake), fake);
  same(r1, "r1");
  same(r2, "r2");
  (3 * r1.mean() + 0.5 * r2.mean()).backward();
  same_gradients("r1r2");
  const auto share = uniform("share", {6}).to(kType).abs();
  const auto penalty = gradient_penalty([&](const Tensor& x) { return judge(x); }, x_, fake, share);
  same(penalty, "gp");
  penalty.backward();
  same_gradients("gp");
}

TEST_P(Losses, PathLengthsAreTheReferencesOverSteps) {
  PathLength path;
  path->to(kType);
  Tensor loss;
  made(), judge(x_);
  for (const auto* step : {"0", "1"}) {
    const auto z = noise(std::string("z") + step, {6, 5}, kType);
    const auto [pictures, latents] = gan_->generator->make_traced(z);
    loss = path->forward(pictures, latents, noise(std::string("path") + step, pictures.sizes().vec(), kType));
    same(loss, std::string("path") + step);
  }
  loss.backward();
  same_gradients("path");
}

INSTANTIATE_TEST_SUITE_P(
    All, Losses,
    testing::Values(
        Pair{"full", "mission_gan", "image = 4\nlatent = 5\nhidden = [8, 6]", {6, 1, 4, 4}},
        Pair{"conv", "dcgan", "channels = 2\nimage = 8\nlatent = 5\nwidth = 4\nnorm = \"none\"", {6, 2, 8, 8}}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace

TEST(GanLosses, PathLengthsCanBeOfStyles) {
  const auto gan = filled("stylegan2", "image = 8\nlatent = 6\nwidth = 40\nmost = 8", torch::kFloat64);
  gan->eval();
  PathLength path;
  path->to(torch::kFloat64);
  const auto [pictures, latents] = gan->generator->make_traced(noise("z", {4, 6}, torch::kFloat64));
  const auto loss = path->forward(pictures, latents, noise("path", pictures.sizes().vec(), torch::kFloat64));
  EXPECT_LT(relative_error(loss, nets()["style_path"]), 1e-9);
  loss.backward();
  nets().expect_gradients("style_path/gradients", *gan, {}, 1e-9);
}

TEST(GanLosses, PenaltiesGoThroughTheFastProductToo) {
  torch::manual_seed(1);
  const auto gan = gan_models().make({"mission_gan", {}});
  const auto gradients = [&](torch::Dtype type) {
    gan->to(type);
    forget_gradients(*gan);
    const auto x = noise("pictures", {64, 1, 28, 28}, type).requires_grad_();
    squared_gradients(gan->discriminator->judge(x), x).mean().backward();
    std::vector<Tensor> out;
    for (const auto& parameter : gan->discriminator->parameters())
      if (parameter.grad().defined()) out.push_back(parameter.grad().clone());
    return out;
  };
  const auto floats = gradients(torch::kFloat32), doubles = gradients(torch::kFloat64);
  ASSERT_EQ(floats.size(), doubles.size());
  ASSERT_GE(floats.size(), 3u);
  for (size_t i = 0; i < floats.size(); ++i) EXPECT_LT(relative_error(floats[i], doubles[i]), 1e-3);
}

TEST(GanLosses, CountHowOftenTheDiscriminatorIsRight) {
  const auto real = torch::tensor({3., -1., 2., 4.}), made = torch::tensor({-2., 1., -3., -4.});
  EXPECT_EQ(discriminator_accuracy(GanLoss::hinge, real, made), 0.75);
  EXPECT_EQ(discriminator_accuracy(GanLoss::relativistic, real, made), 15.0 / 16);
  EXPECT_EQ(discriminator_accuracy(GanLoss::wasserstein, real + 100, made + 100), 15.0 / 16);
}

TEST(GanLosses, SayWhatTheyWant) {
  EXPECT_ERROR(gan_loss("hing"), "unknown loss of a GAN \"hing\"; nearest: hinge");
  EXPECT_ERROR(generator_loss(GanLoss::relativistic, torch::zeros({3})), "wants the logits of real pictures too");
  EXPECT_ERROR(discriminator_loss(GanLoss::relativistic, torch::zeros({3}), torch::zeros({4})), "wants (3), got (4)");
}
