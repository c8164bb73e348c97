#include "hadal/trained/making/speech_maker.h"

#include <algorithm>

#include "hadal/data/path.h"
#include "hadal/trained/summary.h"

namespace hadal {
namespace {

constexpr double kSilence = -0.9;  // a frame's mean below it is silence behind a sound
constexpr double kQuiet = 0.01;    // so is a sample
constexpr double kPeak = 0.9;      // of a sound that is made sample by sample

/// Of what both hear, what the vocoder hears otherwise: "bands=80 hop=256"; empty: nothing.
std::string other_settings(const MelConfig& vocoder, const MelConfig& ours) {
  std::string out;
  const auto theirs = write_config(vocoder), own = write_config(ours);
  for (const auto& [key, value] : theirs.entries())
    if (value.text() != own.find(key)->text())
      out += fmt::format("{}{}={} (here {})", out.empty() ? "" : ", ", key, value.text(), own.find(key)->text());
  return out;
}

std::unique_ptr<TrainedVocoder> vocoder_of(const std::string& what, const MelConfig& mel, const Use& use) {
  const auto path = data_path(what);
  if (!std::filesystem::exists(path))
    fail_usage("the vocoder {} is not there: train it first (hadal train {}), or give vocoder=\"\" for Griffin-Lim",
               path.string(), path.filename().string());
  auto out = load_vocoder(path, {.device = use.device.str()});
  const auto other = other_settings(out->mel(), mel);
  require(other.empty(), "the vocoder {} is for other spectrograms: {}; data.mel must be what it was trained with",
          what, other);
  return out;
}

}  // namespace

Fields<SpeechOptions> SpeechOptions::fields() { return with_sampler(Fields<SpeechOptions>(MakeOptions::fields(), {})); }

void SpeechOptions::validate() const {
  MakeOptions::validate();
  how.validate();
}

Fields<SpeechMakerConfig> SpeechMakerConfig::fields() {
  using C = SpeechMakerConfig;
  return {{"model", &C::model, "the network that sees noise: of spectrograms, or of samples", sound_nets()},
          {"process", &C::process, "how sounds become noise", processes().kinds()},
          {"data", &C::data, "where sounds come from, their spectrogram and its length", sound_sources().kinds("kind")},
          {"vocoder", &C::vocoder, "a run or weights of a vocoder that makes spectrograms sounds; empty: Griffin-Lim",
           file_path()},
          {"generate", &C::generate, "what generate makes"}};
}

Fields<SpeechRange> SpeechRange::fields() {
  return {{"low", &SpeechRange::low, "the logarithm of silence"},
          {"high", &SpeechRange::high, "that of the loudest band of the training sounds"}};
}

SpeechRange SpeechRange::from(const Table& learned) {
  const auto* range = learned.find("range");
  if (!range)
    fail_usage("the weights do not say how spectrograms were scaled; take a run folder, or the weights saved in one");
  SpeechRange out;
  read_config(out, *range, "learned.range");
  require(out.low < out.high, "learned.range: low ({}) must be below high ({})", out.low, out.high);
  return out;
}

SpeechMaker::SpeechMaker(SpeechMakerConfig config, const Table& learned, const Use& use)
    : Maker(use),
      config_(std::move(config)),
      hearing_(sound_sources().make(config_.data)),
      range_(SpeechRange::from(learned)),
      waves_(makes_waves(config_.model.name)) {
  config_.process = processes().resolve(config_.process);
  process_ = processes().make(config_.process);
  torch::manual_seed(use.seed);
  auto network = make_sound_net(config_.model, hearing_.mel.bands, hearing_.length, samples_each());
  const auto classes = network->classes();
  model_ = std::make_shared<Diffuser>(std::move(network), nullptr);
  names_ = LearnedClasses::from(learned).names;
  if (classes == 0) names_.clear();
  require(names_.empty() || std::ssize(names_) == classes, "model.classes is {} and {} class names were learned",
          classes, names_.size());
  for (auto label = std::ssize(names_); label < classes; ++label) names_.push_back(fmt::format("{}", label));
  prepare(*model_, use);
  require(!waves_ || config_.vocoder.empty(), "{} makes samples, which no vocoder takes: vocoder=\"\"",
          config_.model.name);
  if (!config_.vocoder.empty()) vocoder_ = vocoder_of(config_.vocoder, hearing_.mel, use);
}

std::string SpeechMaker::summary() const {
  auto text = fmt::format("{}, sounds of {:.2f} s", model_summary(config_.model.name, *model_),
                          static_cast<double>(samples_each()) / static_cast<double>(mel().rate));
  if (!names_.empty()) text += fmt::format(" of {} classes", names_.size());
  if (!waves_) text += vocoder_ ? ", made by " + config_.vocoder : ", made by Griffin-Lim";
  return text;
}

std::vector<int64_t> SpeechMaker::noise_shape() const {
  const auto shape = model_->network->pictures();
  return {shape.channels, shape.height, shape.width};
}

Tensor SpeechMaker::seen(const Tensor& samples) const {
  const torch::NoGradGuard no_grad;
  const auto size = samples_each(), over = std::max<int64_t>(0, samples.size(0) - size) / 2;
  auto x = samples.slice(0, over, over + size);
  const auto missing = size - x.size(0);
  if (waves_) {
    x = x * (kPeak / x.abs().max().clamp_min(1e-3));
    return torch::constant_pad_nd(x, {0, missing}).view({1, 1, size});
  }
  const auto mel = log_mel(x, hearing_.mel).slice(1, 0, hearing_.length);
  const auto padded = torch::constant_pad_nd(mel, {0, hearing_.length - mel.size(1)}, range_.low);
  return ((padded - range_.low) * (2 / (range_.high - range_.low)) - 1).clamp(-1, 1).unsqueeze(0);
}

/// (1, bands, frames) in [-1, 1] -> (bands, frames).
Tensor SpeechMaker::logarithms(const Tensor& raw) const {
  return (raw[0].nan_to_num(-1).clamp(-1, 1) + 1) * ((range_.high - range_.low) / 2) + range_.low;
}

Tensor SpeechMaker::sound(const Tensor& raw) {
  const torch::NoGradGuard no_grad;
  const auto loud = waves_ ? raw.flatten().nan_to_num(0).abs() > kQuiet : raw[0].mean(0) > kSilence;
  const auto places = loud.nonzero();
  const auto last = places.size(0) > 0 ? places[-1].item<int64_t>() : loud.size(0) - 1;
  if (waves_) return raw.flatten().nan_to_num(0).clamp(-1, 1).slice(0, 0, std::max(last + 1, mel().hop)).clone();
  // A frame more, so that the last one is heard; two at least, as a hop lies between them.
  const auto frames = std::min(std::max<int64_t>(last + 2, 2), hearing_.length);
  const auto mel = logarithms(raw).slice(1, 0, frames);
  const auto made =
      vocoder_ ? vocoder_->sound(mel) : sound_without_vocoder(mel, hearing_.mel, (frames - 1) * hearing_.mel.hop);
  return made.clamp(-1, 1);
}

Tensor SpeechMaker::as_pictures(const Tensor& raw) const {
  auto levels = raw;
  if (waves_) {
    const auto mel = log_mel(raw.flatten(1).nan_to_num(0).clamp(-1, 1), hearing_.mel).unsqueeze(1);
    levels = (mel - range_.low) * (2 / (range_.high - range_.low)) - 1;
  }
  const auto grey = ((levels.to(torch::kFloat32).nan_to_num(-1) + 1) * 127.5).round().clamp(0, 255);
  return grey.to(torch::kUInt8).flip(2).permute({0, 2, 3, 1}).contiguous().cpu();
}

std::vector<Attachment> SpeechMaker::files_of(const Tensor& raw, const std::string& stem) {
  return {{stem + ".wav", [this, raw] { return encode_wav(sound(raw), mel().rate); }}};
}

Making SpeechMaker::making(const Table& given) {
  const auto options = options_over(config_.generate, given, "generate");
  labels_of(options, names());
  const auto classes = model_->network->classes();
  expect_sampling(options.how, *process_, classes);
  return {options, [this, options, classes](const Wanted& wanted, const HowFar& told) {
            SampleInput input;
            input.noise = wanted.noise, input.labels = wanted.labels;
            input.classes = classes, input.seed = static_cast<uint64_t>(options.seed), input.first = wanted.first;
            return sample(*process_, as_network(*model_->network), input, options.how, [&](const SampleStep& at) {
              told(static_cast<double>(at.step) / static_cast<double>(at.steps));
            });
          }};
}

void register_speech_maker(TrainedCatalog& catalog) {
  catalog.add("speech", "sounds made of noise step by step", SpeechMakerConfig{},
              [](const SpeechMakerConfig& config, const Table& learned, const Use& use) {
                return std::make_unique<SpeechMaker>(config, learned, use);
              });
}

}  // namespace hadal
