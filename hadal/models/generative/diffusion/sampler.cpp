#include "hadal/models/generative/diffusion/sampler.h"

#include <cmath>

#include "hadal/core/shape.h"
#include "hadal/models/generative/diffusion/solvers.h"
#include "hadal/ops/noise.h"

namespace hadal {
namespace {

bool is_guided(const SamplerConfig& config, int64_t step) {
  const auto share = static_cast<double>(step) / static_cast<double>(config.steps);
  return config.guidance != 1 && share >= config.guidance_from && share < config.guidance_to;
}

/// A network of one process seen from samplers: scaled, guided, its pictures within bounds.
struct Seer {
  const DenoisingNetwork& network;
  const SampleInput& input;
  const SamplerConfig& config;
  bool guided = false;

  Tensor output(const Tensor& x, const SamplingPlace& at) const {
    const auto scaled = at.input == 1 ? x : at.input * x;
    const auto times = [&](int64_t count) { return torch::full({count}, at.network_time, x.options()); };
    const auto count = x.size(0);
    if (!guided) return network(scaled, times(count), input.labels);
    const auto none = torch::full_like(input.labels, input.classes);
    const auto both = network(torch::cat({scaled, scaled}), times(2 * count), torch::cat({input.labels, none}));
    return torch::lerp(both.slice(0, count), both.slice(0, 0, count), config.guidance);
  }

  Seen operator()(const Tensor& x, const SamplingPlace& at) const {
    const auto f = output(x, at);
    expect_shape("denoising network", f, x.sizes().vec());
    const torch::Tensor picture = at.skip * x + at.out * f;
    if (config.bound > 0) {
      const auto within = picture.clamp(-config.bound, config.bound);
      return {within, (x - at.signal * within) / at.noise};
    }
    const auto of_x = (1 - at.signal * at.skip) / at.noise, of_f = -at.signal * at.out / at.noise;
    return {picture, of_x * x + of_f * f};
  }
};

void expect_steps(const Process& process, const SamplerConfig& config) {
  const auto most = process.discrete_times();
  require(config.steps >= 1, "[sampler] steps ({}) must be at least 1", config.steps);
  require(most == 0 || config.steps <= most, "[sampler] steps ({}) must be at most the {} times of the process {}",
          config.steps, most, process.name());
}

void expect_input(const SampleInput& input, const SamplerConfig& config) {
  require(input.noise.defined() && input.noise.dim() == 4, "[sampler] wants noise (N, C, H, W) to begin with");
  const auto sizes = input.noise.sizes().vec();
  require(config.guidance == 1 || input.classes > 0,
          "[sampler] guidance ({}) wants a model with classes, and this one has none; leave it at 1", config.guidance);
  require(config.guidance == 1 || input.labels.defined(), "[sampler] guidance ({}) wants a class for each picture",
          config.guidance);
  if (input.labels.defined()) {
    require(input.classes > 0, "[sampler] the model has no classes: it takes no labels");
    expect_shape("sampler labels", input.labels, {sizes[0]});
  }
  require(input.strength >= 0 && input.strength <= 1, "[sampler] strength ({}) must be from 0 to 1", input.strength);
  const bool whole = input.strength == 1 && !input.mask.defined();
  require(whole || input.picture.defined(), "[sampler] a {} wants a picture to begin at",
          input.mask.defined() ? "mask" : "strength below 1");
  if (input.picture.defined()) expect_shape("sampler picture", input.picture, sizes);
  if (!input.mask.defined()) return;
  const auto mask = input.mask.sizes().vec();
  require(mask == std::vector{sizes[2], sizes[3]} || mask == std::vector{sizes[0], int64_t{1}, sizes[2], sizes[3]},
          "[sampler] a mask of the pictures' size is ({2}, {3}) or ({0}, 1, {2}, {3}), got {4}", sizes[0], sizes[1],
          sizes[2], sizes[3], shape_text(input.mask));
}

/// A path of pictures through the times of a sampler.
struct Path {
  const Process& process;
  const SampleInput& input;
  const SamplerConfig& config;
  std::vector<double> times = sampling_times(process, config);

  int64_t begins() const {
    return config.steps - static_cast<int64_t>(static_cast<double>(config.steps) * input.strength + 1e-9);
  }

  Tensor picture_at(const SamplingPlace& place) const {
    return place.signal * input.picture.to(input.noise.options()) + place.noise * input.noise;
  }

  Tensor first() const {
    if (input.strength == 1) return process.deviation() * input.noise;
    return picture_at(sampling_place(process, times[begins()]));
  }

  Tensor fresh(int64_t step) const {
    if (input.fresh) return input.fresh(step).to(input.noise.options());
    const auto sizes = input.noise.sizes();
    return step_noise(input.seed, step, input.first, sizes[0], sizes.slice(1)).to(input.noise.options());
  }

