#include "hadal/tasks/making/vocoder.h"

#include <cmath>
#include <map>

#include "hadal/core/format.h"
#include "hadal/core/precision.h"
#include "hadal/metrics/sound.h"
#include "hadal/models/audio/spectral_losses.h"

namespace hadal {
namespace {

enum VocoderPhases : size_t { kVocoder, kJudges };

constexpr int64_t kShown = 6;  // recordings of the report

struct WaveBatch {
  Tensor samples;  // (B, frames * hop)
  auto tensors() { return std::tie(samples); }
};

class VocoderTask : public Task {
 public:
  VocoderTask(const VocoderTaskConfig& config, const TaskContext& context) : config_(config), context_(context) {
    source_ = sound_sources().make(config_.data);
    config_.data = sound_sources().resolve(config_.data);
    made_ = std::make_unique<TrainedVocoder>(config_, context_, context.learns ? &config_.judges : nullptr);
    static_cast<VocoderConfig&>(config_) = made_->config();
    const auto& mel = made_->mel();
    require(config_.frames * mel.hop >= mel.window, "frames={} of data.mel.hop={} are shorter than a window of {}",
            config_.frames, mel.hop, mel.window);
    sounds_ = source_.open({}, [rate = mel.rate](SoundReader& sound) { return sound_samples(sound, rate); });
    if (!context.learns) return;
    if (!has_split("train")) fail_usage("the data has no sound for training: data.test and data.val take all of it");
    batches_.emplace(shuffled(sounds_->size("train"), context_.batch, context_.seed), context_.workers, context_.device,
                     [this](const BatchPlan& plan) { return make_batch(plan); });
  }

  nn::Module& model() override { return made_->model(); }
  nn::Module& averaged() override { return *made_->model().vocoder; }
  Table settings() const override { return write_config(config_); }
  Batches& batches() override { return *batches_; }
  std::vector<Phase> phases() override {
    auto& nets = made_->model();
    return {{"vocoder", nets.vocoder.get()}, {"judges", nets.judges.get()}};
  }

  Losses losses(const Step& step) override {
    const auto& real = batches_->current().samples;
    auto& nets = made_->model();
    const auto& weights = config_.loss;
    const auto kind = gan_loss(weights.kind);
    const bool alone = static_cast<double>(step.number) < weights.alone * static_cast<double>(step.of) ||
                       weights.adversarial + weights.features == 0;
    if (step.phase == kJudges) {
      const auto& made = made_of_batch_;
      if (alone) return {0 * nets.judges->parameters().front().sum(), {}};
      const auto loss = judges_loss(kind, nets.judges->forward(real), nets.judges->forward(made));
      return {loss, {{"judges", loss.item<double>()}}};
    }
    const auto& mel = made_->mel();
    const auto heard = [&] {
      const FullPrecision wide(context_.device);
      return log_mel(real, mel);
    }();
    const auto made = nets.vocoder->forward(heard).to(torch::kFloat32);
    made_of_batch_ = made.detach();  // for the discriminators, which come next
    Losses out;
    const auto add = [&](const char* name, double weight, const Tensor& loss) {
      out.total = out.total.defined() ? out.total + weight * loss : weight * loss;
      out.parts.emplace_back(name, loss.item<double>());
    };
    {
      const FullPrecision wide(context_.device);
      add("mel", weights.mel, mel_loss(made, real, mel.stft(), mel.shape()));
      if (weights.stft > 0) add("stft", weights.stft, stft_loss(made, real, stft_resolutions(mel.rate)).sum());
    }
    if (alone) return out;
    const auto of_made = nets.judges->forward(made);
    const auto of_real = [&] {
      const torch::NoGradGuard no_grad;
      return nets.judges->forward(real);
    }();
    add("adversarial", weights.adversarial, vocoder_loss(kind, of_made, of_real));
    if (weights.features > 0) add("features", weights.features, feature_matching_loss(of_real, of_made));
    return out;
  }

