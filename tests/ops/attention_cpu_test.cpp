#include "hadal/ops/attention_cpu.h"

#include <fstream>

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include "tests/ops/attention_cases.h"
#include "tests/support/support.h"

namespace hadal::test {
namespace {

// Around the sizes of tiles and blocks, widths beside and beyond whole vectors, shared heads, more and fewer keys than
// queries, more and fewer than four times the width (whose scores the backward pass computes again); the last three are
// narrow heads in numbers, some of them not filling the last vector.
const std::vector<Shape> kShapes{{1, 1, 1, 1, 1},        {2, 3, 6, 16, 5},      {1, 2, 63, 65, 16},
                                 {1, 2, 130, 64, 33},    {1, 2, 97, 197, 64},   {2, 1, 200, 131, 100},
                                 {1, 4, 70, 70, 128, 2}, {1, 6, 100, 49, 8, 1}, {1, 2, 140, 197, 24},
                                 {40, 2, 11, 11, 4},     {13, 5, 9, 20, 8},     {9, 8, 20, 9, 4}};

std::vector<AttentionCpu> cpus() {
  std::vector<AttentionCpu> all{AttentionCpu::kAvx2, AttentionCpu::kAvx512, AttentionCpu::kAvx512Bf16};
  std::erase_if(all, [](auto cpu) { return cpu > attention_cpu(); });
  return all;
}

Operator by(AttentionCpu cpu) {
  return [cpu](const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& o) {
    return cpu_attention(q, k, v, o, cpu);
  };
}

void check_kernels(at::ScalarType type, double tolerance) {
  if (cpus().empty()) GTEST_SKIP() << "this CPU has no kernels";
  for (const auto cpu : cpus()) {
    SCOPED_TRACE(fmt::format("CPU {}", static_cast<int>(cpu)));
    check_all(kShapes, type, tolerance, [=](const Shape&) { return by(cpu); });
  }
}

TEST(CpuAttention, EqualsItsFormulaInFp32) { check_kernels(at::kFloat, 1e-5); }
TEST(CpuAttention, EqualsItsFormulaInBf16) { check_kernels(at::kBFloat16, 3e-2); }

TEST(CpuAttention, EqualsItsFormulaForFewQueries) {
  const torch::NoGradGuard no_grad;
  for (const auto cpu : cpus())
    for (const auto& s :
         std::vector<Shape>{{2, 3, 1, 300, 64}, {2, 8, 1, 130, 20, 2}, {1, 4, 2, 65, 128, 1}, {1, 1, 7, 7, 33}})
      for (const auto type : {at::kFloat, at::kBFloat16}) {
        const auto in = inputs(s, type);
        for (int kind = 0; kind < kMasks; ++kind) {
          SCOPED_TRACE(fmt::format("CPU {}, {} x {}, mask {}", static_cast<int>(cpu), s.queries, s.keys, kind));
          const auto options = mask_of_kind(s, kind);
          const auto want = formula(in.q.to(at::kDouble), in.k.to(at::kDouble), in.v.to(at::kDouble), options);
          EXPECT_LE((cpu_attention(in.q, in.k, in.v, options, cpu).to(at::kDouble) - want).abs().max().item<double>(),
                    type == at::kFloat ? 1e-5 : 3e-2);
        }
      }
}

TEST(CpuAttention, SharesOneHeadAmongThreads) {
  const int threads = at::get_num_threads();
  at::set_num_threads(3);
  const std::vector<Shape> few{{1, 1, 300, 300, 24}, {1, 2, 250, 400, 16, 1}};
  for (const auto cpu : cpus()) check_all(few, at::kFloat, 1e-5, [=](const Shape&) { return by(cpu); });
  at::set_num_threads(threads);
}

TEST(CpuAttention, TakesAnyStrides) {
  for (const auto cpu : cpus()) {
    torch::manual_seed(3);
    const auto turned = torch::randn({2, 3, 20, 30}).transpose(2, 3);  // (2, 3, 30, 20), width not dense
    const auto one = torch::randn({2, 1, 1, 20}).expand({2, 3, 30, 20});
    const auto y = cpu_attention(turned, one, turned, {}, cpu);
    EXPECT_LE(relative_error(y, cpu_attention(turned.contiguous(), one.contiguous(), turned.contiguous(), {}, cpu)),
              1e-6);
    auto q = turned.detach().requires_grad_();
    cpu_attention(q, one, turned, {}, cpu).sum().backward();  // a gradient that is one number, expanded
    EXPECT_TRUE(q.grad().isfinite().all().item<bool>());
  }
}

// LibTorch fills new memory with what is not a number: nothing that the forward pass left out may reach the gradients.
TEST(CpuAttention, ReadsOnlyWhatItWrote) {
  auto& context = at::globalContext();
  const bool before = context.deterministicAlgorithms();
  context.setDeterministicAlgorithms(true, false);
  ASSERT_TRUE(at::empty({100}).isnan().all().item<bool>());
  for (const auto cpu : cpus())
    check_all({{1, 2, 97, 197, 64}, {1, 2, 150, 131, 100}, {2, 4, 70, 70, 128, 2}}, at::kFloat, 1e-5,
              [=](const Shape&) { return by(cpu); });
  context.setDeterministicAlgorithms(before, false);
}

// So that joining the heads costs no copy.
TEST(CpuAttention, LaysHeadsSideBySide) {
  const auto t = torch::randn({2, 3, 10, 8});
  for (const auto cpu : cpus()) EXPECT_TRUE(cpu_attention(t, t, t, {}, cpu).transpose(1, 2).is_contiguous());
}

TEST(CpuAttention, PassesOnWhatIsNotANumber) {
  for (const auto cpu : cpus())
    for (const auto& s : std::vector<Shape>{{1, 2, 70, 70, 16}, {64, 2, 9, 9, 4}}) {
      auto in = inputs(s, at::kFloat);
      in.q[0][0][5][1] = NAN;
      const auto y = cpu_attention(in.q, in.k, in.v, {}, cpu);
      EXPECT_TRUE(y[0][0][5].isnan().all().item<bool>());
      EXPECT_EQ(y.isnan().sum().item<int64_t>(), s.width);
    }
}

// The weights that dropout left, from v = identity.
TEST(CpuAttention, DropsTheShareThatIsAsked) {
  for (const auto cpu : cpus())
    for (const auto& s : std::vector<Shape>{{1, 4, 128, 128, 128}, {512, 2, 8, 8, 8}}) {
      const auto in = inputs(s, at::kFloat);
      const auto identity = torch::eye(s.keys).expand({s.batch, s.heads, s.keys, s.keys});
      torch::manual_seed(2);
      const auto weights = cpu_attention(in.q, in.k, identity, {.dropout = 0.3}, cpu);
      const auto kept = weights.ne(0).to(at::kDouble);
      const double n = static_cast<double>(kept.numel());
      EXPECT_NEAR(kept.mean().item<double>(), 0.7, 4 * std::sqrt(0.21 / n));
      // neighbours along every dimension are dropped independently
      for (const int64_t dim : {0, 1, 2, 3}) {
        const auto length = kept.size(dim);
        if (length < 2) continue;
        const auto both = kept.narrow(dim, 0, length - 1) * kept.narrow(dim, 1, length - 1);
        EXPECT_NEAR(both.mean().item<double>(), 0.49, 5 * std::sqrt(0.25 / n * length / (length - 1))) << dim;
      }
      const auto whole = cpu_attention(in.q, in.k, identity, {}, cpu);
      EXPECT_LE((weights - whole * kept / 0.7).abs().max().item<double>(), 1e-5);
    }
}

// Forward and backward must have used the same draw.
TEST(CpuAttention, UsesTheSameDropoutBackward) {
  for (const auto cpu : cpus())
    for (const auto& s : std::vector<Shape>{{1, 2, 140, 140, 140}, {64, 2, 8, 8, 8}}) {
      const auto in = inputs(s, at::kFloat);
      const auto identity = torch::eye(s.keys).expand({s.batch, s.heads, s.keys, s.keys}).contiguous();
      auto q = in.q.detach().requires_grad_(), k = in.k.detach().requires_grad_(),
           v = identity.clone().requires_grad_();
      torch::manual_seed(6);
      const auto weights = cpu_attention(q, k, v, {.causal = true, .dropout = 0.5}, cpu);
      const auto keep = weights.detach().ne(0).to(at::kDouble) * 2;
      const auto got = torch::autograd::grad({weights}, {q, k, v}, {in.dout});
      auto q2 = in.q.to(at::kDouble).requires_grad_(), k2 = in.k.to(at::kDouble).requires_grad_(),
           v2 = identity.to(at::kDouble).requires_grad_();
      const auto later = torch::ones({s.queries, s.keys}, at::kBool).triu(1);
      const auto scores = torch::matmul(q2, k2.transpose(2, 3)) / std::sqrt(static_cast<double>(s.width));
      const auto y = torch::matmul(scores.masked_fill(later, -INFINITY).softmax(-1) * keep, v2);
      const auto want = torch::autograd::grad({y}, {q2, k2, v2}, {in.dout.to(at::kDouble)});
      for (size_t i = 0; i < 3; ++i) EXPECT_LE(relative_error(got[i], want[i]), 1e-5) << i;
    }
}

// Whichever kernel computes it: a mask that hides nothing keeps narrow heads from the one that they would take.
TEST(CpuAttention, DrawsTheSameInEveryKernel) {
  const auto in = inputs({64, 2, 20, 30, 8}, at::kFloat);
  const AttentionOptions plain{.dropout = 0.4}, masked{.mask = torch::ones({30}, at::kBool), .dropout = 0.4};
  for (const auto cpu : cpus()) {
    const auto seeded = [&](auto&&... a) { return torch::manual_seed(4), cpu_attention(a..., cpu); };
    const auto one = run(in, plain, seeded), other = run(in, masked, seeded);
    for (size_t i = 0; i < 4; ++i) EXPECT_LE(relative_error(one[i], other[i]), 1e-5) << i;
  }
}

int64_t kilobytes(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind(name + ":", 0) == 0) return std::stoll(line.substr(name.size() + 1));
  return 0;
}

// All scores would be 1 GB.
TEST(CpuAttention, NeedsMemoryForTheLengthAlone) {
  if (cpus().empty()) GTEST_SKIP() << "this CPU has no kernels";
  const auto in = inputs({1, 1, 1 << 14, 1 << 14, 16}, at::kFloat);
  if (!(std::ofstream("/proc/self/clear_refs") << 5).flush()) GTEST_SKIP() << "the peak of the memory cannot be reset";
  const auto before = kilobytes("VmRSS");
  run(in, {.causal = true}, by(attention_cpu()));
  EXPECT_LE(kilobytes("VmHWM") - before, 64 << 10);
}

}  // namespace
}  // namespace hadal::test
