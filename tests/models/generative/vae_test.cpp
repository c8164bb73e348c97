// Variational autoencoders: nets, likelihoods and bounds against plain PyTorch, and what they refuse.
#include "hadal/models/generative/vae.h"

#include "hadal/models/generative/vae_conv.h"
#include "hadal/models/generative/vae_nets.h"

#include "tests/models/generative/golden.h"

using namespace hadal;
using namespace hadal::test;

namespace {

const GoldenFile& vae_reference() {
  static const GoldenFile file("vae");
  return file;
}

Tensor bits(const std::vector<int64_t>& shape) { return (uniform("pictures", shape) > 0.3).to(torch::kFloat32); }
/// As the script's levels(): bytes in [0, 1].
Tensor levels(const std::vector<int64_t>& shape) {
  return ((uniform("pictures", shape).to(torch::kFloat64) * 0.6 + 0.5).clamp(0, 1) * 255).round() / 255;
}

class Vaes : public testing::TestWithParam<std::string> {
 protected:
  void expect_the_same(torch::Dtype type, double tolerance, double gradients) const {
    const auto& name = GetParam();
    const auto about = vae_reference().about(name);
    const auto model = vaes().make({about["preset"], parse_toml(about["settings"].get<std::string>(), "golden")});
    fill_from_hash(*model);
    model->to(type);
    std::vector<std::string> names;
    for (const auto& item : model->named_parameters()) names.push_back(item.key());
    const auto expected = about["weights"].get<std::vector<std::string>>();
    EXPECT_THAT(names, testing::UnorderedElementsAreArray(expected));

    const auto shape = about["shape"].get<std::vector<int64_t>>();
    const auto x = (about["kind"] == "bernoulli" ? bits(shape) : levels(shape)).to(type);
    const auto labels = about["classes"] == 0 ? Tensor()
                        : shape[0] == 4       ? torch::tensor({0, 3, 4, 1})
                                              : torch::tensor({0, 3, 4});
    const auto eps = noise("noise", {about["samples"], shape[0], about["latent"]}, type);
    const auto same = [&](const Tensor& ours, const char* key) {
      EXPECT_LT(relative_error(ours, vae_reference()[name + "/" + key]), tolerance) << name << " " << key;
    };
    {
      const auto terms = vae_terms(*model, x, labels, eps);
      same(terms.log_x, "log_x");
      same(terms.log_ratio, "log_ratio");
      same(terms.kl, "kl");
      same(elbo(terms), "elbo");
      same(importance_bound(terms), "bound");
    }
    const auto floor = vae_reference().about(name + "/floor").get<double>();
    const std::map<std::string, VaeLossConfig> losses = {
        {"plain", {.beta = 0.5}}, {"free", {.free_bits = floor}}, {"importance", {.importance = true}}};
    for (const auto& [kind, config] : losses) {
      forget_gradients(*model);
      const auto loss = vae_loss(config, vae_terms(*model, x, labels, eps));
      same(loss, kind.c_str());
      loss.backward();
      vae_reference().expect_gradients(name + "/" + kind + "/gradients", *model, {}, gradients);
    }
  }
};

TEST_P(Vaes, TermsLossesAndGradientsAreTheReferences) { expect_the_same(torch::kFloat32, 1e-4, 2e-3); }
TEST_P(Vaes, InDoublesToo) { expect_the_same(torch::kFloat64, 1e-9, 1e-9); }

INSTANTIATE_TEST_SUITE_P(All, Vaes,
                         testing::Values("vae", "vae_conditional", "vae_logistic", "vae_gaussian", "iwae", "vae_conv",
                                         "vae_conv_conditional"),
                         [](const auto& info) { return info.param; });

}  // namespace

TEST(Likelihoods, KeepTheirDigitsFarFromTheMean) {
  const GoldenFile file("generative_scores");
  const auto cases = file["cases"];
  for (const auto* name : {"logistic", "gaussian"}) {
    const auto expected = file[std::string(name) + "/values"];
    for (int64_t i = 0; i < cases.size(0); ++i) {
      const auto parameters = cases[i].slice(0, 0, 2).view({1, 2, 1, 1}).clone().requires_grad_();
      const auto ours = log_likelihood(likelihood_named(name), parameters, cases[i][2].view({1, 1, 1, 1}) / 255);
      const auto wanted = expected[i].item<double>();
      EXPECT_NEAR(ours.item<double>(), wanted, 1e-9 * std::abs(wanted) + 1e-12) << name << " " << cases[i];
      ours.backward();
      EXPECT_TRUE(parameters.grad().isfinite().all().item<bool>()) << name << " " << cases[i];
    }
  }
}

