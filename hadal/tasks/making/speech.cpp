#include "hadal/tasks/making/speech.h"

#include <algorithm>
#include <cmath>

#include "hadal/core/format.h"
#include "hadal/metrics/classification.h"
#include "hadal/ops/noise.h"

namespace hadal {
namespace {

constexpr uint64_t kSpeechSeed = 0x50e4;  // the seed of what is drawn for scores: the same in every run
constexpr int64_t kMostSounds = 1000;     // sounds that the loss of a split is taken over

struct Batch {
  Tensor sounds, labels;  // (B, C, H, W) as the net makes them, (B) int64
  std::vector<int64_t> index;
  auto tensors() { return std::tie(sounds, labels); }
};

class Speech : public Task {
 public:
  Speech(SpeechConfig config, const TaskContext& context)
      : config_(std::move(config)), context_(context), learned_(context.learned) {
    source_ = sound_sources().make(config_.data);
    config_.data = sound_sources().resolve(config_.data);
    sounds_ = source_.open(context.learns ? std::vector<std::string>{} : LearnedClasses::from(learned_).labels,
                           [rate = source_.mel.rate](SoundReader& sound) { return sound_samples(sound, rate); });
    if (context.learns) learn();
    made_ = std::make_unique<SpeechMaker>(config_, learned_, context_);
    static_cast<SpeechMakerConfig&>(config_) = made_->config();
    if (!config_.judge.weights.empty()) {
      const auto known = by_class() ? made_->names() : LearnedClasses::from(learned_).names;
      judge_.emplace(config_.judge, context_, known.empty() ? sounds_->classes() : known, by_class());
    }
    if (!context.learns) return;
    batches_.emplace(shuffled(sounds_->size("train"), context_.batch, context_.seed), context_.workers, context_.device,
                     [this](const BatchPlan& plan) { return make_batch("train", plan, true); });
  }

  nn::Module& model() override { return made_->model(); }
  nn::Module& averaged() override { return *made_->model().network; }
  Table settings() const override { return write_config(config_); }
  Table learned() const override { return learned_; }
  Batches& batches() override { return *batches_; }
  std::vector<Phase> phases() override { return {{"train", made_->model().network.get()}}; }

  Losses losses(const Step&) override {
    const auto& batch = batches_->current();
    const auto& x = batch.sounds;
    const auto count = x.size(0);
    // Times spread evenly over the batch, by one share: its loss is steadier.
    const auto share = (torch::arange(count, torch::kFloat64) + torch::rand({1}, torch::kFloat64)) / count;
    auto wished = labels(batch);
    if (wished.defined())
      wished =
          with_forgotten(wished, torch::rand({count}, x.options()), config_.forget, made_->model().network->classes());
    return {loss(share, x, torch::randn_like(x), wished).mean(), {}};
  }

  std::vector<std::string> splits() const override {
    std::vector<std::string> there;
    for (const auto* split : {"train", "val", "test"})
      if (sounds_->size(split) > 0) there.emplace_back(split);
    return there;
  }
  std::string goal() const override { return judge_ ? "frechet" : "loss"; }
  std::vector<Score> scores() const override {
    auto all = judge_ ? judge_->scores() : std::vector<Score>{};
    all.push_back({"loss", false});
    return all;
  }
  Metrics evaluate(const std::string& split, int64_t limit) override {
    Mean mean;
    const auto most = limit > 0 ? std::min(limit, kMostSounds) : kMostSounds;
    each_batch<Batch>(
        model(), scored_samples(sounds_->size(split), most, context_.batch), context_,
        [&](const BatchPlan& plan) { return make_batch(split, plan, false); },
        [&](const Batch& batch) {
          std::vector<Tensor> noise;
          auto share = torch::empty({batch.sounds.size(0)}, torch::kFloat64);
          for (int64_t i = 0; i < share.size(0); ++i) {
            const auto index = batch.index[static_cast<size_t>(i)];
            noise.push_back(sample_noise(kSpeechSeed, index, 1, made_->noise_shape()));
            share[i] = Random(kSpeechSeed, {static_cast<uint64_t>(index)}).uniform();
          }
          const auto each = loss(share, batch.sounds, torch::cat(noise).to(batch.sounds.device()), labels(batch));
          mean.add(each.to(torch::kFloat64).mean().item<double>(), static_cast<double>(share.size(0)));
        });
    Metrics out = {{"loss", mean.value()}};
    if (!judge_) return out;
    auto count = split == "val" && context_.learns ? config_.judge.quick : config_.judge.samples;
    if (limit > 0) count = std::min(count, std::max<int64_t>(2, limit));
    for (auto& metric : judge_->score(*made_, *sounds_, split, count, context_.seed)) out.push_back(std::move(metric));
    return out;
  }
  std::vector<Figure> figures() override {
    const auto making = made_->making({{"n", config_.shown}, {"layout", "grid"}});
    const auto raw = made_->samples(making);
    const auto labels = labels_of(making.options, made_->names());
    std::vector<Tensor> sounds;
    for (const auto& one : raw.unbind()) throw_if_stopped(), sounds.push_back(made_->sound(one));
    const auto said = judge_ ? judge_->name(sounds, made_->mel().rate) : std::vector<ScoredClass>{};
    SoundFigure heard{"Sounds that it made", {}};
    PictureGrid seen{"Their spectrograms", {}};
    const auto pictures = made_->as_pictures(raw);
    for (size_t i = 0; i < sounds.size(); ++i) {
      const auto of = labels.empty() ? "" : made_->names().at(static_cast<size_t>(labels[i]));
      std::optional<bool> good;
      auto caption = of;
      if (judge_ && !labels.empty()) good = said[i].name == of;
      if (judge_ && said[i].name != of) caption += fmt::format(", heard as {}", said[i].name);
      heard.items.push_back({sounds[i], made_->mel().rate, caption, good});
      seen.items.push_back({pictures[static_cast<int64_t>(i)].contiguous(), caption, good});
    }
    return {heard, seen};
  }
  std::string summary() const override {
    auto text = fmt::format("{}; {} training sounds", made_->summary(), format_count(sounds_->size("train")));
    if (judge_) text += "; " + judge_->summary();
    if (!judge_ && !context_.learns) text += kNoJudge;
    return text;
  }

