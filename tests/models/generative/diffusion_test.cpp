// Processes and samplers against diffusers and the papers' formulas, and what they refuse.
#include <algorithm>
#include <cmath>

#include "hadal/models/generative/diffusion/ddpm.h"
#include "hadal/models/generative/diffusion/process.h"
#include "hadal/models/generative/diffusion/sampler.h"

#include "tests/models/generative/golden.h"

using namespace hadal;
using namespace hadal::test;

namespace {

constexpr int64_t kClasses = 3;
const std::vector<int64_t> kShape = {3, 1, 4, 4};

const GoldenFile& diffusion_reference() {
  static const GoldenFile file("diffusion");
  return file;
}

/// The script's network().
Tensor network(const Tensor& x, const Tensor& time, const Tensor& labels) {
  const auto each = [&](const Tensor& numbers) { return numbers.to(x.scalar_type()).view({-1, 1, 1, 1}); };
  return 0.5 * x.tanh() + 0.3 * x.roll(1, 3) + 0.2 * (0.01 * each(time) + each(labels)).cos();
}

Tensor plain(const Tensor& x, const Tensor& time, const Tensor& labels) {
  return network(x, time, labels.defined() ? labels : torch::zeros({x.size(0)}, torch::kInt64));
}

Tensor labels() { return torch::tensor({0, 2, 1}); }

std::shared_ptr<const Process> any_process(const std::string& name, const std::string& settings = "") {
  return processes().make({name, parse_toml(settings, "golden")});
}

SampleInput start(torch::Dtype type = torch::kFloat64) {
  return {
      .noise = noise("start", kShape, type), .labels = labels(), .classes = kClasses, .fresh = [type](int64_t step) {
        return noise("fresh" + std::to_string(step), kShape, type);
      }};
}

SamplerConfig sampler(const std::string& settings) {
  SamplerConfig config;
  read_config(config, parse_toml(settings, "golden"), "sampler");
  return config;
}

/// Of one path the pictures after each step.
Tensor path(const Process& of, const SampleInput& input, const SamplerConfig& config) {
  std::vector<Tensor> steps;
  const auto last = sample(of, network, input, config, [&](const SampleStep& step) { steps.push_back(step.x); });
  EXPECT_TRUE(torch::equal(last, steps.back()));
  return torch::stack(steps);
}

}  // namespace

TEST(Processes, AddLearnAndWeighAsTheReferences) {
  for (const auto& about : diffusion_reference().about("processes")) {
    const auto name = about["name"].get<std::string>();
    const auto of = any_process(about["process"], about["settings"]);
    const auto levels = of->at(diffusion_reference()[name + "/times"]);
    const auto x = uniform("pictures", kShape).to(torch::kFloat64), e = noise("noise", kShape, torch::kFloat64);
    const auto same = [&](const Tensor& ours, const char* key) {
      EXPECT_LT(relative_error(ours, diffusion_reference()[name + "/" + key]), 1e-5) << name << " " << key;
    };
    same(noised(levels, x, e), "noised");
    same(wanted(levels, x, e), "wanted");
    same(diffusion_loss(levels, network, x, e, labels()), "loss");
  }
}

TEST(Processes, DdpmsSchedulesAreTheReferences) {
  for (const auto* betas : {"linear", "scaled_linear", "cosine"}) {
    const auto kept = (1 - ddpm_betas({.betas = betas})).cumprod(0).slice(0, 0, std::nullopt, 41);
    const auto expected = diffusion_reference()[std::string("kept/") + betas];
    EXPECT_LT((kept / expected - 1).abs().max().item<double>(), 1e-9) << betas;
  }
}

TEST(Processes, WhatIsWantedGivesPictureNoiseAndVelocityBack) {
  const auto x = uniform("pictures", kShape).to(torch::kFloat64), e = noise("noise", kShape, torch::kFloat64);
  const std::vector<std::pair<std::string, std::string>> all = {{"ddpm", "predict = \"noise\""},
                                                                {"ddpm", "predict = \"v\""},
                                                                {"ddpm", "predict = \"x0\""},
                                                                {"edm", ""},
                                                                {"flow", ""}};
  for (const auto& [name, settings] : all) {
    const auto of = any_process(name, settings);
    const auto levels = of->at(of->draw(torch::tensor({0.1, 0.5, 0.8})));
    const auto x_t = noised(levels, x, e), f = wanted(levels, x, e);
    EXPECT_LT(relative_error(denoised(levels, x_t, f), x), 1e-9) << name;
    EXPECT_LT(relative_error(noise_in(levels, x_t, f), e), 1e-9) << name;
    EXPECT_LT(relative_error(velocity(levels, x_t, f), e - x), 1e-9) << name;
  }
}

