// A trained diffusion model or flow: noise becomes pictures step by step.
#pragma once
#include <optional>

#include "hadal/models/generative/diffusion/denoiser.h"
#include "hadal/trained/making/latent_space.h"
#include "hadal/trained/making/picture_maker.h"
#include "hadal/trained/making/sampler_fields.h"

namespace hadal {

struct DiffusionOptions : MakeOptions {
  SamplerConfig how;
  std::string profile = "fast", image, mask;
  double strength = 0.6;
  int64_t path = 0;

  static Fields<DiffusionOptions> fields();
  void validate() const;
};

struct DiffusionMakerConfig {
  Part model{"unet", {}}, process{"flow", {}};
  std::string objective = "denoising", autoencoder;
  bool slow = false;
  DiffusionOptions generate;

  static Fields<DiffusionMakerConfig> fields();
};

/// The network as child `network`, whose weights a run saves as its average; and, where it is wanted, a second average
/// over more steps as child `slow`.
struct Diffuser : Model {
  Diffuser(std::shared_ptr<Denoiser> makes, std::shared_ptr<Denoiser> averaged);
  /// A network's own file is taken for both.
  TensorsByName own_names(const TensorsByName& weights) const override;
  /// slow = d x slow + (1 - d) x network with d = min(decay, (1 + step) / (10 + step)).
  void follow(double decay, int64_t step);

  std::shared_ptr<Denoiser> network, slow;
};

class DiffusionMaker : public PictureMaker {
 public:
  /// With an autoencoder `learned` holds its LatentScale as `latents`. Throws UsageError where the network is of other
  /// latents.
  DiffusionMaker(DiffusionMakerConfig config, const Table& learned, const Use& use);

  Diffuser& model() override { return *model_; }
  Making making(const Table& options = {}) override;
  std::vector<int64_t> noise_shape() const override;
  PictureShape pictures() const override { return latents_ ? latents_->pictures() : model_->network->pictures(); }
  /// Pictures (N, C, H, W) as the network sees them: their latents where there is an autoencoder.
  Tensor seen(const Tensor& pictures) const { return latents_ ? latents_->encode(pictures) : pictures; }

  const DiffusionMakerConfig& config() const { return config_; }
  const Process& process() const { return *process_; }

 private:
  /// `steps` looks, the first at noise alone: what a network trained for consistency takes them for.
  Tensor looks(const Wanted& wanted, const DiffusionOptions& options, const HowFar& told);
  Tensor read_picture(const std::string& path, const char* what, int64_t channels) const;
  Tensor read_mask(const std::string& path) const;
  Tensor shown(const Tensor& x) const { return latents_ ? latents_->decode(x) : x; }

  DiffusionMakerConfig config_;
  std::shared_ptr<Diffuser> model_;
  std::shared_ptr<const Process> process_;
  std::optional<LatentSpace> latents_;
};

void register_diffusion_maker(TrainedCatalog& catalog);

}  // namespace hadal