 private:
  /// What the data say: classes, and how loud they are. Puts the number of classes into the model.
  void learn() {
    if (!has_split("train")) fail_usage("the data has no sound for training: data.test and data.val take all of it");
    const auto& labels = sounds_->classes();
    learned_ = write_config(LearnedClasses{labels, labels});
    SpeechRange range{std::log(source_.mel.floor), -INFINITY};
    for (int64_t i = 0; i < sounds_->size("train"); ++i)
      range.high = std::max(range.high, log_mel(sounds_->get("train", i).first, source_.mel).max().item<double>());
    if (range.high < range.low + 1e-3) fail_usage("all sounds for training are silent: nothing can be learned of them");
    learned_.set("range", write_config(range));
    auto& settings = config_.model.settings;
    if (!settings.find("classes")) settings.set("classes", config_.conditional ? std::ssize(labels) : 0);
  }

  bool by_class() const { return !made_->names().empty(); }
  Tensor labels(const Batch& batch) const { return by_class() ? batch.labels : Tensor(); }
  /// (N): of sounds at the times that these shares draw.
  Tensor loss(const Tensor& share, const Tensor& x, const Tensor& noise, const Tensor& wished) {
    const auto& process = made_->process();
    return diffusion_loss(process.at(process.draw(share)), as_network(*made_->model().network), x, noise, wished);
  }

  Batch make_batch(const std::string& split, const BatchPlan& plan, bool vary) const {
    std::vector<Tensor> sounds;
    auto labels = torch::empty({std::ssize(plan.indices)}, torch::kInt64);
    for (size_t i = 0; i < plan.indices.size(); ++i) {
      auto [samples, label] = sounds_->get(split, plan.indices[i]);
      if (vary) {
        auto random = plan.sample(plan.indices[i]);
        samples = samples * std::pow(10, random.uniform(-config_.gain, config_.gain) / 20);
        samples = torch::constant_pad_nd(samples, {random.between(0, config_.shift * made_->mel().hop), 0});
      }
      sounds.push_back(made_->seen(samples));
      labels[static_cast<int64_t>(i)] = label;
    }
    return {torch::stack(sounds), labels, plan.indices};
  }

  SpeechConfig config_;
  TaskContext context_;
  Table learned_;
  SoundsSource source_;
  std::shared_ptr<const Sounds> sounds_;
  std::unique_ptr<SpeechMaker> made_;
  std::optional<SoundJudge> judge_;
  std::optional<LoadedBatches<Batch>> batches_;
};

}  // namespace

Fields<SpeechConfig> SpeechConfig::fields() {
  using C = SpeechConfig;
  return {SpeechMakerConfig::fields(),
          {{"conditional", &C::conditional, "learn the data's classes too, so that one can be asked for"},
           {"gain", &C::gain, "training sounds become louder or softer by up to so many decibels", at_least(0)},
           {"shift", &C::shift, "and begin up to so many frames later", at_least(0)},
           {"forget", &C::forget, "how often a sound's class is left out, so that guidance can compare", between(0, 1)},
           {"judge", &C::judge, "who scores samples: a run of classify_series"},
           {"shown", &C::shown, "sounds of the report", between(1, 100)}}};
}

void register_speech(TaskCatalog& catalog) {
  catalog.add(
      "speech", "sounds by a process that ends in noise, run backwards", SpeechConfig{},
      [](const SpeechConfig& config, const TaskContext& context) { return std::make_unique<Speech>(config, context); });
}

}  // namespace hadal
