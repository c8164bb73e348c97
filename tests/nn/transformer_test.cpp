#include "hadal/nn/transformer.h"

#include "tests/nn/torch_golden.h"

using namespace hadal;
using namespace hadal::test;

namespace {

BlockConfig torch_layer(const nlohmann::json& about, bool cross = false) {
  return {.dim = 8,
          .heads = 2,
          .mlp = 12,
          .activation = about.value("activation", "relu"),
          .norm_eps = 1e-5,
          .norm_first = about["norm_first"],
          .cross = cross};
}

Stack small_stack(StackConfig config) {
  torch::manual_seed(0);
  config.block.dim = 16;
  config.block.heads = 4;
  config.block.mlp = 24;
  config.depth = 3;
  config.causal = true;
  Stack stack(config);
  for (auto& parameter : stack->parameters()) parameter.data().normal_(0, 0.4);
  stack->eval();
  return stack;
}

}  // namespace

TEST(Block, IsPyTorchsEncoderLayerUnderEveryMask) {
  int count = 0;
  for (const auto& name : cases_of("encoder")) {
    const TorchCase given(name);
    Block block(torch_layer(given.about));
    given.load(*block);
    const auto x = given.input("x");
    given.expect(*block, block(x, BlockInput{.options = {.mask = given.mask()}}), {{"x", x}});
    ++count;
  }
  EXPECT_EQ(count, 10);
}

TEST(Block, IsPyTorchsDecoderLayerUnderEveryMask) {
  int count = 0;
  for (const auto& name : cases_of("decoder")) {
    const TorchCase given(name);
    Block block(torch_layer(given.about, true));
    given.load(*block);
    const auto x = given.input("x"), memory = given.input("memory");
    const BlockInput input{
        .options = {.mask = given.mask()}, .memory = memory, .memory_options = {.mask = given.mask("memory_")}};
    given.expect(*block, block(x, input), {{"x", x}, {"memory", memory}});
    ++count;
  }
  EXPECT_EQ(count, 8);
}

TEST(EncoderDecoder, IsPyTorchsTransformer) {
  for (const std::string name : {"transformer_pre", "transformer_post"}) {
    const TorchCase given(name);
    EncoderDecoder model(StackConfig{.block = torch_layer(given.about), .depth = 2},
                         StackConfig{.block = torch_layer(given.about), .depth = 1});
    given.load(*model);
    const auto source = given.input("source"), target = given.input("target");
    given.expect(*model, model(source, target, given.mask(), given.mask("target_")),
                 {{"source", source}, {"target", target}});
  }
}

TEST(EncoderDecoder, TheSourcesMaskIsTheTargetsForPaddingAlone) {
  const BlockConfig block{.dim = 16, .heads = 4, .mlp = 24};
  EncoderDecoder model(StackConfig{.block = block, .depth = 1}, StackConfig{.block = block, .depth = 1});
  model->eval();
  const auto source = torch::randn({2, 3, 16}), target = torch::randn({2, 4, 16});
  const auto causal = torch::ones({3, 3}).tril().to(torch::kBool), padding = torch::tensor({true, true, false});
  const auto apart = [&](const Tensor& own, const Tensor& across) {
    return model->decoder(target,
                          StackInput{.memory = model->encoder(source, StackInput{.mask = own}), .memory_mask = across});
  };
  EXPECT_TRUE(model(source, target, causal).equal(apart(causal, Tensor())));
  EXPECT_TRUE(model(source, target, padding.view({1, 1, 1, 3}))
                  .equal(apart(padding.view({1, 1, 1, 3}), padding.view({1, 1, 1, 3}))));
  const auto some = torch::rand({4, 3}) > 0.3;
  EXPECT_TRUE(model(source, target, causal, Tensor(), some).equal(apart(causal, some)));
}

TEST(Stack, TakesNothingAndRefusesCachesOfOthers) {
  auto stack = small_stack({});
  EXPECT_EQ(stack(torch::zeros({0, 3, 16})).sizes(), (std::vector<int64_t>{0, 3, 16}));
  EXPECT_EQ(stack(torch::zeros({2, 0, 16})).sizes(), (std::vector<int64_t>{2, 0, 16}));
  DecodingCache none, deep = stack->make_cache(1, 8);
  EXPECT_ERROR(stack(torch::zeros({1, 1, 16}), StackInput{.cache = &none}), "the cache has 0 layers and the stack 3");
  deep.layers.pop_back();
  EXPECT_ERROR(stack(torch::zeros({1, 1, 16}), StackInput{.cache = &deep}), "the cache has 2 layers and the stack 3");
}

