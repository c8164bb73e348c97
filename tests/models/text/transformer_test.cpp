#include "hadal/models/text/transformer.h"

#include "hadal/io/weights.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

TransformerConfig small() {
  return {.vocabulary = 17, .dim = 8, .heads = 2, .mlp = 12, .encoder_layers = 2, .decoder_layers = 2, .dropout = 0};
}

}  // namespace

/// Word by word with the cache, sources of several lengths: the same features as all at once.
TEST(Transformer, DecodesWithItsCacheAsWithout) {
  torch::NoGradGuard no_grad;
  for (const bool learned : {false, true}) {
    auto config = small();
    config.positions = learned ? "learned" : "sinusoidal";
    Transformer model(config);
    model->eval();
    const auto source = torch::randint(17, {3, 6}, torch::kInt64), lengths = torch::tensor({6, 2, 4});
    const auto target = torch::randint(17, {3, 5}, torch::kInt64);
    const auto whole = model->forward(source, lengths, target);
    const auto memory = model->encode(source, lengths);
    const auto mask = padding_mask(lengths, 6);
    auto cache = model->make_cache(3, 5);
    for (int64_t i = 0; i < 5; ++i) {
      const auto step = model->decode(target.slice(1, i, i + 1), memory, mask, &cache);
      EXPECT_LT((step.squeeze(1) - whole.select(1, i)).abs().max().item<double>(), 1e-4) << i;
    }
  }
}

TEST(Transformer, PaddingAndOtherTextsChangeNothing) {
  torch::NoGradGuard no_grad;
  Transformer model(small());
  model->eval();
  const auto source = torch::randint(17, {2, 6}, torch::kInt64), target = torch::randint(17, {2, 4}, torch::kInt64);
  const auto both = model->forward(source, torch::tensor({6, 3}), target);
  const auto alone = model->forward(source.slice(0, 1).slice(1, 0, 3), torch::tensor({3}), target.slice(0, 1));
  EXPECT_LT((both.slice(0, 1) - alone).abs().max().item<double>(), 1e-5);
  auto other = source.clone();
  other[1].slice(0, 3).fill_(5);
  EXPECT_LT((model->forward(other, torch::tensor({6, 3}), target) - both).abs().max().item<double>(), 1e-6);
}

TEST(Transformer, SinesGoOnBeyondTheirTable) {
  torch::NoGradGuard no_grad;
  auto config = small();
  config.longest = 4;
  Transformer model(config);
  model->eval();
  const auto source = torch::randint(17, {1, 9}, torch::kInt64), lengths = torch::tensor({9});
  auto roomy = config;
  roomy.longest = 64;
  Transformer same(roomy);
  same->eval();
  load_weights(*same, state_dict(*model));
  EXPECT_TRUE(torch::equal(model->encode(source, lengths), same->encode(source, lengths)));
}

TEST(Transformer, MistakesSayTheWayOut) {
  auto config = small();
  Transformer model(config);
  const auto good = torch::zeros({1, 2}, torch::kInt64), lengths = torch::tensor({2});
  EXPECT_ERROR(model->forward(good + 17, lengths, good), "[transformer] there is no token 17; ids are 0 to 16");
  EXPECT_ERROR(model->forward(good, lengths, good - 1), "[transformer] there is no token -1; ids are 0 to 16");
  EXPECT_ERROR(model->encode(good[0], lengths), "[transformer] wants (any, any), got (2)");
  config.positions = "learned";
  config.longest = 1;
  Transformer learned(config);
  EXPECT_ERROR(learned->encode(good, lengths), "2 tokens; the model has 1 positions (model.longest)");
  EXPECT_ERROR(translators().make({"transformer", {{"dim", 10}, {"heads", 4}, {"vocabulary", 9}}}),
               "dim (10) must be divisible by heads (4); nearest: 12");
  EXPECT_ERROR(translators().make({"transformer", {{"dim", 9}, {"heads", 3}}}), "want an even dim, got 9");
  EXPECT_ERROR(translators().make({"transfomer", {}}), "unknown model \"transfomer\"; nearest: transformer");
}
