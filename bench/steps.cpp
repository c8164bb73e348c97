// Hadal's side of the speed table: training steps and inference as PyTorch's script of the same name defines them,
// timed through Hadal's own models and trainer. Prints one JSON object a line: work, by, torch, mode, median_ms,
// min_ms.
#include <algorithm>
#include <chrono>
#include <functional>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <torch/version.h>

#include "hadal/core/error.h"
#include "hadal/core/memory.h"
#include "hadal/core/precision.h"
#include "hadal/models/forecast/forecaster.h"
#include "hadal/models/generative/diffusion/sampler.h"
#include "hadal/models/generative/diffusion/unet.h"
#include "hadal/models/vision/classifier.h"
#include "hadal/train/trainer.h"

namespace hadal {
namespace {

struct Settings {
  std::string precision = "fp32";
  bool channels_last = false;
  int threads = 2, runs = 7;
  std::vector<std::string> work;
};

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

struct OneBatch : Batches {
  explicit OneBatch(int64_t samples) : samples(samples) {}
  int64_t per_epoch() const override { return 1 << 30; }
  void start(int64_t, int64_t) override {}
  bool next() override { return true; }
  int64_t size() const override { return samples; }
  int64_t samples;
};

// One batch of random pictures and classes, over and over.
class RandomPictures : public Task {
 public:
  RandomPictures(const std::string& model, int64_t batch, bool channels_last)
      : model_(classifiers().make(Part{model, Table{{"classes", 1000}}})),
        pixels_(torch::randn({batch, 3, 224, 224})),
        classes_(torch::randint(0, 1000, {batch})) {
    if (!channels_last) return;
    torch::NoGradGuard no_grad;
    pixels_ = pixels_.contiguous(at::MemoryFormat::ChannelsLast);
    for (auto& parameter : model_->parameters())
      if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
  }

  nn::Module& model() override { return *model_; }
  Table settings() const override { return {}; }
  Batches& batches() override { return batches_; }
  Tensor logits() { return model_->forward(pixels_); }
  Losses losses(const Step&) override {
    const auto out = logits();
    return {F::cross_entropy(out.to(at::kFloat), classes_), {}};
  }
  Metrics evaluate(const std::string&, int64_t) override { return {}; }
  std::string summary() const override { return "random pictures"; }

 private:
  std::shared_ptr<ImageClassifier> model_;
  Tensor pixels_, classes_;
  OneBatch batches_{pixels_.size(0)};
};

// One batch of random windows of ETTh1's shape, over and over.
class RandomWindows : public Task {
 public:
  explicit RandomWindows(int64_t batch)
      : model_(forecasters().make({"patchtst", {}}, {.channels = 7, .input = 336, .horizon = 96})),
        history_(torch::randn({batch, 7, 336})),
        future_(torch::randn({batch, 7, 96})) {}

  nn::Module& model() override { return *model_; }
  Batches& batches() override { return batches_; }
  Losses losses(const Step&) override {
    return {torch::mse_loss(model_->forward(history_, {}).squeeze(2), future_), {}};
  }

 private:
  std::shared_ptr<Forecaster> model_;
  Tensor history_, future_;
  OneBatch batches_{history_.size(0)};
};

// The U-Net of the table, which is given its embedding of time as it is; one batch of noise over and over.
class RandomNoise : public Task {
 public:
  explicit RandomNoise(int64_t batch)
      : model_(UnetConfig{.image = 32,
                          .widths = {64, 128, 256},
                          .middle_attention = false,
                          .time_dim = 256,
                          .resample = "pool",
                          .skips = "last",
                          .middle = 1,
                          .last_norm = false}),
        x_(torch::randn({batch, 1, 32, 32})),
        embedding_(torch::randn({batch, 256})),
        wanted_(torch::randn({batch, 1, 32, 32})) {}

  nn::Module& model() override { return *model_; }
  Batches& batches() override { return batches_; }
  Losses losses(const Step&) override {
    return {F::mse_loss(model_->forward_embedded(x_, embedding_).to(at::kFloat), wanted_), {}};
  }

