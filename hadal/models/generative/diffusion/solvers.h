// The steps that samplers take from one time to the next: sampler.h.
#pragma once
#include <memory>

#include "hadal/models/generative/diffusion/process.h"

namespace hadal {

/// A process at one time: x_t = signal x + noise e. Paths are lines, or nearly, in x / scale over place.
struct SamplingPlace {
  double time = 0, signal = 1, noise = 0, scale = 1, place = 0;
  double input = 1, network_time = 0, skip = 1, out = 0;
};
SamplingPlace sampling_place(const Process& process, double time);

/// What a network takes x_t for.
struct Seen {
  Tensor picture, noise;
};
using Look = std::function<Seen(const Tensor& x, const SamplingPlace& at)>;

struct SamplingStep {
  Tensor x;
  Seen seen;                      // of x at `from`
  SamplingPlace from, to;         // to.noise is 0 in the last step alone
  std::function<Tensor()> fresh;  // standard normal noise as x, this step's
};

/// One for a whole path: it may remember earlier steps.
struct Solver {
  virtual ~Solver() = default;
  virtual Tensor step(const SamplingStep& step) = 0;
};

const std::vector<std::string>& sampler_names();
std::unique_ptr<Solver> make_solver(const std::string& name, double eta, const Process& process, Look look);

/// How x / scale changes with place where a network has seen this.
Tensor slope(const Process& process, const Seen& seen);

}  // namespace hadal
