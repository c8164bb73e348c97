#include "hadal/models/generative/diffusion/process.h"

#include "hadal/core/shape.h"
#include "hadal/models/generative/diffusion/ddpm.h"
#include "hadal/models/generative/diffusion/edm.h"
#include "hadal/models/generative/diffusion/flow.h"

namespace hadal {

const ProcessCatalog& processes() {
  static const auto catalog = [] {
    ProcessCatalog made("process", "process");
    register_ddpm(made);
    register_edm(made);
    register_flow(made);
    return made;
  }();
  return catalog;
}

Tensor for_each_picture(const Tensor& numbers, const Tensor& like) {
  expect_shape("process", numbers, {like.size(0)});
  auto sizes = std::vector<int64_t>(like.dim(), 1);
  sizes[0] = like.size(0);
  return numbers.to(like.options()).view(sizes);
}

Tensor noised(const NoiseLevels& levels, const Tensor& x, const Tensor& noise) {
  expect_shape("process noise", noise, x.sizes().vec());
  return for_each_picture(levels.signal, x) * x + for_each_picture(levels.noise, x) * noise;
}

Tensor wanted(const NoiseLevels& levels, const Tensor& x, const Tensor& noise) {
  expect_shape("process noise", noise, x.sizes().vec());
  return for_each_picture(levels.wanted_signal, x) * x + for_each_picture(levels.wanted_noise, x) * noise;
}

Tensor network_output(const NoiseLevels& levels, const DenoisingNetwork& network, const Tensor& x_t,
                      const Tensor& labels) {
  const auto f = network(for_each_picture(levels.input, x_t) * x_t, levels.time.to(x_t.options()), labels);
  expect_shape("denoising network", f, x_t.sizes().vec());
  return f;
}

Tensor denoised(const NoiseLevels& levels, const Tensor& x_t, const Tensor& f) {
  return for_each_picture(levels.skip, x_t) * x_t + for_each_picture(levels.out, x_t) * f;
}

// The picture is not made first: dividing its rounding by little noise would lose digits.
Tensor noise_in(const NoiseLevels& levels, const Tensor& x_t, const Tensor& f) {
  const auto of_x = (1 - levels.signal * levels.skip) / levels.noise;
  const auto of_f = -levels.signal * levels.out / levels.noise;
  return for_each_picture(of_x, x_t) * x_t + for_each_picture(of_f, x_t) * f;
}

Tensor velocity(const NoiseLevels& levels, const Tensor& x_t, const Tensor& f) {
  return noise_in(levels, x_t, f) - denoised(levels, x_t, f);
}

Tensor diffusion_loss(const NoiseLevels& levels, const DenoisingNetwork& network, const Tensor& x, const Tensor& noise,
                      const Tensor& labels) {
  const auto f = network_output(levels, network, noised(levels, x, noise), labels);
  const auto error = (f - wanted(levels, x, noise)).square().flatten(1).mean(1);
  return levels.weight.to(error.options()) * error;
}

Tensor loss_weight(const std::string& kind, double gamma, const NoiseLevels& levels) {
  if (kind == "none") return torch::ones_like(levels.signal);
  const auto ratio = (levels.signal / levels.noise).square();
  return ratio.clamp_max(gamma) * levels.out.square();
}

}  // namespace hadal
