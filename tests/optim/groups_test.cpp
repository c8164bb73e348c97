#include "hadal/optim/groups.h"

#include "hadal/models/vision/classifier.h"

#include "tests/support/support.h"

namespace hadal {
namespace {

std::vector<std::string> names(const ParamGroup& group) {
  std::vector<std::string> out;
  for (const auto& [name, param] : group.params) out.push_back(name);
  return out;
}

TEST(Groups, NormsAndBiasesHaveNoDecay) {
  nn::Sequential net(nn::Linear(3, 4), nn::LayerNorm(nn::LayerNormOptions({4})));
  const auto groups = param_groups(*net, {});
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(names(groups[0]), std::vector<std::string>{"0.weight"});
  EXPECT_EQ(names(groups[1]), (std::vector<std::string>{"0.bias", "1.weight", "1.bias"}));
  EXPECT_EQ(groups[1].decay_scale, 0);
  EXPECT_EQ(param_groups(*net, {.decay_norms = true}).size(), 1U);
}

TEST(Groups, EmbeddingsCanGoWithoutDecay) {
  for (const auto& name : {"wte.weight", "transformer.wpe.weight", "embed.weight", "pos_embedding", "class_token",
                           "model.embed_tokens.weight", "cls_token", "positions", "position_enc",
                           "decoder.relative_bias.relative_attention_bias.weight"})
    EXPECT_TRUE(is_embedding(name)) << name;
  for (const auto& name : {"h.0.attn.weight", "fc.weight", "token.weight", "swte.weight"})
    EXPECT_FALSE(is_embedding(name)) << name;
  const auto vit =
      classifiers().make({"vit", Table({{"image", 8}, {"patch", 4}, {"dim", 8}, {"heads", 2}, {"mlp", 8}})});
  for (const auto& group : param_groups(*vit, {.decay_embeddings = false}))
    for (const auto& [name, param] : group.params)
      EXPECT_EQ(group.decay_scale, param.dim() > 1 && !is_embedding(name) ? 1 : 0) << name;
}

TEST(Groups, AParameterThatAsksForNoGradientIsLeftOut) {
  nn::Sequential net(nn::Linear(3, 4));
  net->parameters()[1].set_requires_grad(false);
  const auto groups = param_groups(*net, {.decay_norms = true});
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(names(groups[0]), std::vector<std::string>{"0.weight"});
}

TEST(Groups, RatesByName) {
  nn::Sequential net(nn::Linear(3, 4), nn::Linear(4, 2), nn::Linear(2, 2));
  GroupRules rules{.decay_norms = true,
                   .groups = {{.match = "2.*", .lr_scale = 10, .decay_scale = 0.5},
                              {.match = "*.bias", .lr_scale = 2},
                              {.match = "0.*", .frozen = true}}};
  const auto groups = param_groups(*net, rules);
  const auto rate = [&](const std::string& name) -> std::pair<double, double> {
    for (const auto& group : groups)
      for (const auto& [key, param] : group.params)
        if (key == name) return {group.lr_scale, group.decay_scale};
    return {-1, -1};
  };
  EXPECT_EQ(rate("0.weight"), std::pair(-1.0, -1.0));
  EXPECT_FALSE(net->named_parameters()["0.weight"].requires_grad());
  EXPECT_EQ(rate("1.weight"), std::pair(1.0, 1.0));
  EXPECT_EQ(rate("1.bias"), std::pair(2.0, 1.0));
  EXPECT_EQ(rate("2.weight"), std::pair(10.0, 0.5));
  EXPECT_EQ(rate("2.bias"), std::pair(20.0, 0.5));
  rules.groups = {{.match = "head.*"}};
  EXPECT_ERROR(param_groups(*net, rules), "no parameter is named like \"head.*\"; there are 0.weight, 0.bias");
}

TEST(Groups, LayersByTheModelsOwnNames) {
  EXPECT_EQ(layer_depths({"wte.weight", "wpe.weight", "h.0.ln_1.weight", "h.0.mlp.c_fc.weight", "h.1.ln_1.weight",
                          "h.10.ln_1.weight", "ln_f.weight", "lm_head.weight"}),
            (std::vector<int64_t>{0, 0, 1, 1, 2, 3, 4, 4}));
  EXPECT_EQ(layer_depths({"conv1.weight", "bn1.weight", "layer1.0.conv1.weight", "layer1.1.conv1.weight",
                          "layer2.0.conv1.weight", "fc.weight"}),
            (std::vector<int64_t>{0, 0, 1, 1, 2, 3}));
  EXPECT_EQ(layer_depths({"class_token", "conv_proj.weight", "encoder.layers.encoder_layer_0.ln_1.weight",
                          "encoder.layers.encoder_layer_1.ln_1.weight", "encoder.pos_embedding", "encoder.ln.weight",
                          "heads.head.weight"}),
            (std::vector<int64_t>{0, 0, 1, 2, 0, 3, 3}));
  // A decoder stands on its encoder.
  EXPECT_EQ(layer_depths({"encoder.layers.0.w", "encoder.layers.1.w", "decoder.layers.0.w", "decoder.layers.1.w"}),
            (std::vector<int64_t>{1, 2, 3, 4}));
}

TEST(Groups, LayerDecayFallsTowardsTheInput) {
  for (const auto& name : {"vit", "resnet18"}) {
    const auto model = classifiers().make({name, {}});
    const auto groups = param_groups(*model, {.decay_norms = true, .layer_decay = 0.5});
    double stem = 0, top = 0;
    std::set<double> scales;
    for (const auto& group : groups) {
      scales.insert(group.lr_scale);
      for (const auto& [key, param] : group.params) {
        if (key.starts_with("conv")) stem = group.lr_scale;
        if (key.starts_with("fc.") || key.starts_with("heads.")) top = group.lr_scale;
      }
    }
    const auto layers = name == std::string("vit") ? 6 : 4;
    EXPECT_EQ(top, 1) << name;
    EXPECT_EQ(stem, std::pow(0.5, layers + 1)) << name;
    EXPECT_EQ(scales.size(), static_cast<size_t>(layers) + 2) << name;
  }
}

TEST(Groups, PatternsHaveStarsAndQuestionMarks) {
  EXPECT_TRUE(matches_pattern("head.weight", "head.*"));
  EXPECT_TRUE(matches_pattern("a.b.bias", "*.bias"));
  EXPECT_TRUE(matches_pattern("a.bias.b.bias", "*bias"));
  EXPECT_TRUE(matches_pattern("layer3.0", "layer?.*"));
  EXPECT_TRUE(matches_pattern("x", "**x**"));
  EXPECT_FALSE(matches_pattern("head.weight", "head"));
  EXPECT_FALSE(matches_pattern("ahead.weight", "head.*"));
  EXPECT_FALSE(matches_pattern("", "?"));
  EXPECT_TRUE(matches_pattern("", "*"));
}

TEST(Groups, ARuleWantsAName) {
  struct Holder {
    std::vector<GroupRule> groups;
    static Fields<Holder> fields() { return {{"groups", &Holder::groups, "rates by name"}}; }
  };
  Holder holder;
  read_config(holder, Table{{"groups", List{Table{{"match", "head.*"}, {"lr_scale", 10.0}}}}});
  ASSERT_EQ(holder.groups.size(), 1U);
  EXPECT_EQ(holder.groups[0].lr_scale, 10);
  EXPECT_ERROR(read_config(holder, Table{{"groups", List{Table{{"lr_scale", 10.0}}}}}), "names no parameters");
  EXPECT_ERROR(read_config(holder, Table{{"groups", List{Table{{"match", "a"}, {"lr", 1.0}}}}}), "lr_scale");
  EXPECT_ERROR(read_config(holder, Table{{"groups", List{Table{{"match", "a"}, {"lr_scale", -1.0}}}}}), "at least 0");
}

}  // namespace
}  // namespace hadal
