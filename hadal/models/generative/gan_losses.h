// What the two nets of a GAN are trained by. Logits are (N), of real and of made pictures; losses are scalars.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "hadal/core/torch.h"

namespace hadal {

enum class GanLoss {
  minimax,         // Goodfellow et al. 2014, eq. 1: the generator lowers log(1 - D(G(z)))
  non_saturating,  // the same, section 3: the generator raises log D(G(z))
  hinge,           // Lim & Ye 2017, arXiv:1705.02894
  wasserstein,     // Arjovsky et al. 2017, arXiv:1701.07875
  relativistic     // Jolicoeur-Martineau 2018, arXiv:1807.00734, in pairs, as in R3GAN (arXiv:2501.05441, eq. 2)
};
/// By the name above. Throws UsageError with the known names.
GanLoss gan_loss(const std::string& name);
const std::vector<std::string>& gan_loss_names();

Tensor discriminator_loss(GanLoss kind, const Tensor& real, const Tensor& made);
/// `real` is wanted by the relativistic loss alone, and may be without gradient.
Tensor generator_loss(GanLoss kind, const Tensor& made, const Tensor& real = {});

/// How often the discriminator is right, 0 to 1: by the logits' signs, or, where only differences mean something
/// (wasserstein, relativistic), over pairs of a real and a made picture. Near 1 for long: the generator learns nothing.
double discriminator_accuracy(GanLoss kind, const Tensor& real, const Tensor& made);

/// (N): the squared length of each logit's gradient by its picture, itself differentiable. Of real pictures it is R1,
/// of made ones R2, both used as gamma / 2 times the mean (Mescheder et al. 2018, arXiv:1801.04406). `pictures` must
/// require gradients and `logits` be of them. Lazily: every k-th step, k times as much.
Tensor squared_gradients(const Tensor& logits, const Tensor& pictures);

/// The mean of (|gradient| - 1)^2 between real and made pictures, mixed by `share` (N) in [0, 1) (Gulrajani et al.
/// 2017, arXiv:1704.00028).
Tensor gradient_penalty(const std::function<Tensor(const Tensor&)>& judge, const Tensor& real, const Tensor& made,
                        const Tensor& share);

/// Path length regularisation (Karras et al. 2019, arXiv:1912.04958, eq. 4): how far a picture moves with its latents
/// is to be the same everywhere. The running mean is a buffer, `mean`, so that a resumed run has it.
struct PathLengthImpl : nn::Module {
  explicit PathLengthImpl(double pace = 0.01);
  /// pictures (N, C, H, W) made of latents (N, D) or (N, L, D), noise as the pictures, standard normal -> scalar.
  Tensor forward(const Tensor& pictures, const Tensor& latents, const Tensor& noise);

 private:
  double pace_;
  Tensor mean_;
};
TORCH_MODULE(PathLength);

}  // namespace hadal
