// What pairs of generator and discriminator refuse, and whose weights they take.
#include "hadal/models/generative/dcgan.h"
#include "hadal/models/generative/gan_steps.h"
#include "hadal/models/generative/generator.h"
#include "hadal/models/generative/mission_gan.h"
#include "hadal/models/generative/r3gan.h"
#include "hadal/models/generative/resample.h"
#include "hadal/models/generative/stylegan2.h"

#include "tests/models/generative/golden.h"

using namespace hadal;
using namespace hadal::test;

namespace {

std::shared_ptr<Gan> small(const std::string& preset, Table more = {}) {
  Table settings;
  if (preset.starts_with("dcgan")) settings = {{"width", 4}};
  if (preset.starts_with("stylegan2")) settings = {{"width", 56}, {"most", 8}};
  if (preset.starts_with("r3gan")) settings = {{"widths", List{Value(16), Value(8), Value(8)}}};
  settings.merge(more);
  return gan_models().make({preset, settings});
}

class Gans : public testing::TestWithParam<std::string> {};

TEST_P(Gans, MakePicturesThatTheyCanJudge) {
  const auto gan = small(GetParam());
  const auto& generator = *gan->generator;
  const auto labels = generator.classes() > 0 ? torch::tensor({0, 1, 2}) : Tensor();
  const auto pictures = gan->generator->make(torch::randn({3, generator.latent()}), labels);
  const auto shape = generator.pictures();
  EXPECT_EQ(pictures.sizes(), (std::vector<int64_t>{3, shape.channels, shape.height, shape.width}));
  const auto logits = gan->discriminator->judge(pictures, labels);
  EXPECT_EQ(logits.sizes(), (std::vector<int64_t>{3}));
  logits.sum().backward();
  for (const auto& parameter : gan->discriminator->named_parameters())
    EXPECT_TRUE(parameter.value().grad().defined() && parameter.value().grad().isfinite().all().item<bool>())
        << parameter.key();
}

TEST_P(Gans, GiveASampleThatDoesNotDependOnItsBatch) {
  const auto gan = small(GetParam());
  gan->eval();
  const torch::NoGradGuard no_grad;
  const auto z = torch::randn({4, gan->generator->latent()});
  const auto labels = gan->generator->classes() > 0 ? torch::tensor({0, 1, 2, 3}) : Tensor();
  const auto together = gan->generator->make(z, labels);
  const auto alone = gan->generator->make(z.slice(0, 2, 3), labels.defined() ? labels.slice(0, 2, 3) : labels);
  EXPECT_LT(relative_error(together[2], alone[0]), 1e-4);
}

TEST_P(Gans, SayWhichLatentsAndLabelsTheyWant) {
  const auto gan = small(GetParam());
  const auto latent = gan->generator->latent();
  EXPECT_ERROR(gan->generator->make(torch::zeros({2, latent + 1})),
               fmt::format("latents] wants (any, {}), got (2, {})", latent, latent + 1));
  if (gan->generator->classes() > 0) {
    EXPECT_ERROR(gan->generator->make(torch::zeros({2, latent})), "it wants a label for each picture");
    EXPECT_ERROR(gan->generator->make(torch::zeros({2, latent}), torch::tensor({0, 99})), "there is no class 99");
  } else {
    EXPECT_ERROR(gan->generator->make(torch::zeros({2, latent}), torch::tensor({0, 1})), "has no classes");
    EXPECT_EQ(gan->generator->make(torch::zeros({2, latent, 1, 1})).size(0), 2);  // as PyTorch's example has them
  }
}

INSTANTIATE_TEST_SUITE_P(All, Gans, testing::ValuesIn(gan_models().names()), [](const auto& info) {
  auto name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

std::vector<std::string> names_of(const TensorsByName& tensors) {
  std::vector<std::string> out;
  for (const auto& [name, tensor] : tensors) out.push_back(name);
  return out;
}

TensorsByName named(const std::vector<std::string>& names) {
  TensorsByName out;
  for (const auto& name : names) out.emplace_back(name, torch::zeros({1}));
  return out;
}

}  // namespace

TEST(GanNames, OfPyTorchsExamplesBecomeTheChildren) {
  const auto gan = small("dcgan");
  const auto nested = named(
      {"netG_state_dict.main.0.weight", "netD_state_dict.main.0.weight", "optimizerG_state_dict.state.0.exp_avg"});
  EXPECT_EQ(names_of(gan->own_names(nested)),
            (std::vector<std::string>{"generator.main.0.weight", "discriminator.main.0.weight"}));
  EXPECT_EQ(names_of(gan->own_names(named({"main.0.weight"}))), std::vector<std::string>{"generator.main.0.weight"});
  EXPECT_EQ(names_of(gan->generator->own_names(nested)), std::vector<std::string>{"main.0.weight"});
  EXPECT_EQ(names_of(gan->generator->own_names(named({"main.0.weight"}))), std::vector<std::string>{"main.0.weight"});
  EXPECT_EQ(names_of(gan->generator->own_names(named({"discriminator.main.0.weight", "generator.main.3.weight"}))),
            std::vector<std::string>{"main.3.weight"});
  EXPECT_EQ(names_of(gan->own_names(named({"netG.module.main.0.weight"}))),
            std::vector<std::string>{"generator.main.0.weight"});
  const auto both = named({"G.main.0.weight", "G_ema.main.0.weight"});
  EXPECT_EQ(names_of(gan->own_names(both)), std::vector<std::string>{"generator.main.0.weight"});
}

TEST(GanNames, OfTheDcganExampleAreTheSame) {
  const DcganGenerator generator(DcganConfig{.channels = 3, .image = 64});
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const auto& item : generator->named_parameters()) shapes[item.key()] = item.value().sizes().vec();
  EXPECT_EQ(shapes.at("main.0.weight"), (std::vector<int64_t>{100, 512, 4, 4}));
  EXPECT_EQ(shapes.at("main.1.bias"), (std::vector<int64_t>{512}));
  EXPECT_EQ(shapes.at("main.12.weight"), (std::vector<int64_t>{64, 3, 4, 4}));
  EXPECT_EQ(shapes.size(), 13u);
}

TEST(GanSettings, SayTheWayOut) {
  EXPECT_ERROR(MissionGenerator(MissionGanConfig{.hidden = {}}), "hidden must name at least one layer");
  EXPECT_ERROR(MissionGenerator(MissionGanConfig{.latent = 0}), "latent wants an integer of at least 1, got 0");
  EXPECT_ERROR(DcganGenerator(DcganConfig{.image = 27}), "image (27) must be 4 or 7 pixels doubled");
  EXPECT_ERROR(DcganGenerator(DcganConfig{.image = 1 << 20}), "nearest: 64");
  EXPECT_ERROR(DcganDiscriminator(DcganConfig{.norm = "layer"}), "norm");
  EXPECT_ERROR(R3ganGenerator(R3ganConfig{.image = 30}), "image (30) must be twice or more times 4");
  EXPECT_ERROR(R3ganGenerator(R3ganConfig{.widths = {60, 64}}), "widths (60) times expansion (2) must be divisible by");
  EXPECT_ERROR(R3ganDiscriminator(R3ganConfig{.widths = {}}), "widths must name 1 to 10 stages");
  EXPECT_ERROR(Stylegan2Generator(Stylegan2Config{.image = 48}), "image (48) must be 4 or 7 pixels doubled");
  EXPECT_ERROR(Stylegan2Generator(Stylegan2Config{.image = 64, .width = 32}), "width (32) must be at least image (64)");
  const auto gan = small("dcgan");
  EXPECT_ERROR(gan->discriminator->judge(torch::zeros({1, 1, 32, 32})), "wants (any, 1, 28, 28), got (1, 1, 32, 32)");
}

TEST(R3gan, BeginsAsItsResizesAlone) {
  torch::manual_seed(1);
  const auto gan = small("r3gan");
  const auto x = torch::randn({2, 1, 28, 28});
  const auto before = gan->discriminator->judge(x);
  const torch::NoGradGuard no_grad;
  for (auto& parameter : gan->discriminator->named_parameters())
    if (parameter.key().ends_with("LinearLayer2.Layer.weight")) parameter.value().normal_();
  EXPECT_TRUE(torch::equal(before, gan->discriminator->judge(x)));  // what a block adds is 0 at first
}

TEST(Stylegan2, DrawsNoiseWhileTrainingAlone) {
  const auto gan = small("stylegan2");
  for (auto& parameter : gan->generator->named_parameters())
    if (parameter.key().ends_with("noise_strength")) parameter.value().data().fill_(1);
  const auto z = torch::randn({2, 64});
  EXPECT_FALSE(torch::equal(gan->generator->make(z), gan->generator->make(z)));
  gan->eval();
  EXPECT_TRUE(torch::equal(gan->generator->make(z), gan->generator->make(z)));
}

TEST(Stylegan2, TellsPicturesThatAreAllAlike) {
  const auto one = torch::randn({1, 3, 4, 4});
  const auto alike = with_minibatch_stddev(one.expand({4, 3, 4, 4})),
             other = with_minibatch_stddev(torch::randn({4, 3, 4, 4}));
  EXPECT_LT(alike.select(1, 3).max().item<double>(), 2e-4);
  EXPECT_GT(other.select(1, 3).min().item<double>(), 0.3);
  EXPECT_EQ(with_minibatch_stddev(torch::randn({5, 3, 4, 4})).size(1), 4);  // 5 has no divisor up to 4 but 1
}

TEST(GanSteps, HaveTheLossesThatAreAskedFor) {
  torch::manual_seed(1);
  const auto gan = small("mission_gan");
  const GanBatch batch{torch::randn({6, 1, 28, 28}), {}, torch::randn({6, 100})};
  const auto names = [](const GanStep& step) {
    std::vector<std::string> out;
    for (const auto& [name, loss] : step.losses) out.push_back(name);
    return out;
  };
  const GanLossConfig lazy{.r1 = 2, .lazy = 4};
  const auto first = discriminator_step(lazy, *gan, batch, 0);
  EXPECT_EQ(names(first), (std::vector<std::string>{"discriminator", "r1", "r2"}));
  EXPECT_EQ(names(discriminator_step(lazy, *gan, batch, 3)), (std::vector<std::string>{"discriminator"}));
  const auto always = discriminator_step({.r1 = 2}, *gan, batch, 0);
  EXPECT_LT(relative_error(first.losses[1].second, 4 * always.losses[1].second), 1e-5);
  EXPECT_EQ(first.real_logits.sizes(), (std::vector<int64_t>{6}));
  for (const auto& parameter : gan->generator->parameters()) EXPECT_FALSE(parameter.grad().defined());
  Tensor sum;
  for (const auto& [name, loss] : first.losses) sum = sum.defined() ? sum + loss : loss;
  sum.backward();
  for (const auto& parameter : gan->generator->parameters()) EXPECT_FALSE(parameter.grad().defined());
  const GanLossConfig wasserstein{.loss = "wasserstein", .r1 = 0, .r2 = 0, .gradient_penalty = 10, .path_length = 1};
  EXPECT_EQ(names(discriminator_step(wasserstein, *gan, batch, 5)),
            (std::vector<std::string>{"discriminator", "gradient_penalty"}));
  PathLength path;
  EXPECT_EQ(names(generator_step(wasserstein, *gan, batch, 8, {}, path.get())),
            (std::vector<std::string>{"generator", "path_length"}));
  EXPECT_EQ(names(generator_step(wasserstein, *gan, batch, 9, {}, path.get())),
            (std::vector<std::string>{"generator"}));
}

TEST(GanSteps, ShowTheDiscriminatorChangedPictures) {
  torch::manual_seed(1);
  const auto gan = small("mission_gan");
  const GanBatch batch{torch::randn({6, 1, 28, 28}), {}, torch::randn({6, 100})};
  const PictureChange black = [](const Tensor& x) { return x * 0 - 1; };
  const auto step = discriminator_step({}, *gan, batch, 0, black);
  EXPECT_LT(relative_error(step.real_logits, step.made_logits), 1e-6);
  EXPECT_EQ(step.losses[1].second.item<double>(), 0);  // r1 by the pictures as they are, through the change
}
