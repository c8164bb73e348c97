// Classifiers of pictures, and a forecaster.
#include "hadal/core/precision.h"
#include "hadal/models/forecast/forecaster.h"
#include "hadal/models/vision/classifier.h"

#include "bench/steps.h"

namespace hadal::bench {
namespace {

// One batch of random pictures and classes, over and over.
class RandomPictures : public Task {
 public:
  RandomPictures(const Settings& settings, const std::string& model, int64_t batch)
      : model_(classifiers().make(Part{model, Table{{"classes", 1000}}})),
        pixels_(laid_out(settings, torch::randn({batch, 3, 224, 224}))),
        classes_(torch::randint(0, 1000, {batch})) {
    lay_out(settings, *model_);
  }

  nn::Module& model() override { return *model_; }
  Table settings() const override { return {}; }
  Batches& batches() override { return batches_; }
  Tensor logits() { return model_->forward(pixels_); }
  Losses losses(const Step&) override {
    const auto out = logits();
    return {F::cross_entropy(out.to(at::kFloat), classes_), {}};
  }
  Metrics evaluate(const std::string&, int64_t) override { return {}; }
  std::string summary() const override { return "random pictures"; }

 private:
  std::shared_ptr<ImageClassifier> model_;
  Tensor pixels_, classes_;
  OneBatch batches_{pixels_.size(0)};
};

// One batch of random windows of ETTh1's shape, over and over.
class RandomWindows : public Task {
 public:
  explicit RandomWindows(int64_t batch)
      : model_(forecasters().make({"patchtst", {}}, {.channels = 7, .input = 336, .horizon = 96})),
        history_(torch::randn({batch, 7, 336})),
        future_(torch::randn({batch, 7, 96})) {}

  nn::Module& model() override { return *model_; }
  Batches& batches() override { return batches_; }
  Losses losses(const Step&) override {
    return {torch::mse_loss(model_->forward(history_, {}).squeeze(2), future_), {}};
  }

 private:
  std::shared_ptr<Forecaster> model_;
  Tensor history_, future_;
  OneBatch batches_{history_.size(0)};
};

void train_pictures(const Settings& settings, const std::string& work, const std::string& model, int64_t batch,
                    const Part& optimizer) {
  RandomPictures task(settings, model, batch);
  train(settings, work, task, batch, optimizer, 1);
}

void infer(const Settings& settings, const std::string& work, const std::string& model) {
  RandomPictures task(settings, model, 1);
  task.model().eval();
  time_calls(settings, work, 3, [&] {
    const torch::NoGradGuard no_grad;
    const Autocast autocast(torch::kCPU, settings.precision);
    task.logits();
  });
}

}  // namespace

std::vector<Work> picture_work() {
  return {{"resnet18-train",
           [](const Settings& s, const std::string& name) {
             train_pictures(s, name, "resnet18", 16, {"sgd", Table{{"lr", 1e-3}, {"momentum", 0.9}}});
           }},
          {"vit-train",
           [](const Settings& s, const std::string& name) {
             train_pictures(s, name, "vit_s_16", 8, {"adamw", Table{{"lr", 1e-3}}});
           }},
          {"vit-infer", [](const Settings& s, const std::string& name) { infer(s, name, "vit_s_16"); }},
          {"patchtst-train", [](const Settings& s, const std::string& name) {
             RandomWindows task(128);
             train(s, name, task, 128, {"adam", Table{{"lr", 1e-4}}}, 0);
           }}};
}

}  // namespace hadal::bench
