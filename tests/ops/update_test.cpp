#include "hadal/ops/update.h"

#include "tests/support/support.h"

namespace hadal {
namespace {

struct Momentum : Rule<1> {
  Real lr, keep;
  template <class T>
  void operator()(T& p, const T& g, T& velocity) const {
    velocity = keep * velocity + g;
    p = p - lr * velocity;
  }
};

TEST(Update, AStateThatIsMissingIsAnError) {
  const Momentum rule{{}, 0.5, 0.9};
  for (const bool gaps : {false, true}) {  // walked through, and as whole tensors
    const auto of = [&](double value) { return torch::full({3, gaps ? 2 : 1}, value).select(1, 0); };
    std::vector<Updated> tensors = {{of(0), of(1), {}, {of(0)}}, {of(0), of(1), {}, {}}};
    EXPECT_ERROR(update(rule, tensors, {}), "[update] a rule with 1 states a parameter met one with 0");
    EXPECT_EQ(tensors[0].param.abs().max().item<double>(), 0);  // nothing has moved
    tensors.pop_back();
    update(rule, tensors, {});
    EXPECT_TRUE(tensors[0].param.equal(torch::full({3}, -0.5)));
  }
}

}  // namespace
}  // namespace hadal
