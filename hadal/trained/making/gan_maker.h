// A trained GAN: its generator makes pictures of noise.
#pragma once
#include "hadal/trained/making/picture_maker.h"

namespace hadal {

struct GanMakerConfig {
  Part model{"dcgan", {}};
  MakeOptions generate;

  static Fields<GanMakerConfig> fields();
};

class GanMaker : public PictureMaker {
 public:
  GanMaker(GanMakerConfig config, const Table& learned, const Use& use);

  /// Both nets while it learns; else the generator alone, which is all that is used.
  Model& model() override;
  Making making(const Table& options = {}) override;
  std::vector<int64_t> noise_shape() const override { return {gan_->generator->latent()}; }
  PictureShape pictures() const override { return gan_->generator->pictures(); }

  const GanMakerConfig& config() const { return config_; }
  Gan& gan() { return *gan_; }

 private:
  GanMakerConfig config_;
  std::shared_ptr<Gan> gan_;
};

void register_gan_maker(TrainedCatalog& catalog);

}  // namespace hadal
