// What the workloads of bench/steps.py share on Hadal's side.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "hadal/train/trainer.h"

namespace hadal::bench {

struct Settings {
  std::string precision = "fp32";
  bool channels_last = false;
  int threads = 2, runs = 7;
  std::vector<std::string> work;
};

struct Work {
  const char* name;
  std::function<void(const Settings&, const std::string&)> run;
};

/// Classifiers and forecasters; GANs and diffusion; detectors.
std::vector<Work> picture_work();
std::vector<Work> making_work();
std::vector<Work> detection_work();

double now_ms();
/// Prints the line of one workload, the first `warm` times left out.
void report(const Settings& settings, const std::string& work, std::vector<double> times, int warm);
/// Times settings.runs calls, after `warm` that do not count.
void time_calls(const Settings& settings, const std::string& work, int warm, const std::function<void()>& call);

struct OneBatch : Batches {
  explicit OneBatch(int64_t samples) : samples(samples) {}
  int64_t per_epoch() const override { return 1 << 30; }
  void start(int64_t, int64_t) override {}
  bool next() override { return true; }
  int64_t size() const override { return samples; }
  int64_t samples;
};

/// Times whole steps of the trainer.
void train(const Settings& settings, const std::string& work, Task& task, int64_t batch, const Part& optimizer,
           double clip);
/// Convolutions' weights channels-last, where the settings say so; the same for a batch.
void lay_out(const Settings& settings, nn::Module& model);
Tensor laid_out(const Settings& settings, const Tensor& pixels);

}  // namespace hadal::bench
