// A trained variational autoencoder: its decoder makes pictures of noise.
#pragma once
#include "hadal/models/generative/vae.h"
#include "hadal/trained/making/picture_maker.h"

namespace hadal {

struct VaeMakerConfig {
  Part model{"vae", {}};
  MakeOptions generate;

  static Fields<VaeMakerConfig> fields();
};

class VaeMaker : public PictureMaker {
 public:
  VaeMaker(VaeMakerConfig config, const Table& learned, const Use& use);

  Vae& model() override { return *vae_; }
  /// Samples are the means of their pixels, in [0, 1].
  Making making(const Table& options = {}) override;
  std::vector<int64_t> noise_shape() const override { return {vae_->latent()}; }
  PictureShape pictures() const override { return vae_->pictures(); }
  std::pair<double, double> range() const override { return {0, 1}; }

  const VaeMakerConfig& config() const { return config_; }

 private:
  VaeMakerConfig config_;
  std::shared_ptr<Vae> vae_;
};

void register_vae_maker(TrainedCatalog& catalog);

}  // namespace hadal