TEST(Likelihoods, OfAllLevelsSumToOne) {
  const auto x = torch::arange(256, torch::kFloat64).view({256, 1, 1, 1}) / 255;
  for (const auto* name : {"logistic", "gaussian"}) {
    const auto parameters = torch::tensor({0.9, -2.0}, torch::kFloat64).view({1, 2, 1, 1}).expand({256, 2, 1, 1});
    EXPECT_NEAR(log_likelihood(likelihood_named(name), parameters, x).exp().sum().item<double>(), 1, 1e-12) << name;
  }
  EXPECT_NEAR(bits_per_dimension(8 * std::log(2.0), 4), 2, 1e-12);
  EXPECT_ERROR(likelihood_named("bernouli"), "unknown likelihood \"bernouli\"; nearest: bernoulli");
  EXPECT_ERROR(log_likelihood(Likelihood::logistic, torch::zeros({1, 1, 2, 2}), torch::zeros({1, 1, 2, 2})),
               "wants (1, 2, 2, 2), got (1, 1, 2, 2)");
}

TEST(Vae, MoreSamplesTightenTheBound) {
  torch::manual_seed(1);
  const auto model = vaes().make({"vae", {{"image", 6}, {"hidden", 16}, {"latent", 4}}});
  const torch::NoGradGuard no_grad;
  for (auto& parameter : model->parameters()) parameter.mul_(2);
  const auto x = (torch::rand({50, 1, 6, 6}) > 0.5).to(torch::kFloat32);
  const auto bound = [&](int64_t k) {
    return importance_bound(vae_terms(*model, x, {}, torch::randn({k, 50, 4}))).mean().item<double>();
  };
  const auto one = elbo(vae_terms(*model, x, {}, torch::randn({200, 50, 4}))).mean().item<double>();
  EXPECT_LT(one, bound(5));
  EXPECT_LT(bound(5), bound(500));
}

TEST(Vae, BeginsAtTheDatasMean) {
  torch::manual_seed(1);
  const auto mean = torch::full({1, 28, 28}, 0.2);
  for (const auto* name : {"vae", "iwae"}) {
    const auto model = vaes().make({name, {}});
    model->begin_at(mean);
    EXPECT_NEAR(model->decode(torch::zeros({1, model->latent()})).sigmoid().mean().item<double>(), 0.2, 0.05) << name;
    EXPECT_ERROR(model->begin_at(torch::zeros({1, 5, 5})), "mean picture] wants (784), got (25)");
  }
}

TEST(Vae, SaysWhatItWants) {
  const auto model = vaes().make({"vae-conditional", {{"classes", 3}}});
  EXPECT_ERROR(model->encode(torch::zeros({2, 1, 28, 28})), "wants a label for each picture");
  EXPECT_ERROR(model->encode(torch::zeros({2, 1, 27, 28}), torch::tensor({0, 1})),
               "wants (any, 1, 28, 28), got (2, 1, 27, 28)");
  EXPECT_ERROR(model->decode(torch::zeros({2, 20}), torch::tensor({0, 3})), "there is no class 3; classes are 0 to 2");
  EXPECT_ERROR(model->decode(torch::zeros({2, 19}), torch::tensor({0, 1})), "latents] wants (any, 20), got (2, 19)");
  EXPECT_ERROR(vae_terms(*model, torch::zeros({2, 1, 28, 28}), torch::tensor({0, 1}), torch::zeros({1, 3, 20})),
               "noise] wants (any, 2, 20), got (1, 3, 20)");
  EXPECT_ERROR(ConvVae(ConvVaeConfig{.image = 30}), "image (30) must be divisible by 4; nearest: 32");
  EXPECT_ERROR(MlpVae(MlpVaeConfig{.latent = 0}), "latent wants an integer of at least 1, got 0");
  EXPECT_ERROR(Iwae(MlpVaeConfig{.likelihood = "poisson"}), "likelihood");
  EXPECT_ERROR(VaeLossConfig({.beta = 2, .importance = true}).validate(), "has no beta (2)");
}
