// Trains a network of your own on shapes that Hadal draws, and says how often it is right on pictures it has not seen.
// Build it with `cmake --build build --target example_train_your_own`; it needs no files.
#include <cstdio>

#include "hadal/data/vision/augment.h"
#include "hadal/data/vision/shapes.h"
#include "hadal/metrics/classification.h"
#include "hadal/train/fit.h"
#include "hadal/train/progress.h"

using namespace hadal;

// Your network: any torch::nn::Module will do.
struct TinyNetImpl : nn::Module {
  explicit TinyNetImpl(int64_t classes)
      : layers(nn::Conv2d(nn::Conv2dOptions(3, 24, 3).padding(1)), nn::BatchNorm2d(24), nn::ReLU(), nn::MaxPool2d(2),
               nn::Conv2d(nn::Conv2dOptions(24, 48, 3).padding(1)), nn::BatchNorm2d(48), nn::ReLU(), nn::MaxPool2d(2),
               nn::Conv2d(nn::Conv2dOptions(48, 96, 3).padding(1)), nn::BatchNorm2d(96), nn::ReLU(),
               nn::AdaptiveMaxPool2d(1), nn::Flatten(), nn::Linear(96, classes)) {
    register_module("layers", layers);
  }
  Tensor forward(const Tensor& pixels) { return layers->forward(pixels); }  // (B, 3, H, W) -> (B, classes)
  nn::Sequential layers;
};
TORCH_MODULE(TinyNet);

// Your batches: what a loader thread makes of some samples. Each sample brings its own random numbers.
Pairs make_batch(const ClassificationData& data, const ClassificationTransform& transform, const BatchPlan& plan) {
  const auto count = static_cast<int64_t>(plan.indices.size()), side = transform.size();
  Pairs batch{torch::empty({count, 3, side, side}), torch::empty({count}, torch::kInt64)};
  for (int64_t i = 0; i < count; ++i) {
    auto random = plan.sample(plan.indices[i]);
    const auto sample = data.get(plan.indices[i]);
    transform(sample.image, random, batch.input[i].data_ptr<float>());
    batch.target[i] = sample.label;
  }
  return batch;
}

int main() {
  torch::manual_seed(1);
  const ShapesClassificationConfig shapes{.size = 32, .train = 6000, .test = 1000};
  const ShapesClassification train(shapes, "train"), test(shapes, "test");
  const ClassificationTransform varied({.size = 32, .hflip = 0.5}, 3, true), plain({.size = 32}, 3, false);

  TinyNet net(static_cast<int64_t>(train.classes().size()));
  Loader<Pairs> batches({.size = train.size(), .batch = 64, .shuffle = true, .drop_last = true, .seed = 1}, 2,
                        [&](const BatchPlan& plan) { return make_batch(train, varied, plan); });
  ProgressDisplay progress;
  // Adam, one cycle of rates and gradients clipped by norm; class numbers as targets mean cross entropy.
  fit(net, batches, 5, {.optimizer = {"adam", Table{{"lr", 3e-3}}}, .listeners = {&progress}});

  net->eval();
  torch::NoGradGuard no_grad;
  ClassificationScore score(static_cast<int64_t>(test.classes().size()));
  Loader<Pairs> tests({.size = test.size(), .batch = 100}, 2,
                      [&](const BatchPlan& plan) { return make_batch(test, plain, plan); });
  tests.start(0);
  while (const auto batch = tests.next()) score.add(net->forward(batch->input), batch->target);
  for (const auto& [name, value] : score.metrics()) std::printf("%s %.4f\n", name.c_str(), value);
}
