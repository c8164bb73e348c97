#include "hadal/nn/attention.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {

struct Pair {
  SelfAttention ours;
  nn::MultiheadAttention theirs;

  Pair() : ours(24, 3), theirs(nn::MultiheadAttentionOptions(24, 3)) {
    torch::manual_seed(0);
    const torch::NoGradGuard no_grad;
    const auto from = theirs->named_parameters();
    for (auto& parameter : ours->named_parameters()) {
      from[parameter.key()].normal_(0, 0.3);
      parameter.value().copy_(from[parameter.key()]);
    }
  }
};

}  // namespace

TEST(SelfAttention, IsMultiheadAttentionUnderEveryMask) {
  Pair pair;
  const auto refused = torch::rand({7, 7}) < 0.3;
  refused.fill_diagonal_(false);
  const auto later = torch::ones({7, 7}, torch::kBool).triu(1);
  const auto minus_infinity = [](const Tensor& mask) { return torch::zeros({7, 7}).masked_fill(mask, -INFINITY); };
  const auto added = torch::randn({7, 7});
  const std::vector<std::pair<AttentionOptions, Tensor>> cases = {
      {{}, {}},
      {{.causal = true}, minus_infinity(later)},
      {{.mask = ~refused}, minus_infinity(refused)},
      {{.mask = added}, added},
  };
  for (const auto& [options, mask] : cases) {
    auto x = torch::randn({2, 7, 24}).requires_grad_();
    const auto weigh = torch::randn({2, 7, 24});
    const auto ours = pair.ours(x, options);
    (ours * weigh).sum().backward();
    auto y = x.detach().clone().requires_grad_();
    const auto sequence = y.transpose(0, 1);  // LibTorch's wants (T, B, dim)
    const auto theirs =
        std::get<0>(pair.theirs->forward(sequence, sequence, sequence, {}, false, mask)).transpose(0, 1);
    (theirs * weigh).sum().backward();
    EXPECT_LT(relative_error(ours, theirs), 1e-5);
    EXPECT_LT(relative_error(x.grad(), y.grad()), 1e-5);
    for (const auto& parameter : pair.ours->named_parameters())
      EXPECT_LT(relative_error(parameter.value().grad(), pair.theirs->named_parameters()[parameter.key()].grad()), 1e-4)
          << parameter.key();
    pair.ours->zero_grad();
    pair.theirs->zero_grad();
  }
}

TEST(SelfAttention, DropsWeightsInTrainingAlone) {
  SelfAttention attention(8, 2, 0.5);
  const auto x = torch::randn({1, 6, 8});
  EXPECT_FALSE(torch::equal(attention(x), attention(x)));
  attention->eval();
  EXPECT_TRUE(torch::equal(attention(x), attention(x)));
}

TEST(SelfAttention, RefusesWhatDoesNotFit) {
  EXPECT_ERROR(SelfAttention(10, 4), "[attention] dim (10) must be divisible by heads (4); nearest: 12");
  EXPECT_ERROR(SelfAttention(8, 2)(torch::zeros({1, 3, 9})), "[attention] wants (any, any, 8), got (1, 3, 9)");
}
