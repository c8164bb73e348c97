// Sound on one core: what is heard, brought to another rate and made, as seconds of sound in a second ("real_time").
#include <benchmark/benchmark.h>

#include "hadal/data/sound/griffin_lim.h"
#include "hadal/models/audio/vocos.h"
#include "hadal/ops/resample.h"

namespace hadal {
namespace {

void count(benchmark::State& state, double seconds) {
  state.counters["real_time"] =
      benchmark::Counter(seconds * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

void vocoder(benchmark::State& state, const std::string& name, int64_t rate, double seconds) {
  at::set_num_threads(1);
  const torch::NoGradGuard no_grad;
  const auto model = vocoders().make({name, {}});
  model->eval();
  const auto hop = model->config().hop;
  const auto frames = static_cast<int64_t>(seconds * static_cast<double>(rate)) / hop + 1;
  const auto mel = torch::randn({1, model->config().bands, frames});
  for (auto _ : state) benchmark::DoNotOptimize(model->forward(mel));
  count(state, static_cast<double>((frames - 1) * hop) / static_cast<double>(rate));
}
BENCHMARK_CAPTURE(vocoder, vocos_8khz_1s, "vocos-8khz", 8000, 1)->UseRealTime();
BENCHMARK_CAPTURE(vocoder, vocos_8khz_half_a_second, "vocos-8khz", 8000, 0.5)->UseRealTime();
BENCHMARK_CAPTURE(vocoder, vocos_24khz_1s, "vocos", 24000, 1)->UseRealTime();

void griffin_lim_of_speech(benchmark::State& state) {
  at::set_num_threads(1);
  const auto mel = log_mel(torch::randn({8000}), {});
  for (auto _ : state) benchmark::DoNotOptimize(sound_of_log_mel(mel, {}));
  count(state, 1);
}
BENCHMARK(griffin_lim_of_speech)->UseRealTime();

void log_mel_of_a_second(benchmark::State& state) {
  at::set_num_threads(1);
  const torch::NoGradGuard no_grad;
  const auto samples = torch::randn({8000});
  for (auto _ : state) benchmark::DoNotOptimize(log_mel(samples, {}));
  count(state, 1);
}
BENCHMARK(log_mel_of_a_second)->UseRealTime();

void resample_44100_to_8000(benchmark::State& state) {
  at::set_num_threads(1);
  const auto samples = torch::randn({441000});
  for (auto _ : state) benchmark::DoNotOptimize(resample(samples, 44100, 8000));
  count(state, 10);
}
BENCHMARK(resample_44100_to_8000)->UseRealTime();

}  // namespace
}  // namespace hadal
