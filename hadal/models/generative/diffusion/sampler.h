// Pictures out of noise: a process run backwards by a network that sees the noise. Samplers differ in how they go from
// one time to the next, not in what they are given.
#pragma once
#include <functional>
#include <string>

#include "hadal/models/generative/diffusion/process.h"

namespace hadal {

struct SamplerConfig {
  std::string sampler = "heun";
  int64_t steps = 20;
  double guidance = 1, guidance_from = 0, guidance_to = 1;
  double eta = 0;
  std::string spacing = "auto";
  double rho = 7, shift = 1;
  double bound = 1;

  static Fields<SamplerConfig> fields();
  void validate() const;
};

/// What is made of what.
struct SampleInput {
  Tensor noise;         // (N, C, H, W) standard normal: one picture each
  Tensor labels;        // (N) int64 in [0, classes], classes meaning none; or undefined
  int64_t classes = 0;  // of the network
  uint64_t seed = 0;    // of the noise that samplers add on the way: sample i's follows from seed, first + i and step
  int64_t first = 0;
  std::function<Tensor(int64_t step)> fresh;  // that noise, (N, C, H, W), from elsewhere

  /// Begin at this picture (N, C, H, W), of which `strength` (0 to 1) of the way is noise: 0 leaves it, 1 keeps hardly
  /// any of it.
  Tensor picture;
  double strength = 1;
  /// (H, W) or (N, 1, H, W): 1 where it is made anew, 0 where `picture` stays.
  Tensor mask;
};

/// Told after each step.
struct SampleStep {
  int64_t step = 0, steps = 0;  // this one, from 1, of all
  double time = 0;              // where it led
  Tensor x, denoised;           // what is there now, and what the network took it for when the step began
};
using SampleTold = std::function<void(const SampleStep&)>;

/// (N, C, H, W). Without gradients, in the type and on the device of the noise. The same input gives the same pictures.
/// Throws UsageError for steps, guidance, strength or a mask that the process, the network or the picture cannot have.
Tensor sample(const Process& process, const DenoisingNetwork& network, const SampleInput& input,
              const SamplerConfig& config, const SampleTold& told = {});

/// The noise out of which DDIM with eta 0 (or Euler) makes `picture` (DDIM, Song et al. 2020, arXiv:2010.02502, section
/// 4.3), each step solved by `rounds` of repeated substitution. Of the config steps, spacing, rho and shift count, and
/// guidance.
Tensor invert(const Process& process, const DenoisingNetwork& network, const SampleInput& input,
              const SamplerConfig& config, int64_t rounds = 3);

/// The steps + 1 times that a sampler goes through, from most noise to none.
std::vector<double> sampling_times(const Process& process, const SamplerConfig& config);

}  // namespace hadal
