#include "hadal/trained/making/diffusion_maker.h"

#include <algorithm>

#include "hadal/io/image.h"
#include "hadal/models/generative/diffusion/consistency.h"
#include "hadal/ops/noise.h"

namespace hadal {
namespace {

constexpr int64_t kPaths = 8;  // samples whose way is shown

/// What the first samples looked like on the way.
struct Way {
  std::vector<Tensor> stops;  // (n, C, H, W) each
  void add(const Tensor& x) { stops.push_back(x.slice(0, 0, kPaths).to(torch::kFloat32).cpu()); }
};

}  // namespace

Fields<DiffusionOptions> DiffusionOptions::fields() {
  using C = DiffusionOptions;
  return with_sampler(
      Fields<C>(MakeOptions::fields(),
                {{"profile", &C::profile, "which average of the weights: over fewer or over more steps",
                  one_of({"fast", "slow"})},
                 {"image", &C::image, "begin from this picture instead of noise alone", file_path()},
                 {"strength", &C::strength,
                  "how much of the way from noise is gone again: 0 leaves the picture, 1 keeps none of it; beside a "
                  "mask 1 unless "
                  "it is asked for",
                  between(0, 1)},
                 {"mask", &C::mask, "where this is white the picture is made anew, elsewhere it stays", file_path()},
                 {"path", &C::path, "pictures of the way from noise, drawn into path.png; 0: none", at_least(0)}}));
}

void DiffusionOptions::validate() const {
  MakeOptions::validate();
  how.validate();
  require(mask.empty() || !image.empty(), "mask={} wants the picture that it belongs to: image=FILE", mask);
}

Fields<DiffusionMakerConfig> DiffusionMakerConfig::fields() {
  using C = DiffusionMakerConfig;
  return {{"model", &C::model, "the network that sees noise", denoiser_models().kinds()},
          {"process", &C::process, "how pictures become noise", processes().kinds()},
          {"objective", &C::objective,
           "what the network learns: to see noise, or to say the same picture all along a path, so that one step is "
           "enough",
           one_of({"denoising", "consistency"})},
          {"autoencoder", &C::autoencoder,
           "a run or weights of a VQ-VAE, on whose features the network works; empty: on pixels", file_path()},
          {"slow", &C::slow, "keep a second average of the weights, over more steps"},
          {"generate", &C::generate, "what generate makes"}};
}

Diffuser::Diffuser(std::shared_ptr<Denoiser> makes, std::shared_ptr<Denoiser> averaged)
    : network(std::move(makes)), slow(std::move(averaged)) {
  register_module("network", network);
  if (!slow) return;
  register_module("slow", slow);
  for (auto& parameter : slow->parameters()) parameter.set_requires_grad(false);
}

TensorsByName Diffuser::own_names(const TensorsByName& weights) const {
  const auto begins = [&](std::string_view with) {
    return std::any_of(weights.begin(), weights.end(),
                       [&](const auto& entry) { return entry.first.starts_with(with); });
  };
  TensorsByName out;
  const bool whole = begins("network."), both = begins("slow.");
  for (const auto& [name, tensor] : whole ? weights : network->own_names(weights)) {
    if (!slow && name.starts_with("slow.")) continue;
    const auto own = whole ? name : "network." + name;
    out.emplace_back(own, tensor);
    if (slow && !both) out.emplace_back("slow" + own.substr(own.find('.')), tensor);
  }
  return out;
}

void Diffuser::follow(double decay, int64_t step) {
  const torch::NoGradGuard no_grad;
  const auto n = static_cast<double>(step);
  const auto share = 1 - std::min(decay, (1 + n) / (10 + n));
  const auto from = network->parameters();
  const auto to = slow->parameters();
  for (size_t i = 0; i < to.size(); ++i) to[i].lerp_(from[i], share);
}

DiffusionMaker::DiffusionMaker(DiffusionMakerConfig config, const Table& learned, const Use& use)
    : PictureMaker(learned, use), config_(std::move(config)) {
  config_.model = denoiser_models().resolve(config_.model);
  config_.process = processes().resolve(config_.process);
  process_ = processes().make(config_.process);
  torch::manual_seed(use.seed);
  auto network = denoiser_models().make(config_.model);
  auto slow = config_.slow ? denoiser_models().make(config_.model) : nullptr;
  model_ = std::make_shared<Diffuser>(std::move(network), std::move(slow));
  if (model_->slow) model_->follow(0, 0);  // begins as the network
  settle_names(config_.model.name, model_->network->classes());
  if (!config_.autoencoder.empty()) {
    latents_.emplace(config_.autoencoder, use);
    const auto of = latents_->latents(), here = model_->network->pictures();
    require(of.channels == here.channels && of.height == here.height && of.width == here.width,
            "the network works on {} x {} x {} and the autoencoder {} has features of {} x {} x {}", here.channels,
            here.height, here.width, config_.autoencoder, of.channels, of.height, of.width);
    const auto* scale = learned.find("latents");
    if (!scale)
      fail_usage("the weights do not say how features were scaled; take a run folder, or the weights saved in one");
    LatentScale known;
    read_config(known, *scale, "learned.latents");
    latents_->scale(known, process_->deviation());
  }
  prepare(*model_, use);
}

std::vector<int64_t> DiffusionMaker::noise_shape() const {
  const auto shape = model_->network->pictures();
  return {shape.channels, shape.height, shape.width};
}

/// (1, channels, H, W) in [0, 1], of the network's size.
Tensor DiffusionMaker::read_picture(const std::string& path, const char* what, int64_t channels) const {
  const auto image = read_image(path, {.channels = channels});
  const auto shape = pictures();
  if (image.size(0) != shape.height || image.size(1) != shape.width)
    fail_usage("{} {} is {} x {} pixels and this model makes {} x {}", what, path, image.size(1), image.size(0),
               shape.width, shape.height);
  return image.permute({2, 0, 1}).unsqueeze(0).to(torch::kFloat32).div(255).to(use_.device);
}

/// 1 where the network makes anew: of latents, those of which any pixel is to be.
Tensor DiffusionMaker::read_mask(const std::string& path) const {
  const auto mask = read_picture(path, "the mask", 1).ge(0.5).to(torch::kFloat32);
  const auto shape = model_->network->pictures();
  return latents_ ? std::get<0>(torch::adaptive_max_pool2d(mask, {shape.height, shape.width})) : mask;
}

Making DiffusionMaker::making(const Table& given) {
  auto options = options_over(config_.generate, given, "generate");
  if (latents_) options.how.bound = 0;  // features have no white
  labels_of(options, names());
  if (options.profile == "slow" && !model_->slow)
    fail_usage("profile=slow: these weights hold one average alone; a run with slow=true keeps two");
  const auto classes = model_->network->classes();
  expect_sampling(options.how, *process_, classes);
  const bool at_once = config_.objective == "consistency";
  const auto unused = [&](bool given, const char* what) {
    if (given)
      fail_usage("{} wants steps that see noise; this model was trained for consistency: steps=1 or a few", what);
  };
  unused(at_once && options.how.guidance != 1, "guidance");
  unused(at_once && !options.image.empty(), "image");
  unused(at_once && options.path > 0, "path");
  const bool strength = given.find("strength") != nullptr;
  if (strength && options.image.empty())
    fail_usage("strength={} wants the picture that it belongs to: image=FILE", options.strength);
  SampleInput given_input;
  if (!options.image.empty()) {
    given_input.picture = seen(read_picture(options.image, "the picture", pictures().channels) * 2 - 1);
    given_input.strength = options.strength;
    if (!options.mask.empty()) {
      given_input.mask = read_mask(options.mask);
      if (!strength) given_input.strength = 1;
    }
  }
  const auto way = std::make_shared<Way>();
  Making out{options, {}, {}};
  if (at_once) {
    out.make = [this, options](const Wanted& wanted, const HowFar& told) { return looks(wanted, options, told); };
    return out;
  }
  out.make = [this, options, given_input, classes, way](const Wanted& wanted, const HowFar& told) {
    auto input = given_input;
    input.noise = wanted.noise, input.labels = wanted.labels;
    input.classes = classes, input.seed = static_cast<uint64_t>(options.seed), input.first = wanted.first;
    if (input.picture.defined()) input.picture = input.picture.expand_as(input.noise);
    if (input.mask.defined()) input.mask = input.mask.expand({input.noise.size(0), -1, -1, -1});
    const bool drawn = options.path > 0 && wanted.first == 0;
    if (drawn) way->add(shown(input.noise));
    auto& network = options.profile == "slow" ? *model_->slow : *model_->network;
    const auto step = [&](const SampleStep& at) {
      if (drawn && at.step * options.path / at.steps > (at.step - 1) * options.path / at.steps) way->add(shown(at.x));
      told(static_cast<double>(at.step) / static_cast<double>(at.steps));
    };
    return shown(sample(*process_, as_network(network), input, options.how, step));
  };
  if (options.path > 0)
    out.also.emplace_back("path.png", [this, way] {
      std::vector<Tensor> cells;
      for (int64_t i = 0; i < way->stops.front().size(0); ++i)
        for (const auto& stop : way->stops) cells.push_back(as_pictures(stop.slice(0, i, i + 1))[0].contiguous());
      return plain_grid(cells, std::ssize(way->stops));
    });
  return out;
}

Tensor DiffusionMaker::looks(const Wanted& wanted, const DiffusionOptions& options, const HowFar& told) {
  auto times = sampling_times(*process_, options.how);
  times.erase(times.begin()), times.pop_back();  // behind the first look, and before what is clean
  const auto fresh = [&](int64_t step) {
    told(static_cast<double>(step + 1) / static_cast<double>(options.how.steps));
    return step_noise(static_cast<uint64_t>(options.seed), step, wanted.first, wanted.noise.size(0), noise_shape());
  };
  auto& network = options.profile == "slow" ? *model_->slow : *model_->network;
  return shown(consistency_sample(*process_, as_network(network), wanted.noise, wanted.labels, times, fresh));
}

void register_diffusion_maker(TrainedCatalog& catalog) {
  catalog.add("diffusion", "pictures made of noise step by step", DiffusionMakerConfig{},
              [](const DiffusionMakerConfig& config, const Table& learned, const Use& use) {
                return std::make_unique<DiffusionMaker>(config, learned, use);
              });
}

}  // namespace hadal
