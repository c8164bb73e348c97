// Where latent diffusion works (Rombach et al. 2022, arXiv:2112.10752): not on pixels, but on the features that a
// trained VQ-VAE has of a picture before they become codes.
#pragma once
#include "hadal/trained/making/vqvae_maker.h"

namespace hadal {

/// What the training pictures taught of the features, a channel each: noise is added to them at mean 0 and deviation 1.
struct LatentScale {
  std::vector<double> mean, spread;

  static Fields<LatentScale> fields();
};

class LatentSpace {
 public:
  /// `what` is a run or weights of a VQ-VAE. Throws UsageError where it is not there or is something else.
  LatentSpace(const std::string& what, const Use& use);

  PictureShape pictures() const { return autoencoder().pictures(); }
  PictureShape latents() const;
  /// Of features of `pictures` (N, C, H, W) in [-1, 1].
  LatentScale measure(const Tensor& pictures) const;
  /// `deviation` is what the process expects of what it makes noise of.
  void scale(const LatentScale& scale, double deviation);

  /// Pictures (N, C, H, W) in [-1, 1] -> (N, D, h, w), and back through the nearest codes. Without gradients.
  Tensor encode(const Tensor& pictures) const;
  Tensor decode(const Tensor& latents) const;

 private:
  VqVaeImpl& autoencoder() const;

  std::unique_ptr<Trained> opened_;
  Tensor mean_, spread_;  // (D, 1, 1)
};

}  // namespace hadal
