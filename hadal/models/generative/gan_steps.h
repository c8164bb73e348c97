// The two phases of training a pair: which losses and penalties each has, by name.
#pragma once
#include <functional>

#include "hadal/models/generative/gan_losses.h"
#include "hadal/models/generative/generator.h"

namespace hadal {

struct GanLossConfig {
  std::string loss = "relativistic";
  double r1 = 1, r2 = 1;  // gamma
  int64_t lazy = 1;
  double gradient_penalty = 0, path_length = 0;
  int64_t path_every = 8;

  static Fields<GanLossConfig> fields();
};

/// Real pictures (N, C, H, W) in [-1, 1], their classes where the pair has classes, and latents (N, latent) of as many
/// made ones, which get the same classes.
struct GanBatch {
  Tensor real, labels, z;
};
/// What the discriminator sees instead of pictures, such as Ada; empty: the pictures.
using PictureChange = std::function<Tensor(const Tensor&)>;

struct GanStep {
  TensorsByName losses;             // scalars, their sum is to be lowered
  Tensor real_logits, made_logits;  // (N), without gradient; real ones undefined where no loss wanted them
};

/// "discriminator" and, where they are set, "r1", "r2", "gradient_penalty". Step numbers count from 0: lazily penalties
/// come every `lazy` steps, as many times as strong. Pictures are made without gradient for the generator.
GanStep discriminator_step(const GanLossConfig& config, Gan& gan, const GanBatch& batch, int64_t step,
                           const PictureChange& change = {});
/// "generator" and, every `path_every` steps where it is set, "path_length" (times as many), which keeps its mean in
/// `path`. The discriminator's parameters get gradients too: drop them before its own step.
GanStep generator_step(const GanLossConfig& config, Gan& gan, const GanBatch& batch, int64_t step,
                       const PictureChange& change = {}, PathLengthImpl* path = nullptr);

}  // namespace hadal
