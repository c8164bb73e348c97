#include "hadal/tasks/making/vae.h"

#include "hadal/metrics/classification.h"
#include "hadal/ops/noise.h"

namespace hadal {
namespace {

constexpr int64_t kTogether = 1000;      // latents of one picture that are decoded at once
constexpr uint64_t kVaeSeed = 0x5c04ed;  // the seed of what is drawn for scores: the same in every run

VaeConfig settled(VaeConfig config, const PictureSet& set) {
  set.settle(config.model, vaes(), config.conditional);
  return config;
}

class VaeTask : public MakingTask {
 public:
  VaeTask(VaeConfig& config, const TaskContext& context)
      : MakingTask(config, context), config_(context.learns ? settled(config, set_) : config) {
    made_ = std::make_unique<VaeMaker>(config_, learned(), context);
    static_cast<VaeMakerConfig&>(config_) = made_->config();
    begin(*made_, [this](PictureBatch& batch) { binarise(config_.binarise, batch, context_.seed, true); });
    if (context.learns && !context.weights) made_->model().begin_at(mean_of_data());
  }

  nn::Module& model() override { return made_->model(); }
  Table settings() const override { return write_config(config_); }

  Losses losses(const Step& step) override {
    const auto& x = batch().pictures;
    auto& vae = made_->model();
    auto config = config_.loss;
    if (config_.warmup > 0) {
      const auto share = static_cast<double>(step.number) / static_cast<double>(std::max<int64_t>(1, step.of));
      config.beta *= std::min(1.0, share / config_.warmup);
    }
    const auto terms =
        vae_terms(vae, x, labels(batch()), torch::randn({config.samples, x.size(0), vae.latent()}, x.options()));
    return {vae_loss(config, terms), {{"kl", terms.kl.detach().sum(1).mean().item<double>()}}};
  }

  std::string goal() const override { return "elbo"; }
  std::vector<Score> scores() const override {
    auto all = MakingTask::scores();
    all.insert(all.end(), {{"elbo", false},
                           {"reconstruction", false},
                           {"kl", false},
                           {"bits_per_dim", false},
                           {"active", true},
                           {"bound", false}});
    return all;
  }
  Metrics evaluate(const std::string& split, int64_t limit) override;
  std::vector<Figure> figures() override;

 private:
  Tensor mean_of_data() {
    std::vector<int64_t> some = scored_samples(set_.train().size(), 5000, 1).order(0);
    return set_.batch(set_.train(), some).pictures.mean(0).to(context_.device);
  }
  /// The importance-weighted bound of (1, C, H, W), in nats.
  double bound(const Tensor& x, const Tensor& label, int64_t index);

