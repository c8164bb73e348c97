#include "hadal/tasks/making/gan.h"

#include <cmath>

namespace hadal {
namespace {

enum Phases : size_t { kDiscriminator, kGenerator };

/// Above this over a whole evaluation's steps the discriminator has won: it teaches nothing any more.
constexpr double kWon = 0.995;
constexpr int64_t kEnough = 50;

GanConfig settled(GanConfig config, const PictureSet& set) {
  set.settle(config.model, gan_models(), config.conditional);
  return config;
}

class GanTask : public MakingTask {
 public:
  GanTask(GanConfig& config, const TaskContext& context)
      : MakingTask(config, context), config_(context.learns ? settled(config, set_) : config) {
    made_ = std::make_unique<GanMaker>(config_, learned(), context);
    static_cast<GanMakerConfig&>(config_) = made_->config();
    if (!context.learns) {
      begin(*made_);
      return;
    }
    auto& gan = made_->gan();
    if (config_.augment == "ada") {
      ada_ = Ada(config_.ada);
      ada_->to(context.device);
      gan.register_module("ada", ada_);
    }
    if (config_.loss.path_length > 0) {
      path_ = PathLength();
      path_->to(context.device);
      gan.register_module("path_length", path_);
    }
    begin(*made_);
  }

  nn::Module& model() override { return made_->model(); }
  nn::Module& averaged() override { return *made_->gan().generator; }
  Table settings() const override { return write_config(config_); }
  std::vector<Phase> phases() override {
    auto& gan = made_->gan();
    return {{"discriminator", gan.discriminator.get()}, {"generator", gan.generator.get()}};
  }

  Losses losses(const Step& step) override {
    auto& gan = made_->gan();
    const auto& pictures = batch().pictures;
    const auto z = torch::randn({pictures.size(0), gan.generator->latent()}, pictures.options());
    const GanBatch seen{pictures, gan.generator->classes() > 0 ? batch().labels : Tensor(), z};
    PictureChange change;
    int64_t call = 0;
    if (ada_)
      change = [&](const Tensor& x) {
        const auto key = static_cast<uint64_t>(step.number) * 2 + step.phase;
        return ada_->forward(x, Random(context_.seed, {3, key, static_cast<uint64_t>(call++)}));
      };
    const auto done = step.phase == kDiscriminator
                          ? discriminator_step(config_.loss, gan, seen, step.number, change)
                          : generator_step(config_.loss, gan, seen, step.number, change, path_ ? path_.get() : nullptr);
    if (step.phase == kDiscriminator) {
      if (ada_) ada_->observe(done.real_logits);
      right_ += discriminator_accuracy(gan_loss(config_.loss.loss), done.real_logits, done.made_logits);
      ++steps_;
    }
    Losses out;
    for (const auto& [name, loss] : done.losses) {
      out.total = out.total.defined() ? out.total + loss : loss;
      out.parts.emplace_back(name, loss.item<double>());
    }
    return out;
  }

  std::vector<Score> scores() const override {
    auto all = MakingTask::scores();
    if (context_.learns) all.insert(all.end(), {{"discriminator_accuracy", false}, {"discriminator_loss"}});
    if (ada_) all.push_back({"ada", false});
    return all;
  }
  Metrics evaluate(const std::string& split, int64_t limit) override {
    auto out = MakingTask::evaluate(split, limit);
    for (const auto& [name, value] : out)
      if (name == "least_class") least_ = value;
    if (steps_ > 0) out.emplace_back("discriminator_accuracy", accuracy_ = right_ / static_cast<double>(steps_));
    enough_ = steps_ >= kEnough;
    right_ = 0, steps_ = 0;
    if (ada_) out.emplace_back("ada", ada_->probability());
    return out;
  }
  TensorsByName state() const override {
    auto out = MakingTask::state();
    out.emplace_back("discriminator", torch::tensor({right_, static_cast<double>(steps_)}, torch::kFloat64));
    return out;
  }
  void load_state(const TensorsByName& state) override {
    MakingTask::load_state(state);
    for (const auto& [name, counts] : state)
      if (name == "discriminator") right_ = counts[0].item<double>(), steps_ = std::llround(counts[1].item<double>());
  }
  std::vector<std::string> alarms() const override {
    std::vector<std::string> out;
    if (enough_ && accuracy_ > kWon)
      out.push_back(
          fmt::format("the discriminator is right in {:.1f} % of its answers: the generator learns nothing from "
                      "it; a lower rate, loss.r1 or augment=ada usually helps",
                      100 * accuracy_));
    const auto classes = std::ssize(set_.classes());
    if (least_ == 0 && classes > 1 && classes <= 100)
      out.emplace_back("samples show not all classes (least_class 0): the generator may have collapsed onto some");
    return out;
  }

 private:
  GanConfig config_;
  std::unique_ptr<GanMaker> made_;
  Ada ada_{nullptr};
  PathLength path_{nullptr};
  double right_ = 0, accuracy_ = 0, least_ = 1;  // since the last evaluation, and at it
  int64_t steps_ = 0;
  bool enough_ = false;
};

}  // namespace

Fields<GanConfig> GanConfig::fields() {
  using C = GanConfig;
  return making_fields<GanConfig>(
      GanMakerConfig::fields(),
      {{"loss", &C::loss, "what the two nets are trained by"},
       {"augment", &C::augment, "what the discriminator sees: pictures as they are, or changed by chance",
        one_of({"none", "ada"})},
       {"ada", &C::ada, "those changes"}});
}

void register_gan(TaskCatalog& catalog) {
  catalog.add("gan", "pictures by a generator and a discriminator", GanConfig{},
              [](GanConfig config, const TaskContext& context) { return std::make_unique<GanTask>(config, context); });
}

}  // namespace hadal