TEST(Processes, DrawTimesAsTheirDistributionsSay) {
  const auto share = (torch::arange(20001, torch::kFloat64) + 0.5) / 20001;
  const auto logs = any_process("edm")->draw(share).log();
  EXPECT_NEAR(logs.mean().item<double>(), -1.2, 1e-9);
  EXPECT_NEAR(logs.std().item<double>(), 1.2, 1e-2);
  EXPECT_TRUE(torch::equal(any_process("flow", "times = \"uniform\"")->draw(share), share));
  const auto middle = any_process("flow", "mean = 0.5")->draw(share).logit();
  EXPECT_NEAR(middle.mean().item<double>(), 0.5, 1e-9);
  EXPECT_NEAR(middle.std().item<double>(), 1, 1e-2);
  const auto counts = any_process("ddpm", "times = 10")->draw(share).to(torch::kInt64).bincount();
  EXPECT_EQ(counts.size(0), 10);
  EXPECT_LE((counts - 2000).abs().max().item<int64_t>(), 1);
  EXPECT_TRUE(any_process("edm")->draw(torch::zeros({1})).isfinite().all().item<bool>());
}

TEST(Samplers, GoTheReferencesWay) {
  for (const auto& about : diffusion_reference().about("paths")) {
    const auto name = about["name"].get<std::string>();
    const auto of = any_process(about["process"], about["settings"]);
    const auto ours = path(*of, start(), sampler(about["sampler"]));
    const auto& expected = diffusion_reference()["path/" + name];
    EXPECT_LT(relative_error(ours, expected), 1e-4) << name;
    const auto floats = path(*of, start(torch::kFloat32), sampler(about["sampler"]));
    EXPECT_LT(relative_error(floats, expected), 1e-3) << name;
  }
}

TEST(Samplers, ShowANetworkWhatItLearnedFrom) {
  // Pixels are -.5 or .5, and the network knows it. What it is shown has the deviation of what it learned from, and
  // what comes out are such pixels: by every sampler, also where DDPM's times begin at thousands of times the noise.
  for (const auto* betas : {"linear", "cosine"}) {
    const auto of = any_process("ddpm", fmt::format("betas = \"{}\"", betas));
    for (const auto* way : {"ancestral", "ddim", "euler", "heun", "midpoint", "dpmpp_2m"}) {
      double least = 1, most = 1;
      const auto knows = [&](const Tensor& x, const Tensor& time, const Tensor&) {
        const auto at = of->at(time.to(torch::kFloat64));
        const auto number = [](const Tensor& t) { return t[0].item<double>(); };
        const auto signal = number(at.signal), noise = number(at.noise), input = number(at.input);
        const auto share = (x / input).square().mean().sqrt().item<double>() / std::hypot(0.5 * signal, noise);
        least = std::min(least, share), most = std::max(most, share);
        const Tensor picture = 0.5 * (0.5 * signal / (noise * noise) * x / input).tanh();
        return number(at.wanted_signal) * picture + number(at.wanted_noise) * (x / input - signal * picture) / noise;
      };
      const auto made =
          sample(*of, knows, {.noise = noise("pixels", {8, 1, 8, 8}, torch::kFloat64)}, {.sampler = way, .steps = 20});
      EXPECT_GT(least, 0.8) << betas << " " << way;
      EXPECT_LT(most, 1.6) << betas << " " << way;
      EXPECT_LT((made.abs() - 0.5).abs().mean().item<double>(), 0.05) << betas << " " << way;
    }
  }
}

TEST(Samplers, DdimInverts) {
  for (const auto& [name, settings] : std::vector<std::pair<std::string, std::string>>{
           {"ddpm", "betas = \"linear\"\npredict = \"noise\""}, {"flow", ""}, {"edm", "most = 10"}}) {
    const auto of = any_process(name, settings);
    SampleInput input = start();
    input.picture = uniform("pictures", kShape).to(torch::kFloat64);
    const SamplerConfig config{.sampler = "ddim", .steps = 500, .bound = 0};
    const auto gentle = [](const Tensor& x, const Tensor& time, const Tensor& of) {
      return 0.3 * network(x, time, of);
    };
    input.noise = invert(*of, gentle, input, config);
    const auto again = input.picture;
    input.picture = Tensor();
    EXPECT_LT((sample(*of, gentle, input, config) - again).abs().max().item<double>(), 1e-3) << name;
  }
}

TEST(Samplers, ASampleFollowsFromSeedAndIndexAlone) {
  const auto of = any_process("ddpm");
  const SamplerConfig config{.sampler = "ancestral", .steps = 7};
  auto input = start(torch::kFloat32);
  input.fresh = nullptr;
  input.seed = 5;
  const auto together = sample(*of, network, input, config);
  EXPECT_TRUE(torch::equal(together, sample(*of, network, input, config)));
  auto alone = input;
  alone.noise = input.noise.slice(0, 1, 2);
  alone.labels = input.labels.slice(0, 1, 2);
  EXPECT_GT((sample(*of, network, alone, config) - together.slice(0, 1, 2)).abs().max().item<double>(), 1e-2);
  alone.first = 1;
  EXPECT_LT((sample(*of, network, alone, config) - together.slice(0, 1, 2)).abs().max().item<double>(), 1e-5);
  alone.seed = 6;
  EXPECT_GT((sample(*of, network, alone, config) - together.slice(0, 1, 2)).abs().max().item<double>(), 1e-2);
}

