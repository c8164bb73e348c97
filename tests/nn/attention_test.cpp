#include "hadal/nn/attention.h"

#include "tests/nn/torch_golden.h"

using namespace hadal;
using namespace hadal::test;

namespace {

MultiHeadAttention small(int64_t kv_heads = 0, int64_t window = 0) {
  torch::manual_seed(0);
  MultiHeadAttention made(MultiHeadConfig{.dim = 16, .heads = 4, .kv_heads = kv_heads, .window = window});
  for (auto& parameter : made->parameters()) parameter.data().normal_(0, 0.5);
  return made;
}

/// Attention head by head as the paper's formula has it, from the module's own weights.
Tensor by_formula(MultiHeadAttention& module, const Tensor& x, int64_t kv_heads, const Tensor& seen) {
  const auto p = module->named_parameters();
  const auto all = torch::linear(x, p["in_proj_weight"], p["in_proj_bias"]);
  std::vector<Tensor> heads;
  for (int64_t h = 0; h < 4; ++h) {
    const auto kv = h / (4 / kv_heads);
    const auto q = all.slice(2, 4 * h, 4 * h + 4), k = all.slice(2, 16 + 4 * kv, 20 + 4 * kv),
               v = all.slice(2, 16 + 4 * kv_heads + 4 * kv, 20 + 4 * kv_heads + 4 * kv);
    const auto scores = q.matmul(k.transpose(1, 2)) / 2;
    heads.push_back(scores.masked_fill(~seen, -INFINITY).softmax(-1).matmul(v));
  }
  return torch::linear(torch::cat(heads, 2), p["out_proj.weight"], p["out_proj.bias"]);
}

}  // namespace

TEST(MultiHeadAttention, IsPyTorchsUnderEveryMask) {
  int count = 0;
  for (const auto& name : cases_of("attention")) {
    const TorchCase given(name);
    MultiHeadAttention module(MultiHeadConfig{.dim = 8, .heads = 2});
    given.load(*module);
    const AttentionInput input{.options = {.mask = given.mask()}};
    std::map<std::string, Tensor> inputs;
    for (const auto* key : {"x", "q", "k", "v"})
      if (given[std::string("input/") + key].defined()) inputs[key] = given.input(key);
    const auto out = inputs.contains("x") ? module->self(inputs["x"], input)
                                          : module->attend(inputs["q"], inputs["k"], inputs["v"], input);
    given.expect(*module, out, inputs);
    ++count;
  }
  EXPECT_EQ(count, 14);
}

TEST(MultiHeadAttention, ShowsItsWeights) {
  const TorchCase given("self_bool_padding");
  MultiHeadAttention module(MultiHeadConfig{.dim = 8, .heads = 2, .dropout = 0.5});
  given.load(*module);
  const auto looked = [](const char* key) { return torch_modules().at(std::string("looked/") + key); };
  Tensor weights;
  module->self(
      looked("x"),
      AttentionInput{.options = {.mask = both_masks(looked("mask/attn").logical_not(),
                                                    looked("mask/padding").logical_not().unsqueeze(1).unsqueeze(1))},
                     .weights = &weights});
  EXPECT_LT(relative_error(weights, looked("weights")), 1e-5);
}

TEST(MultiHeadAttention, AttendsToNothingWhereTheMaskIsZero) {
  auto module = small();
  const auto x = torch::randn({2, 5, 16});
  const auto seen = torch::ones({5, 5}, torch::kBool).tril();
  const auto expected = by_formula(module, x, 4, seen);
  for (const auto type : {torch::kBool, torch::kInt64, torch::kFloat32}) {
    const auto mask = seen.to(type);
    EXPECT_LT(relative_error(module(x, x, x, mask), expected), 1e-5);
    EXPECT_LT(relative_error(module(x, x, x, mask.expand({2, 5, 5})), expected), 1e-5);
    EXPECT_LT(relative_error(module(x, x, x, mask.expand({2, 1, 5, 5})), expected), 1e-5);
  }
}

TEST(MultiHeadAttention, GivesZerosWhereNothingIsSeen) {
  auto module = small();
  auto x = torch::randn({1, 4, 16}).requires_grad_();
  auto mask = torch::ones({4, 4});
  mask[2] = 0;
  const auto out = module(x, x, x, mask);
  EXPECT_LT(relative_error(out[0][2], module->named_parameters()["out_proj.bias"]), 1e-6);
  out.sum().backward();
  EXPECT_TRUE(x.grad().isfinite().all().item<bool>());
  Tensor weights;
  module->self(x, AttentionInput{.options = {.mask = mask_of_zeros(mask)}, .weights = &weights});
  EXPECT_EQ(weights[0].select(1, 2).abs().max().item<double>(), 0);
}

