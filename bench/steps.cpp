// Hadal's side of the speed table: training steps and inference as PyTorch's script of the same name defines them,
// timed through Hadal's own models and trainer. Prints one JSON object a line: work, by, torch, mode, median_ms,
// min_ms.
#include "bench/steps.h"

#include <algorithm>
#include <chrono>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <torch/version.h>

#include "hadal/core/error.h"
#include "hadal/core/memory.h"

namespace hadal::bench {

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void report(const Settings& settings, const std::string& work, std::vector<double> times, int warm) {
  times.erase(times.begin(), times.begin() + warm);
  std::sort(times.begin(), times.end());
  const auto rounded = [](double ms) { return std::round(ms * 1e3) / 1e3; };
  const nlohmann::ordered_json line{{"work", work},
                                    {"by", "hadal"},
                                    {"torch", TORCH_VERSION},
                                    {"mode", settings.precision + (settings.channels_last ? "+cl" : "")},
                                    {"median_ms", rounded(times[times.size() / 2])},
                                    {"min_ms", rounded(times[0])}};
  fmt::print("{}\n", line.dump());
  std::fflush(stdout);
}

void time_calls(const Settings& settings, const std::string& work, int warm, const std::function<void()>& call) {
  std::vector<double> times;
  for (int i = 0; i < warm + settings.runs; ++i) {
    const auto begin = now_ms();
    call();
    times.push_back(now_ms() - begin);
  }
  report(settings, work, times, warm);
}

void lay_out(const Settings& settings, nn::Module& model) {
  if (!settings.channels_last) return;
  const torch::NoGradGuard no_grad;
  for (auto& parameter : model.parameters())
    if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
}

Tensor laid_out(const Settings& settings, const Tensor& pixels) {
  return settings.channels_last ? pixels.contiguous(at::MemoryFormat::ChannelsLast) : pixels;
}

namespace {

struct Stopwatch : Callback {
  void on_start(const RunState&) override { last = now_ms(); }
  void on_step(const StepEvent&) override {
    const auto now = now_ms();
    times.push_back(now - last);
    last = now;
  }
  double last = 0;
  std::vector<double> times;
};

void run(const Settings& settings) {
  at::set_num_threads(settings.threads);
  torch::manual_seed(0);
  std::vector<Work> all;
  for (const auto& room : {picture_work(), making_work(), detection_work()})
    all.insert(all.end(), room.begin(), room.end());
  std::vector<std::string> names;
  for (const auto& work : all) names.emplace_back(work.name);
  for (const auto& wanted : settings.work)
    require(std::find(names.begin(), names.end(), wanted) != names.end(), "unknown workload \"{}\"; known: {}", wanted,
            fmt::join(names, ", "));
  for (const auto& [name, work] : all)
    if (settings.work.empty() || std::find(settings.work.begin(), settings.work.end(), name) != settings.work.end())
      work(settings, name);
}

}  // namespace

void train(const Settings& settings, const std::string& work, Task& task, int64_t batch, const Part& optimizer,
           double clip) {
  constexpr int kWarm = 2;
  TrainConfig config{.steps = kWarm + settings.runs,
                     .batch = batch,
                     .optimizer = optimizer,
                     .schedule = {"constant", {}},
                     .clip = clip,
                     .decay_norms = true,
                     .precision = settings.precision,
                     .device = "cpu",
                     .checkpoint_seconds = 0};
  Trainer trainer(task, config);
  Stopwatch watch;
  trainer.listen(watch);
  trainer.run();
  report(settings, work, watch.times, kWarm);
}

}  // namespace hadal::bench

int main(int argc, char** argv) {
  hadal::bench::Settings settings;
  CLI::App app("Times Hadal's training steps and inference");
  app.add_option("--precision", settings.precision)->check(CLI::IsMember({"fp32", "bf16"}));
  app.add_flag("--channels-last", settings.channels_last);
  app.add_option("--threads", settings.threads)->check(CLI::PositiveNumber);
  app.add_option("--runs", settings.runs)->check(CLI::PositiveNumber);
  app.add_option("work", settings.work);
  CLI11_PARSE(app, argc, argv);
  try {
    hadal::tune_allocator();
    hadal::bench::run(settings);
  } catch (const std::exception& error) {
    fmt::print(stderr, "hadal_steps: {}\n", error.what());
    return 1;
  }
}
