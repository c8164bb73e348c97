// Adaptive discriminator augmentation (Karras et al. 2020, arXiv:2006.06676): the discriminator sees real and made
// pictures through random changes that gradients pass; how often each happens follows how sure it has become.
#pragma once
#include "hadal/core/config.h"
#include "hadal/core/random.h"
#include "hadal/core/torch.h"

namespace hadal {

struct AdaConfig {
  double flip = 1, turn = 1, shift = 0.125, scale = 0.2, rotate = 1, stretch = 0.2, move = 0.125;
  double brightness = 0.2, contrast = 0.5, luma = 1, hue = 1, saturation = 1;
  double first = 0, target = 0.6, pictures = 100'000;
  int64_t every = 4;

  static Fields<AdaConfig> fields();
};

/// What is done to each of N pictures, float64 (N) or (N, 2); what a picture was spared is 0, or 1 for factors.
struct AdaChanges {
  Tensor flip;             // 1: mirrored
  Tensor turns;            // quarter turns, 0 to 3
  Tensor shift;            // (N, 2): shares of width and height, rounded to whole pixels
  Tensor scale;            // factor
  Tensor rotate, rotate2;  // radians, before and behind the stretch
  Tensor stretch;          // factor of the width, its inverse of the height
  Tensor move;             // (N, 2): shares of width and height
  Tensor brightness;       // added
  Tensor contrast;         // factor
  Tensor luma;             // 1: light becomes dark at the same colour
  Tensor hue;              // radians around grey
  Tensor saturation;       // factor of the distance from grey
};

/// Changes for `count` pictures, each made with probability p: appendix B of the paper, with its spreads times the
/// strengths in `config`. Picture i takes the stream random.split(i).
AdaChanges draw_ada(const AdaConfig& config, double p, int64_t count, const Random& random);

/// (N, 2, 3) float64: where a place of the changed picture lies in the original, in coordinates that run from -1 to 1
/// over the picture, as torch's affine_grid wants them.
Tensor ada_geometry(const AdaChanges& changes, int64_t height, int64_t width);
/// (N, 3, 4) float64: colour (R, G, B, 1) -> colour, in [-1, 1].
Tensor ada_colours(const AdaChanges& changes);
/// pictures (N, C, H, W), C being 1 or 3 (others keep their colours): bilinear, mirrored at the edges. Differentiable
/// any number of times by the pictures.
Tensor apply_ada(const Tensor& pictures, const Tensor& geometry, const Tensor& colours);

/// The probability, kept and adapted; buffers, so that a resumed run goes on with them.
struct AdaImpl : nn::Module {
  explicit AdaImpl(const AdaConfig& config);
  Tensor forward(const Tensor& pictures, const Random& random);
  /// Logits of real pictures, once a step: every `every` steps p moves up where the mean of their signs is above
  /// `target`, else down, so that it could go from 0 to 1 within `pictures` pictures.
  void observe(const Tensor& real_logits);
  double probability() const;

 private:
  AdaConfig config_;
  Tensor probability_, signs_, seen_, steps_;
};
TORCH_MODULE(Ada);

}  // namespace hadal
