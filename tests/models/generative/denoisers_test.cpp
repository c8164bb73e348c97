// The networks of diffusion against diffusers, and what they refuse.
#include <torch/optim/adam.h>

#include "hadal/models/generative/diffusion/denoiser.h"
#include "hadal/models/generative/diffusion/dit.h"
#include "hadal/models/generative/diffusion/sampler.h"
#include "hadal/models/generative/diffusion/unet.h"

#include "tests/models/generative/golden.h"

using namespace hadal;
using namespace hadal::test;

namespace {

const GoldenFile& denoisers_reference() {
  static const GoldenFile file("denoisers");
  return file;
}

class Denoisers : public testing::TestWithParam<std::string> {
 protected:
  void expect_the_same(torch::Dtype type, double tolerance, double gradients) const {
    const auto& name = GetParam();
    const auto about = denoisers_reference().about(name);
    const auto model =
        denoiser_models().make({about["preset"], parse_toml(about["settings"].get<std::string>(), "golden")});
    fill_from_hash(*model);
    model->to(type);
    model->eval();
    const auto shape = about["shape"].get<std::vector<int64_t>>();
    const auto x = uniform("x", shape).to(type).requires_grad_();
    const auto count = shape[0], classes = about["classes"].get<int64_t>();
    Tensor out;
    if (name == "unet_table") {
      out = std::dynamic_pointer_cast<UnetImpl>(model)->forward_embedded(x, noise("embedding", {count, 12}, type));
    } else {
      const auto labels = torch::tensor({int64_t{2}, int64_t{0}, classes}).slice(0, 0, count);
      out = model->forward(x, torch::tensor({0.25, 7.0, 403.0}).slice(0, 0, count), classes > 0 ? labels : Tensor());
    }
    EXPECT_LT(relative_error(out, denoisers_reference()[name + "/out"]), tolerance);
    (out * uniform("target", shape)).sum().backward();
    if (name == "unet_table")  // it makes no use of its embedding of time
      for (const auto& item : model->named_parameters())
        if (item.key().starts_with("time_embedding")) EXPECT_FALSE(item.value().grad().defined());
    denoisers_reference().expect_gradients(name + "/gradients", *model, {{"x", x}}, gradients);
  }
};

TEST_P(Denoisers, OutputsAndGradientsAreTheReferences) { expect_the_same(torch::kFloat32, 1e-4, 2e-3); }
TEST_P(Denoisers, InDoublesToo) { expect_the_same(torch::kFloat64, 1e-9, 1e-9); }

TEST_P(Denoisers, HaveTheReferencesNames) {
  const auto about = denoisers_reference().about(GetParam());
  const auto model =
      denoiser_models().make({about["preset"], parse_toml(about["settings"].get<std::string>(), "golden")});
  auto wanted = about["weights"].get<std::map<std::string, std::vector<int64_t>>>();
  for (const auto& [name, tensor] : tensors_of(*model)) {
    if (GetParam() == "unet_table" && name.starts_with("time_embedding")) continue;
    ASSERT_TRUE(wanted.contains(name)) << name;
    EXPECT_EQ(tensor.sizes().vec(), wanted[name]) << name;
    wanted.erase(name);
  }
  EXPECT_TRUE(wanted.empty()) << wanted.begin()->first;
}

INSTANTIATE_TEST_SUITE_P(All, Denoisers,
                         testing::Values("unet", "unet_scaled", "unet_plain", "unet_table", "dit", "dit_out"),
                         [](const auto& info) { return info.param; });

}  // namespace

TEST(Unet, ReadsTheNamesOfOlderCheckpoints) {
  const auto model = denoiser_models().make({"unet", {{"attention", List{Value(int64_t{2})}}}});
  const auto renamed = model->own_names({{"mid_block.attentions.0.proj_attn.bias", {}},
                                         {"down_blocks.2.attentions.0.query.weight", {}},
                                         {"conv_in.weight", {}}});
  EXPECT_EQ(renamed[0].first, "mid_block.attentions.0.to_out.0.bias");
  EXPECT_EQ(renamed[1].first, "down_blocks.2.attentions.0.to_q.weight");
  EXPECT_EQ(renamed[2].first, "conv_in.weight");
}

TEST(Unet, HasAsManyParametersAsDdpmsOnCifar) {
  const WithoutInit unset;
  int64_t count = 0;
  for (const auto& parameter : denoiser_models().make({"ddpm-cifar10", {}})->parameters()) count += parameter.numel();
  EXPECT_EQ(count, 35'746'307);
}

TEST(Dit, CopiesOfTheEmbeddingAreLeftOut) {
  const DitConfig config{.image = 4, .dim = 8, .depth = 2, .heads = 2, .shared = false};
  Dit each(config);
  auto own = config;
  own.shared = true;
  Dit shared(own);
  auto weights = tensors_of(*each);
  const auto kept = [&] { return shared->own_names(weights).size(); };
  EXPECT_EQ(kept(), weights.size());  // each begins with other numbers
  std::map<std::string, Tensor> by_name(weights.begin(), weights.end());
  for (auto& [name, tensor] : weights)
    if (const auto at = name.find(".norm1.emb."); at != std::string::npos)
      tensor = by_name.at("transformer_blocks.0" + name.substr(at));
  EXPECT_EQ(kept(), tensors_of(*shared).size());
}

