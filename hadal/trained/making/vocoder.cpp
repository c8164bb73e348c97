#include "hadal/trained/making/vocoder.h"

#include <algorithm>

#include "hadal/data/sound/griffin_lim.h"
#include "hadal/trained/summary.h"

namespace hadal {
namespace {

constexpr int64_t kPiece = 2048;  // frames that go through the net together

/// The net's bands, window and hop are the spectrogram's.
void agree(Part& model, const MelConfig& mel) {
  const auto set = [&](const char* key, int64_t value) {
    if (!model.settings.find(key)) return model.settings.set(key, value);
    const auto given = read_integer(*model.settings.find(key), fmt::format("model.{}", key), {});
    require(given == value, "model.{} is {} and data.mel.{} is {}", key, given, key, value);
  };
  set("bands", mel.bands), set("window", mel.window), set("hop", mel.hop);
}

}  // namespace

Fields<VocoderOptions> VocoderOptions::fields() {
  return {{"griffin_lim", &VocoderOptions::griffin_lim, "write what Griffin-Lim makes of it too, to compare"},
          {"refine", &VocoderOptions::refine,
           "rounds that bring the net's sound nearer to the spectrogram it is made for (0: as the net says it)",
           between(0, 1000)}};
}

Fields<VocoderConfig> VocoderConfig::fields() {
  using C = VocoderConfig;
  return {{"model", &C::model, "the network", vocoders().kinds()},
          {"data", &C::data, "where sounds come from, and the spectrogram", sound_sources().kinds("kind")},
          {"predict", &C::predict, "what predict writes"}};
}

VocoderNets::VocoderNets(std::shared_ptr<VocosImpl> makes, const VocoderJudgesConfig* tells)
    : vocoder(std::move(makes)) {
  register_module("vocoder", vocoder);
  if (tells) judges = register_module("judges", std::make_shared<VocoderJudgesImpl>(*tells));
}

TensorsByName VocoderNets::own_names(const TensorsByName& weights) const {
  const bool whole = std::any_of(weights.begin(), weights.end(),
                                 [](const auto& entry) { return entry.first.starts_with("vocoder."); });
  TensorsByName out;
  for (const auto& [name, tensor] : whole ? weights : vocoder->own_names(weights))
    if (!whole)
      out.emplace_back("vocoder." + name, tensor);
    else if (judges || !name.starts_with("judges."))
      out.emplace_back(name, tensor);
  return out;
}

TrainedVocoder::TrainedVocoder(VocoderConfig config, const Use& use, const VocoderJudgesConfig* judges)
    : config_(std::move(config)), use_(use), mel_(sound_sources().make(config_.data).mel) {
  agree(config_.model, mel_);
  config_.model = vocoders().resolve(config_.model);
  torch::manual_seed(use.seed);
  auto makes = vocoders().make(config_.model);
  require(makes->config().ends == "center",
          "model.ends must be center: the spectrogram's windows stand at multiples of hop");
  model_ = std::make_shared<VocoderNets>(std::move(makes), judges);
  if (use_.weights) load_into(*model_, *use_.weights, use_.learns);
  model_->to(use_.device);
}

std::string TrainedVocoder::summary() const {
  return fmt::format("{}, {} bands, {} samples a second", model_summary(config_.model.name, *model_->vocoder),
                     mel_.bands, mel_.rate);
}

Tensor TrainedVocoder::heard(const Tensor& samples) const {
  const auto there = samples.size(0), hop = mel_.hop;
  const auto whole = std::max((there + hop - 1) / hop * hop, mel_.window);
  return log_mel(torch::constant_pad_nd(samples, {0, whole - there}), mel_);
}

Tensor TrainedVocoder::sound(const Tensor& mel, int64_t refine) {
  auto& net = *model_->vocoder;
  const auto& config = net.config();
  const auto says = [&](const Tensor& bands) {
    const Using guard(*model_, use_);
    return net.forward(bands.unsqueeze(0).to(use_.device))[0].to(torch::kFloat32).cpu();
  };
  const auto frames = mel.size(1), hop = config.hop;
  // A sample depends on the windows over it, and these on three frames to each side of every convolution.
  const auto beside = 3 * (config.depth + 1) + config.window / (2 * hop) + 1 + refine;
  std::vector<Tensor> pieces;
  for (int64_t first = 0; first < frames - 1 || pieces.empty(); first += kPiece) {
    const auto last = std::min(first + kPiece, frames - 1);
    const auto from = std::max<int64_t>(0, first - beside), to = std::min(frames, last + beside + 1);
    const auto bands = mel.slice(1, from, to);
    auto made = says(bands);
    if (refine > 0) made = nearer_to_log_mel(made, bands.cpu(), mel_, refine);
    pieces.push_back(made.slice(0, (first - from) * hop, (last - from) * hop));
  }
  return torch::cat(pieces);
}

Tensor sound_without_vocoder(const Tensor& mel, const MelConfig& config, int64_t length) {
  return sound_of_log_mel(mel, config).slice(0, 0, length);
}

std::vector<Answer> TrainedVocoder::predict(std::span<const Input> inputs, const Table& given) {
  const auto options = options_over(config_.predict, given, "predict");
  std::vector<Answer> answers;
  for (const auto& input : inputs) {
    auto& answer = answers.emplace_back();
    try {
      const auto samples = sound_samples(std::as_bytes(std::span(input.bytes)), input.name, mel_.rate);
      const auto length = samples.size(0);
      const auto made = sound(heard(samples), options.refine).slice(0, 0, length);
      answer.json = {{"input", input.name},
                     {"rate", mel_.rate},
                     {"seconds", static_cast<double>(length) / static_cast<double>(mel_.rate)}};
      answer.files.push_back({".wav", [made, rate = mel_.rate] { return encode_wav(made, rate); }});
      if (options.griffin_lim)
        answer.files.push_back({"-griffin-lim.wav", [mel = heard(samples), config = mel_, length] {
                                  return encode_wav(sound_without_vocoder(mel, config, length), config.rate);
                                }});
    } catch (const Error& error) {
      answer.error = error.what();
    }
  }
  return answers;
}

std::unique_ptr<TrainedVocoder> load_vocoder(const std::filesystem::path& what, const UseOptions& options) {
  return load_as<TrainedVocoder>("vocoder", what, options);
}

void register_trained_vocoder(TrainedCatalog& catalog) {
  catalog.add("vocoder", "sounds out of their spectrograms", VocoderConfig{},
              [](const VocoderConfig& config, const Table&, const Use& use) {
                return std::make_unique<TrainedVocoder>(config, use);
              });
}

}  // namespace hadal
