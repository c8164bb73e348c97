#include <benchmark/benchmark.h>

#include "hadal/data/vision/shapes.h"

using namespace hadal;

namespace {

void detection_scene(benchmark::State& state) {
  const Shapes shapes({.size = state.range(0)}, "train");
  int64_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(shapes.get(i++ % shapes.size()));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(detection_scene)->Arg(160)->Arg(320)->MinTime(1);

void classification_picture(benchmark::State& state) {
  const ShapesClassification shapes({.size = state.range(0)}, "train");
  int64_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(shapes.get(i++ % shapes.size()));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(classification_picture)->Arg(32)->Arg(64)->MinTime(1);

}  // namespace