TEST(Block, IsItsFormulaWithGatesAndRmsNorm) {
  torch::manual_seed(0);
  Block block(BlockConfig{.dim = 12, .heads = 3, .mlp = 20, .activation = "swiglu", .norm = "rms", .bias = false});
  for (auto& parameter : block->parameters()) parameter.data().normal_(0, 0.5);
  const auto p = block->named_parameters();
  const auto norm = [&](const Tensor& x, const char* name) {
    return x / (x.square().mean(-1, true) + 1e-6).sqrt() * p[name];
  };
  const auto x = torch::randn({2, 5, 12});
  MultiHeadAttention attention(MultiHeadConfig{.dim = 12, .heads = 3, .bias = false});
  for (auto& parameter : attention->named_parameters())
    parameter.value().data().copy_(p["self_attention." + parameter.key()]);
  const auto y = x + attention->self(norm(x, "ln_1.weight"));
  const auto z = norm(y, "ln_2.weight"), wide = p["mlp.0.weight"];
  const auto gate = torch::linear(z, wide.slice(0, 0, 20)), up = torch::linear(z, wide.slice(0, 20));
  const auto expected = y + torch::linear(torch::silu(gate) * up, p["mlp.3.weight"]);
  EXPECT_LT(relative_error(block(x), expected), 1e-5);
  EXPECT_EQ(p.size(), 6);
  EXPECT_ERROR(Block(BlockConfig{.activation = "gelus"}), "[mlp] unknown activation \"gelus\"; nearest: gelu");
}

TEST(Blocks, HandTheMaskToEveryBlock) {
  torch::manual_seed(0);
  Blocks layers(BlockConfig{.dim = 12, .heads = 3, .mlp = 20}, 3);
  const auto x = torch::randn({1, 6, 12});
  auto changed = x.clone();
  changed.select(1, 4).normal_();
  const BlockInput causal{.options = {.causal = true}};
  const auto before = layers(x, causal), after = layers(changed, causal);
  EXPECT_LT(relative_error(after.slice(1, 0, 4), before.slice(1, 0, 4)), 1e-6);
  EXPECT_GT(relative_error(after.slice(1, 5), before.slice(1, 5)), 1e-3);
  EXPECT_GT(relative_error(layers(changed).slice(1, 0, 4), layers(x).slice(1, 0, 4)), 1e-3);
}

TEST(Blocks, DropInTrainingAlone) {
  for (const auto& config :
       {BlockConfig{.dropout = 0.5}, BlockConfig{.attention_dropout = 0.5}, BlockConfig{.mlp_dropout = 0.5}}) {
    auto small = config;
    small.dim = 12, small.heads = 3, small.mlp = 20;
    Block block(small);
    const auto x = torch::randn({1, 6, 12});
    EXPECT_FALSE(torch::equal(block(x), block(x)));
    block->eval();
    EXPECT_TRUE(torch::equal(block(x), block(x)));
  }
}

TEST(Stack, DecodesWithItsCacheAsWithout) {
  const torch::NoGradGuard no_grad;
  const std::vector<StackConfig> configs = {{.positions = "none"},
                                            {.positions = "rotary"},
                                            {.positions = "alibi"},
                                            {.positions = "relative"},
                                            {.block = {.kv_heads = 2, .norm = "rms"}, .positions = "rotary"},
                                            {.block = {.window = 3}, .positions = "rotary"}};
  for (const auto& config : configs) {
    auto stack = small_stack(config);
    const auto x = torch::randn({2, 9, 16});
    const auto whole = stack(x);
    for (const auto& steps : {std::vector<int64_t>{1, 1, 1, 1, 1, 1, 1, 1, 1}, {4, 1, 3, 1}, {9}}) {
      auto cache = stack->make_cache(2, 12);
      std::vector<Tensor> parts;
      int64_t at = 0;
      for (const auto step : steps) {
        parts.push_back(stack(x.slice(1, at, at + step), StackInput{.cache = &cache}));
        at += step;
      }
      EXPECT_LT(relative_error(torch::cat(parts, 1), whole), 1e-4) << config.positions << " " << steps.size();
      EXPECT_EQ(cache.seen(), 9);
    }
  }
}

