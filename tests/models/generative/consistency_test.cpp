// Consistency training: its loss, pairs and looks against the papers' formulas, and that it learns.
#include "hadal/models/generative/diffusion/consistency.h"

#include "tests/models/generative/golden.h"

using namespace hadal;
using namespace hadal::test;

namespace {

const GoldenFile& reference() {
  static const GoldenFile file("diffusion");
  return file;
}

std::shared_ptr<const Process> process(const std::string& name, const Table& settings = {}) {
  return processes().make({name, settings});
}

}  // namespace

TEST(Consistency, LossAndItsGradientAreTheReferences) {
  const std::vector<int64_t> shape = {3, 1, 4, 4};
  const auto x = uniform("pictures", shape).to(torch::kFloat64), e = noise("noise", shape, torch::kFloat64);
  const ConsistencyPair pair = {reference()["consistency/t"], reference()["consistency/r"]};
  for (const auto* name : {"edm", "flow"}) {
    const auto weight = torch::tensor(1.3, torch::kFloat64).requires_grad_();
    const auto network = [&](const Tensor& x, const Tensor& time, const Tensor& labels) {  // the script's network()
      const auto each = [](const Tensor& numbers) { return numbers.to(torch::kFloat64).view({-1, 1, 1, 1}); };
      return weight * (0.5 * x.tanh() + 0.3 * x.roll(1, 3) + 0.2 * (0.01 * each(time) + each(labels)).cos());
    };
    const auto loss = consistency_loss({.huber = 0.03}, *process(name), network, pair, x, e, torch::tensor({0, 2, 1}));
    loss.mean().backward();
    const auto key = std::string("consistency/") + name;
    EXPECT_LT(relative_error(loss, reference()[key + "/loss"]), 1e-9) << name;
    EXPECT_LT(relative_error(weight.grad(), reference()[key + "/slope"]), 1e-9) << name;
  }
}

TEST(Consistency, TeacherAndStudentDropTheSame) {
  const auto x = torch::ones({2, 1, 8, 8}), e = torch::zeros_like(x);
  std::vector<Tensor> masks;
  const auto network = [&](const Tensor& x, const Tensor&, const Tensor&) {
    masks.push_back(torch::dropout(torch::ones_like(x), 0.5, true));
    return masks.back();
  };
  const ConsistencyPair pair = {torch::tensor({0.5, 0.6}, torch::kFloat64), torch::tensor({0.4, 0.3}, torch::kFloat64)};
  consistency_loss({}, *process("flow"), network, pair, x, e);
  ASSERT_EQ(masks.size(), 2U);
  EXPECT_TRUE(torch::equal(masks[0], masks[1]));
}

TEST(Consistency, PairsComeCloser) {
  const auto share = torch::linspace(0, 0.999, 400, torch::kFloat64);
  const auto edm = process("edm");
  const auto gap = [&](double done) {
    const auto pair = consistency_pair({}, *edm, share, done);
    EXPECT_TRUE((pair.r < pair.t).all().item<bool>() && (pair.r >= 0).all().item<bool>());
    return 1 - pair.r / pair.t;
  };
  EXPECT_EQ(gap(0).min().item<double>(), 1);  // plain diffusion
  const auto t = edm->draw(share);
  EXPECT_LT(relative_error(gap(0.3), ((1 + 8 * torch::sigmoid(-t)) / 4).clamp_max(1)), 1e-9);
  EXPECT_LT(relative_error(gap(1), (1 + 8 * torch::sigmoid(-t)) / 128), 1e-9);

  const ConsistencyConfig steps{.pairs = "steps", .from = 10, .to = 1280};
  for (const auto& [done, count] : std::vector<std::pair<double, int64_t>>{{0, 10}, {0.26, 40}, {1, 1280}}) {
    const auto pair = consistency_pair(steps, *edm, share, done);
    // Every tenth of the times: of 10 all.
    const auto times = reference()["consistency/times" + std::to_string(count)];
    if (count == 10) {
      const auto near = (pair.r.unsqueeze(1) / times - 1).abs().argmin(1);
      EXPECT_LT(relative_error(pair.r, times.index({near})), 1e-9);
      EXPECT_LT(relative_error(pair.t, times.index({near + 1})), 1e-9);
    }
    EXPECT_TRUE(((pair.r <= t) & (t <= pair.t))[200].item<bool>());
    const auto root = [](const Tensor& x) { return x.pow(1.0 / 7); };
    const auto step = (root(times[10]) - root(times[0])).item<double>() / static_cast<double>(count);
    EXPECT_LT((root(pair.t) - root(pair.r) - step).abs().max().item<double>(), 1e-9) << count;
  }
}

