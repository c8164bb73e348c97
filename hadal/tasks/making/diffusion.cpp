#include "hadal/tasks/making/diffusion.h"

#include <numeric>

#include "hadal/metrics/classification.h"
#include "hadal/ops/noise.h"

namespace hadal {
namespace {

constexpr uint64_t kScored = 0xd1ff;   // the seed of what is drawn for scores: the same in every run
constexpr int64_t kMostScored = 2000;  // pictures that the loss of a split is taken over

constexpr int64_t kMeasured = 1000;  // pictures by which an autoencoder's features are scaled

DiffusionConfig settled(DiffusionConfig config, const PictureSet& set, const std::optional<LatentSpace>& latents) {
  std::optional<PictureShape> as;
  if (latents) as = latents->latents();
  set.settle(config.model, denoiser_models(), config.conditional, as);
  return config;
}

class DiffusionTask : public MakingTask {
 public:
  DiffusionTask(DiffusionConfig& config, const TaskContext& context) : MakingTask(config, context) {
    std::optional<LatentSpace> latents;
    if (context.learns && !config.autoencoder.empty()) latents.emplace(config.autoencoder, context);
    config_ = context.learns ? settled(config, set_, latents) : config;
    if (const auto* known = context.learned.find("latents"))
      scale_.set("latents", *known);
    else if (latents)
      scale_.set("latents", write_config(measured(*latents)));
    made_ = std::make_unique<DiffusionMaker>(config_, learned(), context);
    static_cast<DiffusionMakerConfig&>(config_) = made_->config();
    begin(*made_);
  }

  nn::Module& model() override { return made_->model(); }
  nn::Module& averaged() override { return *made_->model().network; }
  Table settings() const override { return write_config(config_); }
  Table learned() const override {
    auto out = MakingTask::learned();
    for (const auto& [key, value] : scale_.entries()) out.set(key, value);
    return out;
  }
  std::vector<Phase> phases() override { return {{"train", made_->model().network.get()}}; }

  Losses losses(const Step& step) override {
    auto& model = made_->model();
    if (model.slow) model.follow(config_.slow_decay, step.number);
    const auto x = made_->seen(batch().pictures);
    const auto count = x.size(0);
    // Times spread evenly over the batch, by one share: its loss is steadier.
    const auto share = (torch::arange(count, torch::kFloat64) + torch::rand({1}, torch::kFloat64)) / count;
    auto wished = labels(batch());
    if (wished.defined() && config_.objective != "consistency")
      wished = with_forgotten(wished, torch::rand({count}, x.options()), config_.forget, model.network->classes());
    done_ = step.of > 0 ? static_cast<double>(step.number) / static_cast<double>(step.of) : 0;
    return {loss(share, x, torch::randn_like(x), wished).mean(), {}};
  }

  std::vector<Score> scores() const override {
    auto all = MakingTask::scores();
    all.push_back({"loss", false});
    return all;
  }
  Metrics evaluate(const std::string& split, int64_t limit) override {
    Mean mean;
    const auto most = limit > 0 ? std::min(limit, kMostScored) : kMostScored;
    each_real(split, most, {}, [&](const PictureBatch& batch) {
      std::vector<Tensor> noise;
      auto share = torch::empty({batch.pictures.size(0)}, torch::kFloat64);
      for (int64_t i = 0; i < share.size(0); ++i) {
        const auto index = batch.index[static_cast<size_t>(i)];
        noise.push_back(sample_noise(kScored, index, 1, made_->noise_shape()));
        share[i] = Random(kScored, {static_cast<uint64_t>(index)}).uniform();
      }
      const auto each =
          loss(share, made_->seen(batch.pictures), torch::cat(noise).to(batch.pictures.device()), labels(batch));
      mean.add(each.to(torch::kFloat64).mean().item<double>(), static_cast<double>(share.size(0)));
    });
    Metrics out = {{"loss", mean.value()}};
    for (auto& metric : MakingTask::evaluate(split, limit)) out.push_back(std::move(metric));
    return out;
  }
  std::vector<Figure> figures() override {
    auto out = MakingTask::figures();
    const auto& how = config_.generate.how;
    std::vector<int64_t> steps;
    for (const int64_t count : {1, 2, 5, 10, 20})
      if (made_->process().discrete_times() == 0 || count <= made_->process().discrete_times()) steps.push_back(count);
    std::vector<Tensor> rows;
    const auto row = [&](const std::string& key, const Value& value) {
      const auto all = made_->making({{"n", int64_t{10}}, {"layout", "grid"}, {key, value}});
      for (const auto& picture : made_->as_pictures(made_->samples(all)).unbind()) rows.push_back(picture.contiguous());
    };
    for (const auto count : steps) row("steps", count);
    out.push_back(
        PictureGrid{fmt::format("Samples after {} steps", fmt::join(steps, ", ")), {{plain_grid(rows, 10), "", {}}}});
    if (!by_class() || config_.objective == "consistency") return out;
    rows.clear();
    const std::vector<double> strengths = {1, 1.5, 2, 3, 5};
    for (const auto strength : strengths) row("guidance", strength);
    out.push_back(PictureGrid{fmt::format("Guidance of {}, {} steps", fmt::join(strengths, ", "), how.steps),
                              {{plain_grid(rows, 10), "", {}}}});
    return out;
  }

 private:
  LatentScale measured(const LatentSpace& latents) {
    set_.prepare(latents.pictures(), {-1, 1}, 0);
    std::vector<int64_t> first(static_cast<size_t>(std::min(kMeasured, set_.train().size())));
    std::iota(first.begin(), first.end(), int64_t{0});
    return latents.measure(set_.batch(set_.train(), first).pictures);
  }
  /// (N): of pictures at the times that these shares draw.
  Tensor loss(const Tensor& share, const Tensor& x, const Tensor& noise, const Tensor& wished) {
    const auto& process = made_->process();
    const auto network = as_network(*made_->model().network);
    if (config_.objective == "consistency")
      return consistency_loss(config_.consistency, process, network,
                              consistency_pair(config_.consistency, process, share, done_), x, noise, wished);
    return diffusion_loss(process.at(process.draw(share)), network, x, noise, wished);
  }

  DiffusionConfig config_;
  std::unique_ptr<DiffusionMaker> made_;
  Table scale_;      // with an autoencoder: what was learned of its features
  double done_ = 1;  // how much of training is over
};

}  // namespace

Fields<DiffusionConfig> DiffusionConfig::fields() {
  using C = DiffusionConfig;
  return making_fields<C>(
      DiffusionMakerConfig::fields(),
      {{"forget", &C::forget, "how often a picture's class is left out, so that guidance can compare", between(0, 1)},
       {"slow_decay", &C::slow_decay, "of the second average", between(0, 1)},
       {"consistency", &C::consistency, "objective=consistency: which times are to agree"}});
}

void register_diffusion(TaskCatalog& catalog) {
  catalog.add("diffusion", "pictures by a process that ends in noise, run backwards", DiffusionConfig{},
              [](DiffusionConfig config, const TaskContext& context) {
                return std::make_unique<DiffusionTask>(config, context);
              });
}

}  // namespace hadal