TEST(Masks, AreNotTakenForWhatTheyAreNot) {
  const auto added = torch::zeros({4, 4}).masked_fill(torch::ones({4, 4}, torch::kBool).triu(1), -INFINITY);
  EXPECT_ERROR(mask_of_zeros(added), "the mask holds -inf, so it is one that is added to the scores");
  EXPECT_ERROR(both_masks(torch::ones({4, 4}, torch::kInt64), added), "where zeros forbid, give mask.ne(0)");
}

TEST(MultiHeadAttention, SharesKeysAmongHeads) {
  for (const int64_t kv_heads : {1, 2}) {
    auto module = small(kv_heads);
    EXPECT_EQ(module->named_parameters()["in_proj_weight"].size(0), 16 + 8 * kv_heads);
    const auto x = torch::randn({2, 5, 16});
    const auto seen = torch::ones({5, 5}, torch::kBool).tril();
    EXPECT_LT(relative_error(module->self(x, AttentionInput{.options = {.causal = true}}),
                             by_formula(module, x, kv_heads, seen)),
              1e-5);
  }
}

TEST(MultiHeadAttention, LooksThroughAWindow) {
  auto module = small(0, 2);
  const auto x = torch::randn({1, 6, 16});
  const auto places = torch::arange(6);
  EXPECT_LT(relative_error(module->self(x, AttentionInput{.options = {.causal = true}}),
                           by_formula(module, x, 4, position_mask(places, places, true, 2))),
            1e-5);
  EXPECT_LT(relative_error(module->self(x), by_formula(module, x, 4, position_mask(places, places, false, 2))), 1e-5);
  EXPECT_EQ(position_mask(places, places, true, 2).sum().item<int64_t>(), 11);
  EXPECT_EQ(position_mask(places, places, false, 2).sum().item<int64_t>(), 16);
}

TEST(MultiHeadAttention, DropsWeightsInTrainingAlone) {
  MultiHeadAttention attention(MultiHeadConfig{.dim = 8, .heads = 2, .dropout = 0.5});
  const auto x = torch::randn({1, 6, 8});
  EXPECT_FALSE(torch::equal(attention->self(x), attention->self(x)));
  attention->eval();
  EXPECT_TRUE(torch::equal(attention->self(x), attention->self(x)));
}

TEST(MultiHeadAttention, RefusesWhatDoesNotFit) {
  EXPECT_ERROR(MultiHeadAttention(MultiHeadConfig{.dim = 10, .heads = 4}),
               "[attention] dim (10) must be divisible by heads (4); nearest: 12");
  EXPECT_ERROR(MultiHeadAttention(MultiHeadConfig{.dim = 8, .heads = 4, .kv_heads = 3}),
               "[attention] heads (4) must be divisible by kv_heads (3)");
  auto module = small();
  EXPECT_ERROR(module->self(torch::zeros({1, 3, 9})), "[attention] wants (any, any, 16), got (1, 3, 9)");
  const auto x = torch::zeros({2, 3, 16});
  EXPECT_ERROR(module(x, x, x, torch::ones({3, 4})), "[attention] the mask (3, 4) must broadcast to (2, 4, 3, 3)");
  EXPECT_ERROR(module(x, x, x, torch::ones({3})), "[attention] the mask (3) must be (queries, keys), (batch");
}

TEST(Masks, JoinBothKinds) {
  const auto seen = torch::tensor({1, 0, 1}).to(torch::kBool), added = torch::tensor({0.5, 1.0, -1.0});
  const auto both = both_masks(seen, added);
  EXPECT_TRUE(torch::equal(both, both_masks(added, seen)));
  EXPECT_EQ(both[0].item<double>(), 0.5);
  EXPECT_EQ(both[1].item<double>(), -INFINITY);
  EXPECT_TRUE(torch::equal(both_masks(seen, {}), seen));
  EXPECT_TRUE(torch::equal(padding_mask(torch::tensor({1, 3}), 3)[0][0][0], torch::tensor({1, 0, 0}).to(torch::kBool)));
}
