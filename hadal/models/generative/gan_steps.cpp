#include "hadal/models/generative/gan_steps.h"

namespace hadal {
namespace {

Tensor seen(const PictureChange& change, const Tensor& pictures) { return change ? change(pictures) : pictures; }

}  // namespace

Fields<GanLossConfig> GanLossConfig::fields() {
  return {{"loss", &GanLossConfig::loss, "what the two nets are trained by", one_of(gan_loss_names())},
          {"r1", &GanLossConfig::r1, "weight of the squared gradients at real pictures; 0: none", at_least(0)},
          {"r2", &GanLossConfig::r2, "weight of the squared gradients at made pictures; 0: none", at_least(0)},
          {"lazy", &GanLossConfig::lazy, "steps between two penalties r1 and r2", at_least(1)},
          {"gradient_penalty", &GanLossConfig::gradient_penalty,
           "weight of gradients of length 1 between real and made pictures; 10 for wasserstein", at_least(0)},
          {"path_length", &GanLossConfig::path_length, "weight of even path lengths of the generator; 0: none",
           at_least(0)},
          {"path_every", &GanLossConfig::path_every, "steps between two path lengths", at_least(1)}};
}

GanStep discriminator_step(const GanLossConfig& config, Gan& gan, const GanBatch& batch, int64_t step,
                           const PictureChange& change) {
  Tensor made;
  {
    const torch::NoGradGuard no_grad;
    made = gan.generator->make(batch.z, batch.labels);
  }
  const bool penalised = step % config.lazy == 0;
  const auto judged = [&](Tensor& pictures, double weight) {
    pictures = pictures.detach();
    if (penalised && weight > 0) pictures.requires_grad_();
    return gan.discriminator->judge(seen(change, pictures), batch.labels);
  };
  auto real = batch.real;
  const auto real_logits = judged(real, config.r1), made_logits = judged(made, config.r2);
  GanStep out{.real_logits = real_logits.detach(), .made_logits = made_logits.detach()};
  out.losses.emplace_back("discriminator", discriminator_loss(gan_loss(config.loss), real_logits, made_logits));
  const auto penalise = [&](const char* name, double weight, const Tensor& logits, const Tensor& pictures) {
    if (!penalised || weight == 0) return;
    const auto strength = weight / 2 * static_cast<double>(config.lazy);
    out.losses.emplace_back(name, strength * squared_gradients(logits, pictures).mean());
  };
  penalise("r1", config.r1, real_logits, real);
  penalise("r2", config.r2, made_logits, made);
  if (config.gradient_penalty > 0) {
    const auto judge = [&](const Tensor& x) { return gan.discriminator->judge(seen(change, x), batch.labels); };
    const auto share = torch::rand({real.size(0)}, real.options().requires_grad(false));
    out.losses.emplace_back("gradient_penalty", config.gradient_penalty * gradient_penalty(judge, real, made, share));
  }
  return out;
}

GanStep generator_step(const GanLossConfig& config, Gan& gan, const GanBatch& batch, int64_t step,
                       const PictureChange& change, PathLengthImpl* path) {
  const bool paths = path && config.path_length > 0 && step % config.path_every == 0;
  const auto [made, latents] = paths ? gan.generator->make_traced(batch.z, batch.labels)
                                     : TracedPictures{gan.generator->make(batch.z, batch.labels), Tensor()};
  const auto kind = gan_loss(config.loss);
  const auto made_logits = gan.discriminator->judge(seen(change, made), batch.labels);
  Tensor real_logits;
  if (kind == GanLoss::relativistic) {
    const torch::NoGradGuard no_grad;
    real_logits = gan.discriminator->judge(seen(change, batch.real), batch.labels);
  }
  GanStep out{.real_logits = real_logits, .made_logits = made_logits.detach()};
  out.losses.emplace_back("generator", generator_loss(kind, made_logits, real_logits));
  if (paths) {
    const auto weight = config.path_length * static_cast<double>(config.path_every);
    out.losses.emplace_back("path_length", weight * path->forward(made, latents, torch::randn_like(made)));
  }
  return out;
}

}  // namespace hadal
