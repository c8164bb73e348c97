// One-step models by consistency training: f(x_t, t) is to say the same picture all along a path, so that one look at
// pure noise is enough (Song et al. 2023, arXiv:2303.01469). Improved as by Song & Dhariwal 2023 (arXiv:2310.14189) and
// Geng et al. 2024 (arXiv:2406.14548): the teacher is the network itself, errors are counted by a pseudo-Huber norm,
// and the two times of a pair come closer while training goes on. It begins as plain diffusion.
#pragma once
#include "hadal/models/generative/diffusion/process.h"

namespace hadal {

struct ConsistencyConfig {
  std::string pairs = "ratio";
  int64_t stages = 8;  // ratio
  double ratio = 2;
  int64_t from = 10, to = 1280;  // steps
  double huber = 0.00054;

  static Fields<ConsistencyConfig> fields();
  void validate() const;
};

/// Times t of a batch and the less noisy ones r that a teacher is asked at; (N) float64.
struct ConsistencyPair {
  Tensor t, r;
};

/// Of each share (N) in [0, 1) a pair, when `done` (0 to 1) of training is over. "ratio": t as the process draws it,
/// and 1 - r / t halves from stage to stage, weighted by 1 + 8 / (1 + e^t) as in ECT; in the first stages r is 0 where
/// that would be more than 1. "steps": those among N + 1 times, spaced as Karras et al. do, between which the process's
/// t lies; N is doubled from `from` to `to` in stages of equal length.
ConsistencyPair consistency_pair(const ConsistencyConfig& config, const Process& process, const Tensor& share,
                                 double done);

/// (N): sqrt(|f(x_t) - f(x_r)|^2 + c^2) - c over t - r, c being huber times the root of a picture's values. f(x_r) has
/// no gradient, and is the picture itself where r is 0. Both times get the same noise and dropout. Lower its mean.
Tensor consistency_loss(const ConsistencyConfig& config, const Process& process, const DenoisingNetwork& network,
                        const ConsistencyPair& pair, const Tensor& x, const Tensor& noise, const Tensor& labels = {});

/// Pictures (N, C, H, W) out of noise in one look, or more: each further time of `times`, falling, gets `fresh` noise
/// (step -> as noise) and another look (arXiv:2303.01469, algorithm 1).
Tensor consistency_sample(const Process& process, const DenoisingNetwork& network, const Tensor& noise,
                          const Tensor& labels = {}, const std::vector<double>& times = {},
                          const std::function<Tensor(int64_t step)>& fresh = {});

}  // namespace hadal