TEST(Consistency, LearnsToMakeANumberInOneLook) {
  // Pictures are -1 or 1 by class; a net of two numbers a class can say so.
  torch::manual_seed(3);
  const auto flow = process("flow");
  auto table = torch::zeros({2, 1, 1, 1}).requires_grad_();
  const auto network = [&](const Tensor& x, const Tensor& time, const Tensor& labels) {
    // Rightly (x - picture) / t.
    return (x - table.index({labels})) / (time / 1000).clamp_min(1e-3).view({-1, 1, 1, 1});
  };
  torch::NoGradGuard off;
  for (int64_t step = 0; step < 200; ++step) {
    const torch::AutoGradMode on(true);
    const auto labels = torch::randint(2, {16});
    const auto x = (2.0 * labels.to(torch::kFloat32) - 1).view({-1, 1, 1, 1});
    const auto pair = consistency_pair({.stages = 3}, *flow, torch::rand({16}), static_cast<double>(step) / 400);
    table.mutable_grad() = Tensor();
    consistency_loss({}, *flow, network, pair, x, torch::randn_like(x), labels).mean().backward();
    const torch::NoGradGuard still;
    table.sub_(0.05 * table.grad());
  }
  const auto made = consistency_sample(*flow, network, torch::randn({2, 1, 1, 1}), torch::tensor({0, 1}));
  EXPECT_NEAR(made[0].item<double>(), -1, 0.1);
  EXPECT_NEAR(made[1].item<double>(), 1, 0.1);
}

TEST(Consistency, LooksAgainFromFreshNoise) {
  const auto edm = process("edm");
  const auto network = [](const Tensor& x, const Tensor&, const Tensor&) { return 0.1 * x; };
  const auto z = noise("start", {2, 1, 4, 4}, torch::kFloat32), e = noise("fresh", {2, 1, 4, 4}, torch::kFloat32);
  const auto look = [&](const Tensor& x, double time) {
    const auto levels = edm->at(torch::full({2}, time, torch::kFloat64));
    return denoised(levels, x, network(for_each_picture(levels.input, x) * x, {}, {})).clamp(-1, 1);
  };
  const auto once = look(80 * z, 80);
  EXPECT_TRUE(torch::equal(consistency_sample(*edm, network, z), once));
  EXPECT_LT(relative_error(consistency_sample(*edm, network, z, {}, {0.8}, [&](int64_t) { return e; }),
                           look(once + 0.8 * e, 0.8)),
            1e-6);
}

TEST(Consistency, SaysWhatItWants) {
  const auto network = [](const Tensor& x, const Tensor&, const Tensor&) { return x; };
  const auto z = torch::zeros({1, 1, 2, 2});
  EXPECT_ERROR(consistency_sample(*process("ddpm"), network, z),
               "wants a process over continuous time, edm or flow; got ddpm");
  EXPECT_ERROR(consistency_sample(*process("edm"), network, z, {}, {0.5}), "1 further looks want fresh noise");
  EXPECT_ERROR(consistency_pair({.from = 20, .to = 10}, *process("edm"), torch::zeros({1}), 0),
               "from (20) must be at most to (10)");
  EXPECT_ERROR(consistency_pair({.huber = 0}, *process("edm"), torch::zeros({1}), 0), "huber");
}
