// Fully connected variational autoencoders: PyTorch's example (784-400-20) and the net of the IWAE paper
// (784-200-200-50 with tanh; Burda et al. 2015, arXiv:1509.00519).
#pragma once
#include "hadal/models/generative/vae.h"
#include "hadal/nn/linear.h"

namespace hadal {

struct MlpVaeConfig {
  int64_t channels = 1, image = 28, classes = 0, hidden = 400, latent = 20;
  std::string likelihood = "bernoulli";

  static Fields<MlpVaeConfig> fields();
  PictureShape pictures() const { return {channels, image, image}; }
  int64_t values() const { return channels * image * image; }
};

/// One hidden layer with ReLU either way. Modules as in PyTorch's example: fc1, fc21 (mean), fc22 (log variance), fc3,
/// fc4. A class, as ones and zeros, is joined to what goes into fc1 and fc3.
struct MlpVaeImpl : Vae {
  explicit MlpVaeImpl(const MlpVaeConfig& config);
  Posterior encode(const Tensor& x, const Tensor& labels = {}) override;
  Tensor decode(const Tensor& z, const Tensor& labels = {}) override;
  Likelihood likelihood() const override { return likelihood_; }
  int64_t latent() const override { return config_.latent; }
  PictureShape pictures() const override { return config_.pictures(); }
  int64_t classes() const override { return config_.classes; }
  void begin_at(const Tensor& mean) override;

 private:
  MlpVaeConfig config_;
  Likelihood likelihood_;
  Linear fc1_{nullptr}, fc21_{nullptr}, fc22_{nullptr}, fc3_{nullptr}, fc4_{nullptr};
};
TORCH_MODULE(MlpVae);

/// Two hidden layers with tanh either way, begun as Glorot & Bengio's. Modules: encoder (0, 2), mean, log_variance,
/// decoder (0, 2, 4).
struct IwaeImpl : Vae {
  explicit IwaeImpl(const MlpVaeConfig& config);
  Posterior encode(const Tensor& x, const Tensor& labels = {}) override;
  Tensor decode(const Tensor& z, const Tensor& labels = {}) override;
  Likelihood likelihood() const override { return likelihood_; }
  int64_t latent() const override { return config_.latent; }
  PictureShape pictures() const override { return config_.pictures(); }
  int64_t classes() const override { return config_.classes; }
  void begin_at(const Tensor& mean) override;

 private:
  MlpVaeConfig config_;
  Likelihood likelihood_;
  nn::Sequential encoder_, decoder_;
  Linear mean_{nullptr}, log_variance_{nullptr}, last_{nullptr};
};
TORCH_MODULE(Iwae);

/// x (N, D) beside its class as `classes` ones and zeros, or alone where there are none; labels checked.
Tensor with_class(std::string_view where, const Tensor& x, const Tensor& labels, int64_t classes);
/// The last bias of a decoder so that every picture is the data's mean at first.
void set_mean_bias(const Tensor& bias, Likelihood kind, const Tensor& mean);

/// What the names and shapes of weights in the layout of PyTorch's example (fc1, fc21, fc22, fc3, fc4) say, as settings
/// of `vae`. Empty for weights of something else.
Table vae_settings(const TensorsByName& weights);

void register_vae_nets(VaeCatalog& catalog);

}  // namespace hadal
