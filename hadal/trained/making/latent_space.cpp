#include "hadal/trained/making/latent_space.h"

#include "hadal/data/path.h"

namespace hadal {

Fields<LatentScale> LatentScale::fields() {
  return {{"mean", &LatentScale::mean, "of each channel of the autoencoder's features"},
          {"spread", &LatentScale::spread, "their standard deviations"}};
}

LatentSpace::LatentSpace(const std::string& what, const Use& use) {
  const auto path = data_path(what);
  if (!std::filesystem::exists(path))
    fail_usage("the autoencoder {} is not there: train it first, with the task vqvae", path.string());
  opened_ = open_trained(path, {.device = use.device.str()});
  if (!dynamic_cast<VqVaeMaker*>(opened_.get()))
    fail_usage("autoencoder={} is no VQ-VAE; a run of the task vqvae, or its weights, is wanted", what);
  autoencoder().eval();
}

VqVaeImpl& LatentSpace::autoencoder() const { return *static_cast<VqVaeMaker&>(*opened_).model().autoencoder; }

PictureShape LatentSpace::latents() const {
  const auto side = autoencoder().side();
  return {autoencoder().dim(), side, side};
}

LatentScale LatentSpace::measure(const Tensor& pictures) const {
  const torch::NoGradGuard no_grad;
  const auto [variance, mean] =
      torch::var_mean(autoencoder().features((pictures + 1) / 2).to(torch::kFloat64), {0, 2, 3});
  LatentScale out;
  for (int64_t i = 0; i < mean.size(0); ++i) {
    out.mean.push_back(mean[i].item<double>());
    out.spread.push_back(std::max(1e-6, std::sqrt(variance[i].item<double>())));
  }
  return out;
}

void LatentSpace::scale(const LatentScale& scale, double deviation) {
  const auto wanted = static_cast<size_t>(latents().channels);
  require(scale.mean.size() == wanted && scale.spread.size() == wanted,
          "the autoencoder's features have {} channels and the weights learned of {}; it is another one", wanted,
          scale.mean.size());
  const auto column = [](const std::vector<double>& values) {
    return torch::tensor(values, torch::kFloat32).view({-1, 1, 1});
  };
  mean_ = column(scale.mean), spread_ = column(scale.spread) / deviation;
}

Tensor LatentSpace::encode(const Tensor& pictures) const {
  const torch::NoGradGuard no_grad;
  const auto features = autoencoder().features((pictures + 1) / 2);
  return (features - mean_.to(features.device())) / spread_.to(features.device());
}

Tensor LatentSpace::decode(const Tensor& latents) const {
  const torch::NoGradGuard no_grad;
  const auto features = latents * spread_.to(latents.device()) + mean_.to(latents.device());
  return mean_picture(autoencoder().likelihood(), autoencoder().decode_features(features)) * 2 - 1;
}

}  // namespace hadal