TEST(Stack, RollsItsCacheOverAsAWindow) {
  const torch::NoGradGuard no_grad;
  for (const std::string positions : {"rotary", "alibi", "relative"}) {
    auto stack = small_stack({.positions = positions}),
         windowed = small_stack({.block = {.window = 4}, .positions = positions});
    const auto x = torch::randn({2, 11, 16});
    const auto whole = windowed(x);
    for (const auto& steps : {std::vector<int64_t>(11, 1), {3, 4, 1, 1, 2}, {7, 1, 1, 1, 1}}) {
      auto cache = stack->make_cache(2, 4);
      std::vector<Tensor> parts;
      int64_t at = 0;
      for (const auto step : steps) {
        parts.push_back(stack(x.slice(1, at, at + step), StackInput{.cache = &cache}));
        at += step;
      }
      EXPECT_LT(relative_error(torch::cat(parts, 1), whole), 1e-4) << positions << " " << steps.size();
    }
  }
}

TEST(Stack, LeavesPaddingOnTheLeftOut) {
  const torch::NoGradGuard no_grad;
  auto stack = small_stack({.positions = "rotary"});
  const auto shorter = torch::randn({1, 3, 16}), longer = torch::randn({1, 6, 16}), next = torch::randn({2, 1, 16});
  const auto padded = torch::cat({torch::cat({torch::full({1, 3, 16}, 7.0), shorter}, 1), longer});
  auto cache = stack->make_cache(2, 8);
  cache.starts = torch::tensor({3, 0});
  const auto first = stack(padded, StackInput{.cache = &cache}), second = stack(next, StackInput{.cache = &cache});
  const auto alone = stack(torch::cat({shorter, next[0].unsqueeze(0)}, 1)),
             other = stack(torch::cat({longer, next[1].unsqueeze(0)}, 1));
  EXPECT_LT(relative_error(first[0].slice(0, 3), alone[0].slice(0, 0, 3)), 1e-4);
  EXPECT_LT(relative_error(second[0][0], alone[0][3]), 1e-4);
  EXPECT_LT(relative_error(first[1], other[0].slice(0, 0, 6)), 1e-4);
  EXPECT_LT(relative_error(second[1][0], other[0][6]), 1e-4);
  EXPECT_TRUE(first.isfinite().all().item<bool>());
}

TEST(Stack, GoesOnWithChosenSequences) {
  const torch::NoGradGuard no_grad;
  auto stack = small_stack({.block = {.cross = true}, .positions = "rotary"});
  const auto x = torch::randn({3, 5, 16}), memory = torch::randn({3, 4, 16});
  const auto rows = torch::tensor({2, 2, 0});
  auto cache = stack->make_cache(3, 8);
  stack(x.slice(1, 0, 4), StackInput{.memory = memory, .cache = &cache});
  cache.select(rows);
  const auto last = stack(x.index_select(0, rows).slice(1, 4), StackInput{.memory = memory, .cache = &cache});
  const auto whole = stack(x, StackInput{.memory = memory}).index_select(0, rows);
  EXPECT_LT(relative_error(last, whole.slice(1, 4)), 1e-4);
}

TEST(Stack, ShowsEachLayersWeights) {
  auto stack = small_stack({.positions = "alibi"});
  std::vector<Tensor> weights;
  stack(torch::randn({2, 5, 16}), StackInput{.weights = &weights});
  ASSERT_EQ(weights.size(), 3);
  for (const auto& layer : weights) {
    EXPECT_EQ(layer.sizes(), (std::vector<int64_t>{2, 4, 5, 5}));
    EXPECT_LT((layer.sum(-1) - 1).abs().max().item<double>(), 1e-5);
    EXPECT_EQ(layer.triu(1).abs().max().item<double>(), 0);
  }
}

TEST(Stack, RefusesUnknownPositions) {
  EXPECT_ERROR(
      Stack(StackConfig{.depth = 1, .positions = "absolute"}),
      "[transformer] there are no positions \"absolute\" inside attention; known: none, rotary, alibi, relative");
  EXPECT_ERROR(small_stack({})->make_cache(1, 0), "[cache] length (0) must be at least 1");
}
