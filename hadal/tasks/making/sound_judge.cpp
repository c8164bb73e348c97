#include "hadal/tasks/making/sound_judge.h"

#include <algorithm>

#include "hadal/data/path.h"

namespace hadal {
namespace {

constexpr int64_t kSoundsTogether = 64;  // sounds listened to together

}  // namespace

SoundJudge::SoundJudge(const JudgeConfig& config, const TaskContext& context, const std::vector<std::string>& classes,
                       bool by_class)
    : config_(config), by_class_(by_class) {
  const auto path = data_path(config.weights);
  if (!std::filesystem::exists(path))
    fail_usage(
        "the judge {} is not there: train it first (hadal train {}), give another judge.weights, or none with "
        "judge.weights=\"\"",
        path.string(), path.filename().string());
  classifier_ = load_as<TrainedSoundClassifier>(
      "classify_series", path, {.device = context.device.str(), .precision = "fp32", .batch = kSoundsTogether});
  counted_ = same_classes(config_.weights, classifier_->config().names, classes, by_class);
}

std::string SoundJudge::summary() const {
  return fmt::format("judged by {}, features {}{}", config_.weights, weights_hash(classifier_->model()),
                     counted_ ? "" : ", whose classes are others than the data's and are not counted");
}

const SamplesSeen& SoundJudge::real(const Sounds& sounds, const std::string& split, int64_t count, int64_t rate) {
  auto& seen = real_[{split, count}];
  if (seen.features.defined()) return seen;
  std::vector<Tensor> samples;
  for (const auto index : scored_samples(sounds.size(split), count, kSoundsTogether).order(0))
    samples.push_back(sounds.get(split, index).first);
  auto looked = classifier_->look(samples, rate);
  seen = {looked.features, looked.logits};
  return seen;
}

std::vector<ScoredClass> SoundJudge::name(const std::vector<Tensor>& samples, int64_t rate) {
  std::vector<ScoredClass> out;
  const auto probabilities = classifier_->look(samples, rate).logits.softmax(1);
  for (int64_t i = 0; i < probabilities.size(0); ++i)
    out.push_back(top_classes(probabilities[i], classifier_->config().names, 1).at(0));
  return out;
}

Metrics SoundJudge::score(SpeechMaker& maker, const Sounds& sounds, const std::string& split, int64_t count,
                          uint64_t seed) {
  // Fréchet distances of different numbers of samples mean different things: one number for all of them. Which class a
  // sample is of needs no real ones beside it.
  const auto made = count;
  count = std::min({count, sounds.size(split), sounds.size("train")});
  auto making = maker.making({{"n", made}, {"seed", static_cast<int64_t>(seed)}, {"layout", "grid"}});
  making.options.walk = 0, making.options.latents.clear(), making.options.of.clear();
  const auto rate = maker.mel().rate;
  const auto& names = classifier_->config().names;
  std::vector<Tensor> features, logits;
  int64_t right = 0, asked = 0;
  maker.each_batch(making, [&](const Wanted& wanted, const Tensor& raw) {
    std::vector<Tensor> samples;
    for (const auto& one : raw.unbind()) throw_if_stopped(), samples.push_back(maker.sound(one));
    const auto seen = classifier_->look(samples, rate);
    features.push_back(seen.features), logits.push_back(seen.logits);
    if (!wanted.labels.defined()) return;
    const auto said = seen.logits.argmax(1);
    for (int64_t i = 0; i < said.size(0); ++i, ++asked)
      right += names.at(static_cast<size_t>(said[i].item<int64_t>())) ==
               maker.names().at(static_cast<size_t>(wanted.labels[i].item<int64_t>()));
  });
  const auto& truth = real(sounds, split, count, rate);
  const auto* train = split == "train" ? nullptr : &real(sounds, "train", count, rate);
  return sample_scores(
      {torch::cat(features).slice(0, 0, count), torch::cat(logits).slice(0, 0, count)}, truth, train,
      config_.confidence, seed,
      asked > 0 ? std::optional(static_cast<double>(right) / static_cast<double>(asked)) : std::nullopt, counted_);
}

}  // namespace hadal
