#include "hadal/ops/assignment.h"

#include <set>

#include "hadal/io/safetensors.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

double sum_of(const Tensor& cost, const std::vector<int64_t>& pairs, double less = 0) {
  double sum = 0;
  std::set<int64_t> columns;
  for (int64_t i = 0; i < std::ssize(pairs); ++i) {
    const auto column = pairs[static_cast<size_t>(i)];
    if (column < 0) continue;
    EXPECT_TRUE(columns.insert(column).second) << "column " << column << " is taken twice";
    sum += cost[i][column].item<double>() - less;
  }
  return sum;
}

}  // namespace

TEST(Assignment, CostsWhatScipysCosts) {
  const auto golden = read_safetensors(test::golden("tracking.safetensors"));
  for (int k = 0; k < 8; ++k) {
    const auto of = [&](const char* what) { return golden.at(fmt::format("assign.{}.{}", k, what)); };
    const auto cost = of("cost");
    const auto pairs = least_cost_pairs(cost);
    EXPECT_NEAR(sum_of(cost, pairs), of("sum").item<double>(), 1e-9) << k;
    EXPECT_EQ(std::count(pairs.begin(), pairs.end(), -1), std::max<int64_t>(0, cost.size(0) - cost.size(1)));
    if (k != 4) EXPECT_TRUE(torch::tensor(pairs).equal(of("pairs"))) << k;
    EXPECT_NEAR(sum_of(cost, least_cost_pairs(cost, -2), -2), of("limited").item<double>(), 1e-9) << k;
  }
}

TEST(Assignment, EqualsTheBestOfAllOrders) {
  torch::manual_seed(3);
  for (int turn = 0; turn < 20; ++turn) {
    const auto cost = torch::randint(0, 6, {5, 5}, torch::kFloat64);
    std::vector<int64_t> order{0, 1, 2, 3, 4};
    auto best = sum_of(cost, order);
    while (std::next_permutation(order.begin(), order.end())) best = std::min(best, sum_of(cost, order));
    EXPECT_EQ(sum_of(cost, least_cost_pairs(cost)), best);
  }
}

TEST(Assignment, TakesEmptyTablesAndRefusesWhatIsNoCost) {
  EXPECT_TRUE(least_cost_pairs(torch::zeros({0, 4})).empty());
  EXPECT_EQ(least_cost_pairs(torch::zeros({2, 0})), (std::vector<int64_t>{-1, -1}));
  EXPECT_EQ(least_cost_pairs(torch::full({2, 2}, INFINITY), 1), (std::vector<int64_t>{-1, -1}));
  EXPECT_ERROR(least_cost_pairs(torch::zeros({3})), "costs (rows, columns) came with 1 dimensions");
  EXPECT_ERROR(least_cost_pairs(torch::full({2, 2}, NAN)), "a cost is NaN");
  EXPECT_ERROR(least_cost_pairs(torch::full({2, 2}, INFINITY)), "a cost is infinite");
}
