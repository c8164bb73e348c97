// What a training loader does for each picture. Loader needs HADAL_BENCH_PICTURES, a file with a JPEG's path a line:
// bench/loader.py gives it one and sets the figure beside torchvision's.
#include <cstdlib>
#include <sstream>

#include <benchmark/benchmark.h>

#include "hadal/core/error.h"
#include "hadal/data/loader.h"
#include "hadal/data/vision/augment.h"
#include "hadal/io/file.h"

using namespace hadal;

namespace {

const AugmentConfig kImageNet{
    .size = 224, .crop_scale = 0.08, .hflip = 0.5, .mean = {0.485, 0.456, 0.406}, .std = {0.229, 0.224, 0.225}};

std::vector<std::string> paths() {
  const char* list = std::getenv("HADAL_BENCH_PICTURES");
  std::vector<std::string> out;
  if (!list) return out;
  std::istringstream lines(read_file(list));
  for (std::string line; std::getline(lines, line);) out.push_back(line);
  return out;
}

/// Files to batches of 64 crops of 224, one epoch an iteration; the argument is the number of threads.
void loader(benchmark::State& state) {
  const auto files = paths();
  if (files.empty()) return state.SkipWithError("HADAL_BENCH_PICTURES names no list of pictures; see bench/loader.py");
  const ClassificationTransform transform(kImageNet, 3, true);
  const auto make = [&](const BatchPlan& plan) {
    auto batch = torch::empty({static_cast<int64_t>(plan.indices.size()), 3, 224, 224});
    auto* out = batch.data_ptr<float>();
    for (const auto index : plan.indices) {
      auto random = plan.sample(index);
      const auto& path = files[static_cast<size_t>(index)];
      transform(read_file(path), path, random, out);
      out += 3 * 224 * 224;
    }
    return batch;
  };
  Loader<Tensor> batches({.size = static_cast<int64_t>(files.size()), .batch = 64, .shuffle = true}, state.range(0),
                         make);
  int64_t epoch = 0, seen = 0;
  for (auto _ : state) {
    batches.start(epoch++);
    while (auto batch = batches.next()) seen += batch->size(0);
  }
  state.SetItemsProcessed(seen);
}
BENCHMARK(loader)->Name("Loader")->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond)->MinTime(1);

/// Small pictures from memory: crop with padding, flip, normalise.
void small_picture(benchmark::State& state) {
  const auto side = state.range(0), channels = state.range(1);
  const ClassificationTransform transform({.size = side, .pad = 4, .hflip = 0.5}, channels, true);
  const auto image = torch::randint(0, 256, {side, side, channels}, torch::kUInt8);
  auto out = torch::empty({channels, side, side});
  Random random(1);
  for (auto _ : state) transform(image, random, out.data_ptr<float>());
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(small_picture)->Args({32, 3})->Args({28, 1})->Unit(benchmark::kMicrosecond);

}  // namespace
