// Nets that make pictures.
#include "hadal/core/precision.h"
#include "hadal/models/generative/diffusion/sampler.h"
#include "hadal/models/generative/diffusion/unet.h"
#include "hadal/models/generative/gan_steps.h"

#include "bench/steps.h"

namespace hadal::bench {
namespace {

// The U-Net of the table, which is given its embedding of time as it is; one batch of noise over and over.
class RandomNoise : public Task {
 public:
  explicit RandomNoise(int64_t batch)
      : model_(UnetConfig{.image = 32,
                          .widths = {64, 128, 256},
                          .middle_attention = false,
                          .time_dim = 256,
                          .resample = "pool",
                          .skips = "last",
                          .middle = 1,
                          .last_norm = false}),
        x_(torch::randn({batch, 1, 32, 32})),
        embedding_(torch::randn({batch, 256})),
        wanted_(torch::randn({batch, 1, 32, 32})) {}

  nn::Module& model() override { return *model_; }
  Batches& batches() override { return batches_; }
  Losses losses(const Step&) override {
    return {F::mse_loss(model_->forward_embedded(x_, embedding_).to(at::kFloat), wanted_), {}};
  }

 private:
  Unet model_;
  Tensor x_, embedding_, wanted_;
  OneBatch batches_{x_.size(0)};
};

// The plain pair of fully connected nets, 64 pictures: a step of each.
class PlainGan : public Task {
 public:
  nn::Module& model() override { return *gan_; }
  Batches& batches() override { return batches_; }
  std::vector<Phase> phases() override {
    return {{"discriminator", gan_->discriminator.get()}, {"generator", gan_->generator.get()}};
  }
  Losses losses(const Step& step) override {
    const GanBatch batch{real_, {}, torch::randn({real_.size(0), gan_->generator->latent()})};
    const auto done = step.phase == 0 ? discriminator_step(loss_, *gan_, batch, step.number)
                                      : generator_step(loss_, *gan_, batch, step.number);
    return {done.losses.front().second, {}};
  }

 private:
  std::shared_ptr<Gan> gan_ = gan_models().make({"mission_gan", {}});
  GanLossConfig loss_{.loss = "minimax", .r1 = 0, .r2 = 0};
  Tensor real_ = torch::randn({64, 1, 28, 28});
  OneBatch batches_{real_.size(0)};
};

// Sixteen pictures in ten steps of a flow, by the preset's U-Net.
void sample_pictures(const Settings& settings, const std::string& work) {
  const auto model = denoiser_models().make({"unet", {{"classes", 10}}});
  model->eval();
  const auto flow = processes().make({"flow", {}});
  const SampleInput input{.noise = torch::randn({16, 1, 28, 28}), .labels = torch::arange(16) % 10, .classes = 10};
  time_calls(settings, work, 2, [&] {
    const Autocast autocast(torch::kCPU, settings.precision);
    sample(*flow, as_network(*model), input, {.sampler = "euler", .steps = 10});
  });
}

}  // namespace

std::vector<Work> making_work() {
  return {{"gan-train",
           [](const Settings& s, const std::string& name) {
             PlainGan task;
             train(s, name, task, 64, {"adam", Table{{"lr", 2e-4}}}, 0);
           }},
          {"unet-train",
           [](const Settings& s, const std::string& name) {
             RandomNoise task(16);
             train(s, name, task, 16, {"adamw", Table{{"lr", 1e-3}}}, 0);
           }},
          {"unet-sample", [](const Settings& s, const std::string& name) { sample_pictures(s, name); }}};
}

}  // namespace hadal::bench
