// What a diffusion process is: how much noise a picture x carries at time t, x_t = signal x + noise e, and what a
// network that sees x_t says of it. DDPM, EDM and rectified flow differ in these numbers alone; the catalog has all.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "hadal/core/catalog.h"
#include "hadal/core/torch.h"

namespace hadal {

/// A process at some times; (N) float64 on the CPU each.
struct NoiseLevels {
  Tensor signal, noise;                // x_t = signal x + noise e, e standard normal
  Tensor input, time;                  // the network sees input x_t and is told time; what it says is F
  Tensor skip, out;                    // the denoised picture is skip x_t + out F
  Tensor wanted_signal, wanted_noise;  // F learns wanted_signal x + wanted_noise e
  Tensor weight;                       // of F's squared error
};

/// (N, C, H, W), (N) as x, (N) int64 or undefined -> F, (N, C, H, W).
using DenoisingNetwork = std::function<Tensor(const Tensor& x, const Tensor& time, const Tensor& labels)>;

struct Process {
  virtual ~Process() = default;

  /// Of each share (N) in [0, 1) a time as training draws it, (N) float64; equal shares, equal times. Shares that are
  /// spread evenly over a batch, (i + u) / N, make its loss steadier than drawing each alone.
  virtual Tensor draw(const Tensor& share) const = 0;
  virtual NoiseLevels at(const Tensor& times) const = 0;

  // For samplers.
  virtual std::string name() const = 0;
  /// Times 0 and up that a sampler may stop at; 0: time is continuous.
  virtual int64_t discrete_times() const { return 0; }
  /// The time without noise, the times with least and with most.
  virtual double clean() const = 0;
  virtual double least() const = 0;
  virtual double most() const = 0;
  /// Whether paths are straight in x over t, as a flow's; else they are in x / signal over noise / signal.
  virtual bool straight() const { return false; }
  /// The time at which t, or noise / signal, is `place`; between discrete times too.
  virtual double time_at(double place) const { return place; }
  /// The deviation of x at most(), from where samplers begin.
  virtual double deviation() const = 0;
};

using ProcessCatalog = Catalog<std::shared_ptr<const Process>>;

/// Every process Hadal has: the table [process].
const ProcessCatalog& processes();

/// (N) numbers as (N, 1, 1, ...), of the type and device of `like` (N, ...).
Tensor for_each_picture(const Tensor& numbers, const Tensor& like);

/// x_t of pictures x and standard normal noise (N, C, H, W).
Tensor noised(const NoiseLevels& levels, const Tensor& x, const Tensor& noise);
/// What F learns.
Tensor wanted(const NoiseLevels& levels, const Tensor& x, const Tensor& noise);
/// F of x_t.
Tensor network_output(const NoiseLevels& levels, const DenoisingNetwork& network, const Tensor& x_t,
                      const Tensor& labels);
/// The picture that F says x_t is of.
Tensor denoised(const NoiseLevels& levels, const Tensor& x_t, const Tensor& f);
/// The noise that it says is in x_t; noise must not be 0.
Tensor noise_in(const NoiseLevels& levels, const Tensor& x_t, const Tensor& f);
/// Noise minus picture, the velocity of a flow.
Tensor velocity(const NoiseLevels& levels, const Tensor& x_t, const Tensor& f);

/// (N): F's squared error, the mean over a picture's values, times its weight. Lower its mean.
Tensor diffusion_loss(const NoiseLevels& levels, const DenoisingNetwork& network, const Tensor& x, const Tensor& noise,
                      const Tensor& labels = {});

/// What a config says of weights, "none" or "min_snr" (Hang et al. 2023, arXiv:2303.09556): the error of the denoised
/// picture weighs min(gamma, signal^2 / noise^2). `levels` has all else.
Tensor loss_weight(const std::string& kind, double gamma, const NoiseLevels& levels);

}  // namespace hadal
