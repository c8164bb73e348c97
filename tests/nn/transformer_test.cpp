#include "hadal/nn/transformer.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

TEST(EncoderBlock, IsItsFormula) {
  torch::manual_seed(0);
  EncoderBlock block(EncoderConfig{.dim = 12, .heads = 3, .mlp = 20, .norm_eps = 1e-3});
  for (auto& parameter : block->parameters()) parameter.data().normal_(0, 0.5);
  const auto p = block->named_parameters();
  const auto norm = [&](const Tensor& x, const std::string& name) {
    return torch::layer_norm(x, {12}, p[name + ".weight"], p[name + ".bias"], 1e-3);
  };
  const auto x = torch::randn({2, 5, 12});
  SelfAttention attention(12, 3);
  for (auto& parameter : attention->named_parameters())
    parameter.value().data().copy_(p["self_attention." + parameter.key()]);
  const auto y = x + attention(norm(x, "ln_1"));
  const auto wide = torch::gelu(torch::linear(norm(y, "ln_2"), p["mlp.0.weight"], p["mlp.0.bias"]));
  const auto expected = y + torch::linear(wide, p["mlp.3.weight"], p["mlp.3.bias"]);
  EXPECT_LT(relative_error(block(x), expected), 1e-6);
}

TEST(EncoderLayers, HandTheMaskToEveryBlock) {
  torch::manual_seed(0);
  EncoderLayers layers(EncoderConfig{.dim = 12, .depth = 3, .heads = 3, .mlp = 20});
  const auto x = torch::randn({1, 6, 12});
  auto changed = x.clone();
  changed.select(1, 4).normal_();
  const auto before = layers->forward(x, {.causal = true}), after = layers->forward(changed, {.causal = true});
  EXPECT_LT(relative_error(after.slice(1, 0, 4), before.slice(1, 0, 4)), 1e-6);
  EXPECT_GT(relative_error(after.slice(1, 5), before.slice(1, 5)), 1e-3);
  EXPECT_GT(relative_error(layers(changed).slice(1, 0, 4), layers(x).slice(1, 0, 4)), 1e-3);
}
