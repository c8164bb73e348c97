// Hadal's side of attention.py: forward and backward of attention on one shape. Prints a line of JSON: median_ms and
// its two parts, forward_ms and backward_ms.
#include "hadal/ops/attention.h"

#include <algorithm>
#include <chrono>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "hadal/core/memory.h"
#include "hadal/core/torch.h"

namespace {

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return std::round(times[times.size() / 2] * 1e3) / 1e3;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<int64_t> shape;
  std::string precision = "fp32";
  bool causal = false;
  int threads = 2;
  double seconds = 1;
  CLI::App app("Times forward and backward of attention");
  app.add_option("--precision", precision)->check(CLI::IsMember({"fp32", "bf16"}));
  app.add_flag("--causal", causal);
  app.add_option("--threads", threads)->check(CLI::PositiveNumber);
  app.add_option("--seconds", seconds)->check(CLI::PositiveNumber);
  app.add_option("shape", shape, "batch heads length width")->required()->expected(4);
  CLI11_PARSE(app, argc, argv);

  hadal::tune_allocator();
  at::set_num_threads(threads);
  torch::manual_seed(0);
  const auto random = [&] { return torch::randn(shape).to(precision == "bf16" ? at::kBFloat16 : at::kFloat); };
  const auto q = random().requires_grad_(), k = random().requires_grad_(), v = random().requires_grad_();
  const auto dout = random();
  std::vector<double> whole, forward, backward;
  const auto passes = [&](size_t least, double enough_ms) {
    whole.clear(), forward.clear(), backward.clear();
    for (double spent = 0; whole.size() < least || spent < enough_ms; spent += whole.back()) {
      for (const auto& t : {q, k, v}) t.mutable_grad() = torch::Tensor();
      const auto start = now_ms();
      const auto y = hadal::attention(q, k, v, {.causal = causal});
      const auto between = now_ms();
      y.backward(dout);
      const auto end = now_ms();
      whole.push_back(end - start), forward.push_back(between - start), backward.push_back(end - between);
    }
  };
  passes(2, 1e3 * seconds / 3);
  passes(7, 1e3 * seconds);
  const nlohmann::ordered_json line{
      {"median_ms", median(whole)}, {"forward_ms", median(forward)}, {"backward_ms", median(backward)}};
  fmt::print("{}\n", line.dump());
}
