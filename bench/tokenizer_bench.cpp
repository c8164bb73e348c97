// Texts to tokens with GPT-2's ranks, and a tokenizer learned: one thread, real text from HADAL_DATA.
#include <benchmark/benchmark.h>

#include "hadal/data/path.h"
#include "hadal/data/text/bpe_tokenizer.h"
#include "hadal/io/file.h"

using namespace hadal;

namespace {

const std::string& shakespeare() {
  static const auto text = read_file(data_path("$DATA/tinyshakespeare/input.txt"));
  return text;
}

void encode_gpt2(benchmark::State& state) {
  const auto made = parse_tiktoken(read_file(data_path("$DATA/gpt2-bpe/gpt2.tiktoken")), "gpt2", {}, "gpt2.tiktoken");
  for (auto _ : state) benchmark::DoNotOptimize(made->encode(shakespeare()));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(shakespeare().size()));
}
BENCHMARK(encode_gpt2)->Name("Tokenizer/encode_gpt2")->Unit(benchmark::kMillisecond);

/// The same by PCRE2's regular expression of GPT-2's successors.
void encode_regex(benchmark::State& state) {
  const auto made = parse_tiktoken(read_file(data_path("$DATA/gpt2-bpe/gpt2.tiktoken")), "cl100k", {}, "gpt2.tiktoken");
  for (auto _ : state) benchmark::DoNotOptimize(made->encode(shakespeare()));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(shakespeare().size()));
}
BENCHMARK(encode_regex)->Name("Tokenizer/encode_regex")->Unit(benchmark::kMillisecond);

void train_8000(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(make_trained_bpe({.size = 8000}, shakespeare()));
}
BENCHMARK(train_8000)->Name("Tokenizer/train_8000")->Unit(benchmark::kMillisecond);

}  // namespace