  Tensor masked(const Tensor& x, const SamplingPlace& place) const {
    if (!input.mask.defined()) return x;
    return torch::lerp(picture_at(place), x, input.mask.to(x.options()));
  }
};

/// Even times of DDPM lead from thousands of times the noise to a few in one step. A slope that is looked at beside its
/// end is multiplied by that; steps of equal ratios, nearly, are short enough.
std::string own_spacing(const Process& process, const std::string& sampler) {
  const bool slopes = sampler == "heun" || sampler == "midpoint";
  return process.name() == "edm" || (slopes && !process.straight()) ? "karras" : "trailing";
}

}  // namespace

Fields<SamplerConfig> SamplerConfig::fields() {
  using C = SamplerConfig;
  return {{"sampler", &C::sampler, "how to go from noise to picture", one_of(sampler_names())},
          {"steps", &C::steps, "steps from noise to picture; heun and midpoint look twice a step", at_least(1)},
          {"guidance", &C::guidance, "how much more of its class a picture shows; 1: as learned", at_least(0)},
          {"guidance_from", &C::guidance_from, "share of the steps after which guidance begins", between(0, 1)},
          {"guidance_to", &C::guidance_to, "share of the steps after which guidance ends", between(0, 1)},
          {"eta", &C::eta, "ddim: new noise on the way; 1 is as much as ancestral's", between(0, 1)},
          {"spacing", &C::spacing,
           "times: trailing and leading are even ones with or without the first, even has both ends, karras is by rho; "
           "auto: karras for edm, and for heun and midpoint unless paths are straight; trailing for others",
           one_of({"auto", "trailing", "leading", "even", "karras"})},
          {"rho", &C::rho, "karras: more steps where there is little noise the larger it is", above(0)},
          {"shift", &C::shift, "flow: more steps where there is much noise above 1", above(0)},
          {"bound", &C::bound, "largest value of a denoised picture; 0: none, as latents want it", at_least(0)}};
}

void SamplerConfig::validate() const {
  require(guidance_from <= guidance_to, "[sampler] guidance_from ({}) must be at most guidance_to ({})", guidance_from,
          guidance_to);
}

std::vector<double> sampling_times(const Process& process, const SamplerConfig& config) {
  expect_steps(process, config);
  const auto kind = config.spacing == "auto" ? own_spacing(process, config.sampler) : config.spacing;
  const auto discrete = process.discrete_times(), steps = config.steps;
  require(kind != "leading" || discrete > 0, "[sampler] spacing \"leading\" is for ddpm; {} has trailing, even, karras",
          process.name());
  require(config.shift == 1 || process.straight(), "[sampler] shift ({}) is for flow; {} has none", config.shift,
          process.name());
  const auto n = static_cast<double>(steps), least = process.least(), most = process.most();
  const auto end = [&](double time) { return sampling_place(process, time).place; };
  const auto root_most = std::pow(end(most), 1 / config.rho), root_least = std::pow(end(least), 1 / config.rho);
  std::vector<double> out;
  for (int64_t i = 0; i < steps; ++i) {
    const auto done = static_cast<double>(i) / n, of_last = steps == 1 ? 0 : static_cast<double>(i) / (n - 1);
    if (kind == "trailing")
      out.push_back(discrete > 0 ? std::nearbyint(static_cast<double>(discrete) * (1 - done)) - 1 : most * (1 - done));
    else if (kind == "leading")
      out.push_back(static_cast<double>((steps - 1 - i) * (discrete / steps)));
    else if (kind == "even")
      out.push_back(most + of_last * (least - most));
    else
      out.push_back(i == 0 ? most
                           : process.time_at(std::pow(root_most + of_last * (root_least - root_most), config.rho)));
    if (config.shift != 1) out.back() = config.shift * out.back() / (1 + (config.shift - 1) * out.back());
  }
  out.push_back(process.clean());
  return out;
}

Tensor sample(const Process& process, const DenoisingNetwork& network, const SampleInput& input,
              const SamplerConfig& config, const SampleTold& told) {
  expect_steps(process, config);
  validate_config(config, "sampler");
  expect_input(input, config);
  const torch::NoGradGuard no_grad;
  const Path path{process, input, config};
  const auto begins = path.begins();
  if (begins == config.steps) return input.picture.to(input.noise.options()).clone();
  Seer seer{network, input, config};
  const auto look = [&seer](const Tensor& x, const SamplingPlace& at) { return seer(x, at); };
  const auto solver = make_solver(config.sampler, config.eta, process, look);
  auto here = sampling_place(process, path.times[begins]);
  auto x = path.first();
  for (auto i = begins; i < config.steps; ++i) {
    seer.guided = is_guided(config, i);
    const auto next = sampling_place(process, path.times[i + 1]);
    const auto seen = seer(x, here);
    x = path.masked(solver->step({x, seen, here, next, [&] { return path.fresh(i); }}), next);
    if (told)
      told({.step = i - begins + 1,
            .steps = config.steps - begins,
            .time = next.time,
            .x = x,
            .denoised = seen.picture});
    here = next;
  }
  return x;
}

Tensor invert(const Process& process, const DenoisingNetwork& network, const SampleInput& input,
              const SamplerConfig& config, int64_t rounds) {
  expect_steps(process, config);
  validate_config(config, "sampler");
  require(input.picture.defined() && input.picture.dim() == 4, "[sampler] inverting wants a picture (N, C, H, W)");
  require(rounds >= 1, "[sampler] inverting takes at least 1 round a step, got {}", rounds);
  auto from_picture = input;
  from_picture.noise = input.picture;
  from_picture.strength = 1;
  from_picture.mask = Tensor();
  expect_input(from_picture, config);
  const torch::NoGradGuard no_grad;
  const auto times = sampling_times(process, config);
  Seer seer{network, from_picture, config};
  auto x = input.picture;
  auto here = sampling_place(process, times.back());
  for (auto i = config.steps - 1; i >= 0; --i) {
    seer.guided = is_guided(config, i);
    const auto noisier = sampling_place(process, times[i]);
    const torch::Tensor flat = x / here.scale;
    x = noisier.scale * flat;
    for (int64_t round = 0; round < rounds; ++round)
      x = noisier.scale * (flat + (noisier.place - here.place) * slope(process, seer(x, noisier)));
    here = noisier;
  }
  return x / process.deviation();
}

}  // namespace hadal