TEST(Dit, BeginsAsNothing) {
  Dit model(DitConfig{.image = 4, .dim = 8, .depth = 2, .heads = 2});
  EXPECT_EQ(model->forward(torch::randn({2, 1, 4, 4}), torch::tensor({3.0, 4.0})).abs().max().item<double>(), 0);
}

TEST(Denoiser, NoLabelIsTheLabelOfNone) {
  torch::manual_seed(1);
  for (const auto& name : denoiser_models().names()) {
    if (name != "unet" && name != "dit") continue;
    const auto model = denoiser_models().make({name, {{"classes", 3}}});
    fill_from_hash(*model);
    model->eval();
    const torch::NoGradGuard no_grad;
    const auto shape = model->pictures();
    const auto x = torch::randn({2, shape.channels, shape.height, shape.width}), time = torch::tensor({3.0, 500.0});
    const auto none = model->forward(x, time);
    EXPECT_TRUE(torch::equal(none, model->forward(x, time, torch::tensor({3, 3})))) << name;
    EXPECT_FALSE(torch::allclose(none, model->forward(x, time, torch::tensor({1, 3})))) << name;
  }
  const auto labels = with_forgotten(torch::tensor({0, 1, 2}), torch::tensor({0.05, 0.5, 0.1}), 0.1, 3);
  EXPECT_TRUE(torch::equal(labels, torch::tensor({3, 1, 2})));
}

TEST(Denoiser, LearnsTwoPicturesByClass) {
  torch::manual_seed(4);
  const torch::NoGradGuard outside;
  const auto threads = at::get_num_threads();
  at::set_num_threads(1);  // maps of 8 x 8 are not worth more
  auto pictures = torch::full({2, 1, 8, 8}, -1.0);
  pictures[0].slice(2, 0, 4).fill_(1);
  pictures[1].slice(1, 0, 4).fill_(1);
  const auto flow = processes().make({"flow", {}});
  for (const auto& [name, settings] : std::vector<std::pair<std::string, Table>>{
           {"unet", {{"widths", List{Value(int64_t{8}), Value(int64_t{16})}}, {"head_dim", 8}}},
           {"dit", {{"dim", 32}, {"depth", 2}}}}) {
    auto all = settings;
    all.set("image", Value(int64_t{8}));
    all.set("classes", Value(int64_t{2}));
    const auto model = denoiser_models().make({name, all});
    torch::optim::Adam optimizer(model->parameters(), torch::optim::AdamOptions(5e-3));
    for (int64_t step = 0; step < 80; ++step) {
      const torch::AutoGradMode on(true);
      const auto labels = torch::arange(16) % 2;
      const auto levels = flow->at(flow->draw((torch::arange(16) + torch::rand({})) / 16).index({torch::randperm(16)}));
      const auto seen = with_forgotten(labels, torch::rand({16}), 0.1, 2);
      const auto x = pictures.index({labels});
      optimizer.zero_grad();
      diffusion_loss(levels, as_network(*model), x, torch::randn_like(x), seen).mean().backward();
      optimizer.step();
    }
    model->eval();
    const auto labels = torch::arange(8) % 2;
    const SampleInput input{.noise = torch::randn({8, 1, 8, 8}), .labels = labels, .classes = 2};
    const auto made = sample(*flow, as_network(*model), input, {.sampler = "heun", .steps = 6, .guidance = 1.5});
    EXPECT_LT((made - pictures.index({labels})).abs().mean().item<double>(), 0.25) << name;
  }
  at::set_num_threads(threads);
}

TEST(Denoiser, SaysWhatItWants) {
  const auto model = denoiser_models().make({"unet", {{"classes", 3}}});
  const auto x = torch::zeros({2, 1, 28, 28}), time = torch::zeros({2});
  EXPECT_ERROR(model->forward(torch::zeros({2, 1, 27, 28}), time), "wants (any, 1, 28, 28), got (2, 1, 27, 28)");
  EXPECT_ERROR(model->forward(x, torch::zeros({3})), "time] wants (2), got (3)");
  EXPECT_ERROR(model->forward(x, time, torch::tensor({1})), "labels] wants (2), got (1)");
  EXPECT_ERROR(model->forward(x, time, torch::tensor({1, 4})), "there is no row for id 4");
  EXPECT_ERROR(denoiser_models().make({"unet", {}})->forward(x, time, torch::tensor({1, 1})), "takes no labels");
  EXPECT_ERROR(Unet(UnetConfig{.image = 30}),
               "image (30) must be divisible by 4, as it is halved 2 times; nearest: 32");
  EXPECT_ERROR(Unet(UnetConfig{.widths = {}}), "widths must name at least one");
  EXPECT_ERROR(Unet(UnetConfig{.widths = {36, 64}}), "widths (36) must be divisible by groups (8); nearest: 40");
  EXPECT_ERROR(Unet(UnetConfig{.widths = {32, 48}}), "widths (48) with attention must be divisible by head_dim (32)");
  EXPECT_ERROR(Dit(DitConfig{.image = 27}), "image (27) must be a multiple of patch (2); nearest: 28");
  EXPECT_ERROR(Dit(DitConfig{.dim = 130}), "dim (130) must be divisible by heads (4)");
  EXPECT_ERROR(Dit(DitConfig{.channels = 3, .out = 2}), "out (2) must be 0 or at least channels (3)");
  EXPECT_ERROR(Unet(UnetConfig{.attention = {3}}), "attention names place 3; widths has 0 to 2");
}