  std::vector<std::string> splits() const override {
    std::vector<std::string> there;
    for (const auto* split : {"train", "val", "test"})
      if (sounds_->size(split) > 0) there.emplace_back(split);
    return there;
  }
  std::string goal() const override { return "stft_distance"; }
  std::vector<Score> scores() const override {
    return {{"stft_distance", false}, {"mel_distance", false}, {"stft_griffin_lim", false}, {"mel_griffin_lim", false}};
  }
  Metrics evaluate(const std::string& split, int64_t limit) override {
    scored_ = split;
    SoundDistance distance(made_->mel());
    each_scored(split, limit, [&](const Tensor& real) { distance.add((*made_)(real), real); });
    auto out = distance.metrics();
    auto& beside = griffin_lim_[{split, limit}];  // it learns nothing: once is enough
    if (beside.empty()) {
      SoundDistance other(made_->mel());
      each_scored(split, limit, [&](const Tensor& real) { other.add(griffin_lim_of(real), real); });
      for (const auto& [name, value] : other.metrics())
        beside.emplace_back(name.substr(0, name.find('_')) + "_griffin_lim", value);
    }
    out.insert(out.end(), beside.begin(), beside.end());
    return out;
  }
  std::vector<Figure> figures() override {
    SoundFigure figure{"Recordings, and what came of their spectrograms", {}};
    each_scored(scored_.empty() ? splits().front() : scored_, kShown, [&](const Tensor& real) {
      const auto add = [&](const Tensor& samples, const char* caption) {
        figure.items.push_back({samples.clamp(-1, 1), made_->mel().rate, caption, {}});
      };
      add(real, "recorded"), add(griffin_lim_of(real), "Griffin-Lim"), add((*made_)(real), "vocoder");
    });
    return {figure};
  }
  std::string summary() const override {
    return fmt::format("{}; {} training sounds", made_->summary(), format_count(sounds_->size("train")));
  }

 private:
  /// A piece of each sound at a random place, louder or softer; what is too short has silence behind it.
  WaveBatch make_batch(const BatchPlan& plan) const {
    const auto size = config_.frames * made_->mel().hop;
    std::vector<Tensor> pieces;
    for (const auto index : plan.indices) {
      auto random = plan.sample(index);
      const auto sound = sounds_->get("train", index).first;
      const auto room = sound.size(0) - size, first = random.between(0, std::max<int64_t>(0, room));
      const auto piece = sound.slice(0, first, first + size);
      const auto louder = std::pow(10, random.uniform(-config_.gain, config_.gain) / 20);
      pieces.push_back(torch::constant_pad_nd(piece * louder, {0, std::max<int64_t>(0, -room)}).clamp(-1, 1));
    }
    return {torch::stack(pieces)};
  }
  void each_scored(const std::string& split, int64_t limit, const std::function<void(const Tensor&)>& take) const {
    for (const auto index : scored_samples(sounds_->size(split), limit, 1).order(0)) {
      throw_if_stopped();
      take(sounds_->get(split, index).first);
    }
  }
  Tensor griffin_lim_of(const Tensor& real) const {
    return sound_without_vocoder(made_->heard(real), made_->mel(), real.size(0));
  }

  VocoderTaskConfig config_;
  TaskContext context_;
  SoundsSource source_;
  std::shared_ptr<const Sounds> sounds_;
  std::unique_ptr<TrainedVocoder> made_;
  Tensor made_of_batch_;
  std::string scored_;  // the split of the last evaluation
  std::map<std::pair<std::string, int64_t>, Metrics> griffin_lim_;
  std::optional<LoadedBatches<WaveBatch>> batches_;
};

}  // namespace

Fields<VocoderLosses> VocoderLosses::fields() {
  using C = VocoderLosses;
  return {{"mel", &C::mel, "weight of the difference of log-mel spectrograms", at_least(0)},
          {"stft", &C::stft, "weight of the difference of spectra over three resolutions", at_least(0)},
          {"features", &C::features, "weight of the difference of the discriminators' features", at_least(0)},
          {"adversarial", &C::adversarial, "weight of what the discriminators say", at_least(0)},
          {"kind", &C::kind, "what the two sides are trained by", one_of(gan_loss_names())},
          {"alone", &C::alone, "share of the run that goes by spectra alone, before the discriminators begin",
           between(0, 1)}};
}

Fields<VocoderTaskConfig> VocoderTaskConfig::fields() {
  using C = VocoderTaskConfig;
  return {VocoderConfig::fields(),
          {{"judges", &C::judges, "the discriminators"},
           {"loss", &C::loss, "what the vocoder is trained by"},
           {"frames", &C::frames, "frames of the pieces it is trained on", at_least(2)},
           {"gain", &C::gain, "pieces become louder or softer by up to so many decibels", at_least(0)}}};
}

void register_vocoder(TaskCatalog& catalog) {
  catalog.add("vocoder", "sounds out of their spectrograms, by a net and discriminators", VocoderTaskConfig{},
              [](const VocoderTaskConfig& config, const TaskContext& context) {
                return std::make_unique<VocoderTask>(config, context);
              });
}

}  // namespace hadal