TEST(Samplers, BeginAtAPicture) {
  const auto of = any_process("flow");
  auto input = start();
  input.picture = uniform("pictures", kShape).to(torch::kFloat64);
  const SamplerConfig config{.sampler = "euler", .steps = 8, .bound = 0};
  input.strength = 0;
  EXPECT_TRUE(torch::equal(sample(*of, network, input, config), input.picture));
  // 3 of 8 steps from t = 3/8 on, done here by hand.
  input.strength = 0.375;
  auto x = 0.625 * input.picture + 0.375 * input.noise;
  for (const auto t : {0.375, 0.25, 0.125}) x = x - 0.125 * network(x, torch::full({3}, 1000 * t), input.labels);
  EXPECT_LT(relative_error(sample(*of, network, input, config), x), 1e-9);
}

TEST(Samplers, LeaveWhatAMaskKeeps) {
  auto input = start();
  input.picture = uniform("pictures", kShape).to(torch::kFloat64);
  input.mask = torch::zeros({4, 4});
  input.mask.slice(1, 2).fill_(1);
  for (const auto* name : {"flow", "ddpm", "edm"}) {
    const auto of = any_process(name);
    std::vector<Tensor> seen;
    const auto made = sample(*of, network, input, {.sampler = "dpmpp_2m", .steps = 6}, [&](const SampleStep& step) {
      seen.push_back(step.x);
      const auto levels = of->at(torch::full({3}, step.time, torch::kFloat64));
      const auto kept = noised(levels, input.picture, input.noise);
      EXPECT_LT(relative_error(step.x.slice(3, 0, 2), kept.slice(3, 0, 2)), 1e-9) << name;
    });
    EXPECT_EQ(seen.size(), 6U);
    EXPECT_TRUE(torch::equal(made.slice(3, 0, 2), input.picture.slice(3, 0, 2))) << name;
    EXPECT_GT((made - input.picture).slice(3, 2).abs().max().item<double>(), 0.1) << name;
  }
}

TEST(Samplers, SayWhatTheyWant) {
  const auto of = any_process("ddpm", "times = 50");
  const auto input = start();
  const auto with = [&](auto change, SamplerConfig config = {}) {
    auto changed = input;
    change(changed);
    return sample(*of, network, changed, config);
  };
  const auto nothing = [](SampleInput&) {};
  EXPECT_ERROR(with(nothing, {.steps = 0}), "steps (0) must be at least 1");
  EXPECT_ERROR(with(nothing, {.steps = 51}), "steps (51) must be at most the 50 times of the process ddpm");
  EXPECT_ERROR(sampling_times(*any_process("flow"), {.spacing = "leading"}), "spacing \"leading\" is for ddpm");
  EXPECT_ERROR(with(nothing, {.shift = 3}), "shift (3) is for flow");
  EXPECT_ERROR(with(
                   [](SampleInput& i) {
                     i.classes = 0;
                     i.labels = Tensor();
                   },
                   {.guidance = 2}),
               "guidance (2) wants a model with classes, and this one has none");
  EXPECT_ERROR(with([](SampleInput& i) { i.labels = Tensor(); }, {.guidance = 2}), "wants a class for each picture");
  EXPECT_ERROR(with(nothing, {.guidance = 2, .guidance_from = 0.5, .guidance_to = 0.2}), "guidance_from (0.5)");
  EXPECT_ERROR(with([](SampleInput& i) { i.strength = 1.5; }), "strength (1.5) must be from 0 to 1");
  EXPECT_ERROR(with([](SampleInput& i) { i.strength = 0.5; }), "strength below 1 wants a picture");
  EXPECT_ERROR(with([](SampleInput& i) { i.mask = torch::ones({4, 4}); }), "mask wants a picture");
  EXPECT_ERROR(with([](SampleInput& i) {
                 i.picture = i.noise;
                 i.mask = torch::ones({4, 5});
               }),
               "mask of the pictures' size is (4, 4) or (3, 1, 4, 4), got (4, 5)");
  EXPECT_ERROR(with(nothing, {.sampler = "eulre"}), "euler");
  EXPECT_ERROR(any_process("ddpm", "beta_from = 0.5"), "beta_from (0.5) must be at most beta_to (0.02)");
  EXPECT_ERROR(any_process("edm", "least = 90"), "least (90) must be less than most (80)");
  EXPECT_ERROR(sample(*of, plain, {.noise = input.noise, .labels = input.labels}, {}), "it takes no labels");
}