 private:
  Unet model_;
  Tensor x_, embedding_, wanted_;
  OneBatch batches_{x_.size(0)};
};

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

void train_pictures(const Settings& settings, const std::string& work, const std::string& model, int64_t batch,
                    const Part& optimizer) {
  RandomPictures task(model, batch, settings.channels_last);
  train(settings, work, task, batch, optimizer, 1);
}

void infer(const Settings& settings, const std::string& work, const std::string& model) {
  RandomPictures task(model, 1, settings.channels_last);
  task.model().eval();
  std::vector<double> times;
  for (int i = 0; i < 18; ++i) {
    const auto begin = now_ms();
    {
      torch::NoGradGuard no_grad;
      const Autocast autocast(torch::kCPU, settings.precision);
      task.logits();
    }
    times.push_back(now_ms() - begin);
  }
  report(settings, work, times, 3);
}

// Sixteen pictures in ten steps of a flow, by the preset's U-Net.
void sample_pictures(const Settings& settings, const std::string& work) {
  const auto model = denoiser_models().make({"unet", {{"classes", 10}}});
  model->eval();
  const auto flow = processes().make({"flow", {}});
  const SampleInput input{.noise = torch::randn({16, 1, 28, 28}), .labels = torch::arange(16) % 10, .classes = 10};
  std::vector<double> times;
  for (int i = 0; i < 2 + settings.runs; ++i) {
    const auto begin = now_ms();
    const Autocast autocast(torch::kCPU, settings.precision);
    sample(*flow, as_network(*model), input, {.sampler = "euler", .steps = 10});
    times.push_back(now_ms() - begin);
  }
  report(settings, work, times, 2);
}

const std::vector<std::pair<std::string, std::function<void(const Settings&, const std::string&)>>> kWork{
    {"resnet18-train",
     [](const Settings& s, const std::string& name) {
       train_pictures(s, name, "resnet18", 16, {"sgd", Table{{"lr", 1e-3}, {"momentum", 0.9}}});
     }},
    {"vit-train",
     [](const Settings& s, const std::string& name) {
       train_pictures(s, name, "vit_s_16", 8, {"adamw", Table{{"lr", 1e-3}}});
     }},
    {"vit-infer", [](const Settings& s, const std::string& name) { infer(s, name, "vit_s_16"); }},
    {"unet-train",
     [](const Settings& s, const std::string& name) {
       RandomNoise task(16);
       train(s, name, task, 16, {"adamw", Table{{"lr", 1e-3}}}, 0);
     }},
    {"unet-sample", [](const Settings& s, const std::string& name) { sample_pictures(s, name); }},
    {"patchtst-train",
     [](const Settings& s, const std::string& name) {
       RandomWindows task(128);
       train(s, name, task, 128, {"adam", Table{{"lr", 1e-4}}}, 0);
     }},
};

void run(const Settings& settings) {
  at::set_num_threads(settings.threads);
  torch::manual_seed(0);
  for (const auto& wanted : settings.work)
    require(std::any_of(kWork.begin(), kWork.end(), [&](const auto& known) { return known.first == wanted; }),
            "unknown workload \"{}\"; known: resnet18-train, vit-train, vit-infer, unet-train, "
            "unet-sample, patchtst-train",
            wanted);
  for (const auto& [name, work] : kWork)
    if (settings.work.empty() || std::find(settings.work.begin(), settings.work.end(), name) != settings.work.end())
      work(settings, name);
}

}  // namespace
}  // namespace hadal

int main(int argc, char** argv) {
  hadal::Settings settings;
  CLI::App app("Times Hadal's training steps and inference");
  app.add_option("--precision", settings.precision)->check(CLI::IsMember({"fp32", "bf16"}));
  app.add_flag("--channels-last", settings.channels_last);
  app.add_option("--threads", settings.threads)->check(CLI::PositiveNumber);
  app.add_option("--runs", settings.runs)->check(CLI::PositiveNumber);
  app.add_option("work", settings.work);
  CLI11_PARSE(app, argc, argv);
  try {
    hadal::tune_allocator();
    hadal::run(settings);
  } catch (const std::exception& error) {
    fmt::print(stderr, "hadal_steps: {}\n", error.what());
    return 1;
  }
}
