// A trained VQ-VAE with a prior: a transformer writes codes, the decoder makes a picture of them.
#pragma once
#include "hadal/models/generative/vqvae.h"
#include "hadal/models/text/causal_lm.h"
#include "hadal/trained/making/picture_maker.h"

namespace hadal {

struct PriorConfig {
  int64_t dim = 128, depth = 4, heads = 4;
  double dropout = 0.1;

  static Fields<PriorConfig> fields();
};

struct CodeOptions : MakeOptions {
  double temperature = 1;
  static Fields<CodeOptions> fields();
};

struct VqVaeMakerConfig {
  Part model{"vqvae", {}};
  PriorConfig prior;
  int64_t classes = 0;
  CodeOptions generate;

  static Fields<VqVaeMakerConfig> fields();
};

/// Both as children `autoencoder` and `prior`, a GPT over the grid of codes in reading order, behind a first token that
/// says the class.
struct VqVaeWithPrior : Model {
  VqVaeWithPrior(std::shared_ptr<VqVaeImpl> codes, const PriorConfig& config, int64_t classes);
  /// codes (N, h, w), labels (N) where there are classes -> (N, h w, codes) logits of each code by those before it.
  Tensor predict_codes(const Tensor& codes, const Tensor& labels);
  /// (N, 1): the token that stands first.
  Tensor begin(int64_t count, const Tensor& labels) const;

  std::shared_ptr<VqVaeImpl> autoencoder;
  CausalLm prior{nullptr};
  int64_t classes;
};

class VqVaeMaker : public PictureMaker {
 public:
  VqVaeMaker(VqVaeMakerConfig config, const Table& learned, const Use& use);

  VqVaeWithPrior& model() override { return *model_; }
  /// Of a sample's noise each normal number draws a code: its share of the normal distribution is the code's place
  /// among all, by their probabilities.
  Making making(const Table& options = {}) override;
  std::vector<int64_t> noise_shape() const override;
  PictureShape pictures() const override { return model_->autoencoder->pictures(); }
  std::pair<double, double> range() const override { return {0, 1}; }

  const VqVaeMakerConfig& config() const { return config_; }

 private:
  VqVaeMakerConfig config_;
  std::shared_ptr<VqVaeWithPrior> model_;
};

void register_vqvae_maker(TrainedCatalog& catalog);

}  // namespace hadal
