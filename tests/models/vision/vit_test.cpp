#include "hadal/models/vision/vit.h"

#include "tests/models/hash_weights.h"
#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

TEST(Vit, RefusesWhatDoesNotFitTogether) {
  EXPECT_ERROR(Vit(VitConfig{.image = 225}), "[vit] image (225) must be a multiple of patch (16); nearest: 224");
  EXPECT_ERROR(Vit(VitConfig{.dim = 770}), "[vit] dim (770) must be divisible by heads (12); nearest: 768");
  EXPECT_ERROR(classifiers().make({"vit_b_16", {{"image", 230}}}), "image (230) must be a multiple of patch (16)");
}

TEST(Vit, LearnsToTellTwoPictures) {
  torch::manual_seed(0);
  Vit vit(VitConfig{.classes = 2, .channels = 1, .image = 8, .patch = 4, .dim = 16, .depth = 1, .heads = 2, .mlp = 16});
  const auto pixels = uniform("two", {2, 1, 8, 8});
  const auto labels = torch::tensor({0, 1});
  double first = 0, last = 0;
  for (int step = 0; step < 60; ++step) {
    const auto loss = F::cross_entropy(vit(pixels), labels);
    last = loss.item<double>();
    if (step == 0) first = last;
    vit->zero_grad();
    loss.backward();
    const torch::NoGradGuard no_grad;
    for (auto& parameter : vit->parameters()) parameter -= 0.3 * parameter.grad();
  }
  EXPECT_NEAR(first, std::log(2.0), 1e-5);  // the head begins at zero
  EXPECT_LT(last, 0.05);
}

TEST(VitNames, KeepsOwnNamesAndStrangers) {
  const auto one = torch::ones({1});
  const TensorsByName own{{"class_token", one},
                          {"encoder.layers.encoder_layer_0.mlp.0.weight", one},
                          {"heads.head.bias", one},
                          {"fc_norm.weight", one},
                          {"blocks.x.norm1.weight", one}};
  const auto mapped = torchvision_vit_names(own);
  ASSERT_EQ(mapped.size(), own.size());
  for (size_t i = 0; i < own.size(); ++i) EXPECT_EQ(mapped[i].first, own[i].first);
}

TEST(VitNames, KnowsTorchvisionsFirstFiles) {
  const auto mapped = torchvision_vit_names({{"encoder.layers.encoder_layer_11.mlp.linear_1.weight", torch::ones({1})},
                                             {"encoder.layers.encoder_layer_11.mlp.linear_2.bias", torch::ones({1})}});
  EXPECT_EQ(mapped[0].first, "encoder.layers.encoder_layer_11.mlp.0.weight");
  EXPECT_EQ(mapped[1].first, "encoder.layers.encoder_layer_11.mlp.3.bias");
}

TEST(VitNames, JoinsQueryKeyAndValueInThisOrder) {
  const std::string layer = "vit.encoder.layer.3.attention.attention.";
  const auto part = [](double value) { return torch::full({2}, value); };
  auto weights =
      TensorsByName{{layer + "value.bias", part(3)}, {layer + "query.bias", part(1)}, {layer + "key.bias", part(2)}};
  const auto mapped = torchvision_vit_names(weights);
  ASSERT_EQ(mapped.size(), 1);
  EXPECT_EQ(mapped[0].first, "encoder.layers.encoder_layer_3.self_attention.in_proj_bias");
  EXPECT_TRUE(torch::equal(mapped[0].second, torch::tensor({1., 1., 2., 2., 3., 3.}).to(torch::kFloat32)));
  weights[2].second = torch::ones({2, 3});
  EXPECT_ERROR(torchvision_vit_names(weights), "attention.key.* does not fit beside the others");
  weights.pop_back();
  EXPECT_ERROR(torchvision_vit_names(weights),
               "self_attention.in_proj_bias is joined from parts, and the weights have no encoder.layer.#.attention");
}

TEST(VitNames, KnowsHuggingFacesModelWithoutAHead) {
  const auto one = torch::ones({1});
  for (const std::string before : {"", "vit."}) {
    TensorsByName weights;
    for (const auto* name : {"embeddings.cls_token", "embeddings.mask_token", "encoder.layer.2.layernorm_before.weight",
                             "layers.1.mlp.fc1.bias", "layernorm.bias", "pooler.dense.weight"})
      weights.emplace_back(before + name, one);
    const auto mapped = torchvision_vit_names(weights);
    std::vector<std::string> names;
    for (const auto& [name, tensor] : mapped) names.push_back(name);
    EXPECT_THAT(names, testing::ElementsAre("class_token", "encoder.layers.encoder_layer_2.ln_1.weight",
                                            "encoder.layers.encoder_layer_1.mlp.0.bias", "encoder.ln.bias"));
  }
}
