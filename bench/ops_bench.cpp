// linear and attention, forward and backward, beside LibTorch's own operators. OMP_NUM_THREADS says on how many
// threads.
#include <benchmark/benchmark.h>

#include "hadal/core/torch.h"
#include "hadal/ops/attention.h"
#include "hadal/ops/attention_products.h"
#include "hadal/ops/linear.h"

namespace hadal {
namespace {

enum Path { kChosen, kByHead, kBatched, kLibTorch };

at::ScalarType type_of(int64_t bf16) { return bf16 ? at::kBFloat16 : at::kFloat; }

// Arguments: bf16, batch, heads, length, width, causal, path.
void attention_step(benchmark::State& state) {
  const auto type = type_of(state.range(0));
  const std::vector<int64_t> shape{state.range(1), state.range(2), state.range(3), state.range(4)};
  const bool causal = state.range(5) != 0;
  const auto path = static_cast<Path>(state.range(6));
  const auto leaf = [&] { return torch::randn(shape).to(type).requires_grad_(); };
  const auto q = leaf(), k = leaf(), v = leaf(), dout = torch::randn(shape).to(type);
  const auto scale = 1 / std::sqrt(static_cast<double>(shape[3]));
  for (auto _ : state) {
    for (const auto& t : {q, k, v}) t.mutable_grad() = Tensor();
    Tensor y;
    if (path == kChosen)
      y = attention(q, k, v, {.causal = causal});
    else if (path == kLibTorch)
      y = at::scaled_dot_product_attention(q, k, v, {}, 0, causal);
    else
      y = products_attention(
          q, k, v, {.causal = causal, .scale = scale, .by_head = path == kByHead, .block = causal ? 128 : 1024});
    y.backward(dout);
  }
}

void attention_shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"bf16", "batch", "heads", "length", "width", "causal", "path"})
      ->Unit(benchmark::kMillisecond)
      ->MeasureProcessCPUTime();
  for (const int64_t bf16 : {0, 1})
    for (const auto& shape : std::vector<std::vector<int64_t>>{
             {16, 6, 256, 64, 1}, {8, 6, 197, 64, 0}, {128, 7, 17, 16, 0}, {896, 4, 42, 4, 0}, {1, 12, 1024, 64, 1}})
      for (const int64_t path : {kChosen, kByHead, kBatched, kLibTorch}) {
        if (path == kByHead && shape[2] < 100) continue;
        std::vector<int64_t> arguments{bf16};
        arguments.insert(arguments.end(), shape.begin(), shape.end());
        arguments.push_back(path);
        b->Args(arguments);
      }
}
BENCHMARK(attention_step)->Apply(attention_shapes);

// Arguments: bf16, rows, in, out, 1 for LibTorch's.
void linear_step(benchmark::State& state) {
  const auto type = type_of(state.range(0));
  const auto x = torch::randn({state.range(1), state.range(2)}).to(type).requires_grad_();
  const auto weight = torch::randn({state.range(3), state.range(2)}).to(type).requires_grad_();
  const auto bias = torch::randn({state.range(3)}).to(type).requires_grad_();
  const auto dy = torch::randn({state.range(1), state.range(3)}).to(type);
  for (auto _ : state) {
    for (const auto& t : {x, weight, bias}) t.mutable_grad() = Tensor();
    (state.range(4) ? at::linear(x, weight, bias) : linear(x, weight, bias)).backward(dy);
  }
}

void linear_shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"bf16", "rows", "in", "out", "libtorch"})->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime();
  for (const int64_t bf16 : {0, 1})
    for (const auto& shape : std::vector<std::vector<int64_t>>{
             {1576, 384, 1536}, {1576, 1536, 384}, {1576, 384, 1152}, {1088, 112, 336}, {64, 100, 256}})
      for (const int64_t libtorch : {0, 1}) b->Args({bf16, shape[0], shape[1], shape[2], libtorch});
}
BENCHMARK(linear_step)->Apply(linear_shapes);

}  // namespace
}  // namespace hadal
