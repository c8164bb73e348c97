#include "hadal/tasks/making/vqvae.h"

#include "hadal/metrics/classification.h"
#include "hadal/tasks/making/vae.h"

namespace hadal {
namespace {

enum VqvaePhases : size_t { kCodes, kPrior };

VqVaeTaskConfig settled(VqVaeTaskConfig config, const PictureSet& set) {
  set.settle(config.model, vqvaes(), false);
  if (config.conditional) config.classes = std::ssize(set.classes());
  return config;
}

/// (N): -log p(codes), in nats.
Tensor prior_nats(VqVaeWithPrior& model, const Tensor& codes, const Tensor& labels) {
  const auto logits = model.predict_codes(codes, labels).to(torch::kFloat32);
  return at::cross_entropy_loss(logits.transpose(1, 2), codes.flatten(1), {}, at::Reduction::None).sum(1);
}

class VqVaeTask : public MakingTask {
 public:
  VqVaeTask(VqVaeTaskConfig& config, const TaskContext& context)
      : MakingTask(config, context), config_(context.learns ? settled(config, set_) : config) {
    made_ = std::make_unique<VqVaeMaker>(config_, learned(), context);
    static_cast<VqVaeMakerConfig&>(config_) = made_->config();
    begin(*made_, [this](PictureBatch& batch) { binarise(config_.binarise, batch, context_.seed, true); });
  }

  nn::Module& model() override { return made_->model(); }
  Table settings() const override { return write_config(config_); }
  std::vector<Phase> phases() override {
    auto& model = made_->model();
    return {{"codes", model.autoencoder.get()}, {"prior", model.prior.get()}};
  }

  Losses losses(const Step& step) override {
    auto& model = made_->model();
    const auto& x = batch().pictures;
    if (step.phase == kCodes) {
      const auto out = model.autoencoder->forward(x);
      codes_ = out.codes;
      return {vqvae_loss(*model.autoencoder, out, x, config_.commitment),
              {{"commitment", out.commitment.item<double>()}}};
    }
    const auto nats = prior_nats(model, codes_, labels(batch())).mean();
    return {nats, {{"prior", nats.item<double>()}}};
  }

  std::string goal() const override { return "bits_per_dim"; }
  std::vector<Score> scores() const override {
    auto all = MakingTask::scores();
    all.insert(all.end(),
               {{"bits_per_dim", false}, {"nats", false}, {"reconstruction", false}, {"prior", false}, {"codes_used"}});
    return all;
  }
  Metrics evaluate(const std::string& split, int64_t limit) override {
    auto& model = made_->model();
    Mean given_codes, prior;
    auto used = torch::zeros({model.autoencoder->codes()}, torch::kBool);
    each_real(
        split, limit, [&](PictureBatch& batch) { binarise(config_.binarise, batch, context_.seed, false); },
        [&](const PictureBatch& batch) {
          const auto codes = model.autoencoder->encode(batch.pictures);
          const auto parameters = model.autoencoder->decode(codes);
          const auto weight = static_cast<double>(codes.size(0));
          const auto log_x = log_likelihood(model.autoencoder->likelihood(), parameters, batch.pictures);
          given_codes.add(-log_x.to(torch::kFloat64).mean().item<double>(), weight);
          prior.add(prior_nats(model, codes, labels(batch)).to(torch::kFloat64).mean().item<double>(), weight);
          used.index_fill_(0, codes.flatten().cpu(), true);
        });
    scored_ = split;
    const auto shape = model.autoencoder->pictures();
    const auto nats = given_codes.value() + prior.value();
    Metrics out = {{"bits_per_dim", bits_per_dimension(nats, shape.channels * shape.height * shape.width)},
                   {"nats", nats},
                   {"reconstruction", given_codes.value()},
                   {"prior", prior.value()},
                   {"codes_used", used.sum().item<double>()}};
    for (auto& metric : MakingTask::evaluate(split, limit)) out.push_back(std::move(metric));
    return out;
  }
  std::vector<Figure> figures() override {
    auto out = MakingTask::figures();
    auto& autoencoder = *made_->model().autoencoder;
    out.push_back(there_and_back(
        scored_, [&](PictureBatch& batch) { binarise(config_.binarise, batch, context_.seed, false); },
        [&](const PictureBatch& batch) {
          return mean_picture(autoencoder.likelihood(), autoencoder.decode(autoencoder.encode(batch.pictures)));
        }));
    return out;
  }

 private:
  VqVaeTaskConfig config_;
  std::unique_ptr<VqVaeMaker> made_;
  Tensor codes_;        // of the batch that both phases see
  std::string scored_;  // the split of the last evaluation
};

}  // namespace

Fields<VqVaeTaskConfig> VqVaeTaskConfig::fields() {
  using C = VqVaeTaskConfig;
  return making_fields<VqVaeTaskConfig>(
      VqVaeMakerConfig::fields(),
      {{"commitment", &C::commitment, "weight of features' distance from their codes", at_least(0)},
       {"binarise", &C::binarise, "how grey pictures become black and white",
        one_of({"dynamic", "fixed", "threshold", "none"})}});
}

void register_vqvae(TaskCatalog& catalog) {
  catalog.add(
      "vqvae", "pictures by codes and a prior over them", VqVaeTaskConfig{},
      [](VqVaeTaskConfig config, const TaskContext& context) { return std::make_unique<VqVaeTask>(config, context); });
}

}  // namespace hadal
