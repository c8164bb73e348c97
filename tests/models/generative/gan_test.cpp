// What pairs of generator and discriminator refuse, and whose weights they take.
#include "hadal/models/generative/dcgan.h"
#include "hadal/models/generative/generator.h"
#include "hadal/models/generative/mission_gan.h"

#include "tests/models/generative/golden.h"

using namespace hadal;
using namespace hadal::test;

namespace {

std::shared_ptr<Gan> small(const std::string& preset, Table more = {}) {
  Table settings;
  if (gan_models().at(preset).schema.find("width")) settings = {{"width", 4}};
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
  const auto gan = small("dcgan");
  EXPECT_ERROR(gan->discriminator->judge(torch::zeros({1, 1, 32, 32})), "wants (any, 1, 28, 28), got (1, 1, 32, 32)");
}