  VaeConfig config_;
  std::unique_ptr<VaeMaker> made_;
  std::string scored_;  // the split of the last evaluation
};

Metrics VaeTask::evaluate(const std::string& split, int64_t limit) {
  scored_ = split;
  auto& vae = made_->model();
  Mean nats, kl, log_x;
  Tensor spread;  // (latent): how far each mean moves with the picture
  std::vector<Tensor> means;
  Mean bounds;
  const bool bounded = config_.bound_samples > 0 && !(context_.learns && split == "val");
  each_real(
      split, limit, [&](PictureBatch& batch) { binarise(config_.binarise, batch, context_.seed, false); },
      [&](const PictureBatch& batch) {
        const auto count = batch.pictures.size(0);
        std::vector<Tensor> noise;
        for (const auto index : batch.index) noise.push_back(sample_noise(kVaeSeed, index, 1, {vae.latent()}));
        const auto terms =
            vae_terms(vae, batch.pictures, labels(batch), torch::cat(noise).unsqueeze(0).to(batch.pictures.device()));
        const auto weight = static_cast<double>(count);
        nats.add(-elbo(terms).to(torch::kFloat64).mean().item<double>(), weight);
        log_x.add(-terms.log_x.to(torch::kFloat64).mean().item<double>(), weight);
        kl.add(terms.kl.to(torch::kFloat64).sum(1).mean().item<double>(), weight);
        means.push_back(vae.encode(batch.pictures, labels(batch)).mean.to(torch::kFloat32).cpu());
        if (!bounded) return;
        for (int64_t i = 0; i < count && bounds.weight() < static_cast<double>(config_.bound_pictures); ++i)
          bounds.add(bound(batch.pictures.slice(0, i, i + 1), by_class() ? batch.labels.slice(0, i, i + 1) : Tensor(),
                           batch.index[static_cast<size_t>(i)]),
                     1);
      });
  const auto shape = vae.pictures();
  // Burda et al. 2015, section 5.1: a latent is in use where its mean varies by more than 0.01 over pictures.
  const auto active = torch::cat(means).var(0, /*unbiased=*/false).gt(0.01).sum().item<double>();
  Metrics out = {{"elbo", nats.value()},
                 {"reconstruction", log_x.value()},
                 {"kl", kl.value()},
                 {"bits_per_dim", bits_per_dimension(nats.value(), shape.channels * shape.height * shape.width)},
                 {"active", active}};
  if (bounded) out.emplace_back("bound", bounds.value());
  for (auto& metric : MakingTask::evaluate(split, limit)) out.push_back(std::move(metric));
  return out;
}

double VaeTask::bound(const Tensor& x, const Tensor& label, int64_t index) {
  throw_if_stopped();
  auto& vae = made_->model();
  const auto all = sample_noise(kVaeSeed + 1, index * config_.bound_samples, config_.bound_samples, {vae.latent()});
  VaeTerms terms;
  std::vector<Tensor> log_x, log_ratio;
  for (const auto& noise : all.split(kTogether)) {
    terms = vae_terms(vae, x, label, noise.unsqueeze(1).to(x.device()));
    log_x.push_back(terms.log_x), log_ratio.push_back(terms.log_ratio);
  }
  terms.log_x = torch::cat(log_x), terms.log_ratio = torch::cat(log_ratio);
  return -importance_bound(terms).to(torch::kFloat64).mean().item<double>();
}

std::vector<Figure> VaeTask::figures() {
  auto out = MakingTask::figures();
  auto& vae = made_->model();
  out.push_back(there_and_back(
      scored_, [&](PictureBatch& batch) { binarise(config_.binarise, batch, context_.seed, false); },
      [&](const PictureBatch& batch) {
        const auto own = labels(batch);
        return mean_picture(vae.likelihood(), vae.decode(vae.encode(batch.pictures, own).mean, own));
      }));
  return out;
}

}  // namespace

void binarise(const std::string& how, PictureBatch& batch, uint64_t seed, bool training) {
  auto& x = batch.pictures;
  if (how == "threshold") x = x.ge(0.5).to(torch::kFloat32);
  if (how == "fixed" || (how == "dynamic" && !training)) x = draw_bits(x, kVaeSeed, batch.index);
  if (how == "dynamic" && training)
    x = draw_bits(x, Random(seed, {4, static_cast<uint64_t>(batch.epoch)}).bits(), batch.index);
}

Fields<VaeConfig> VaeConfig::fields() {
  using C = VaeConfig;
  return making_fields<VaeConfig>(
      VaeMakerConfig::fields(),
      {{"loss", &C::loss, "the bound that is raised"},
       {"binarise", &C::binarise,
        "how grey pictures become black and white: anew each epoch, once, at one half, or not at all",
        one_of({"dynamic", "fixed", "threshold", "none"})},
       {"warmup", &C::warmup, "share of the run over which beta grows from 0", between(0, 1)},
       {"bound_samples", &C::bound_samples, "K of the importance-weighted bound; 0: not scored", at_least(0)},
       {"bound_pictures", &C::bound_pictures, "pictures that it is taken over", at_least(1)}});
}

void register_vae(TaskCatalog& catalog) {
  catalog.add("vae", "pictures by a variational autoencoder", VaeConfig{},
              [](VaeConfig config, const TaskContext& context) { return std::make_unique<VaeTask>(config, context); });
}

}  // namespace hadal
