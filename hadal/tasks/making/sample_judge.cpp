#include "hadal/tasks/making/sample_judge.h"

#include <algorithm>

#include "hadal/data/path.h"
#include "hadal/io/weights.h"

namespace hadal {
namespace {

constexpr int64_t kLook = 256;  // pictures looked at together

/// The class of each row's three digits, (N, 1000): log probabilities of independent parts add up.
Tensor combined(const std::vector<Tensor>& logits) {
  auto out = logits[0].log_softmax(1);
  for (size_t i = 1; i < logits.size(); ++i)
    out = (out.unsqueeze(2) + logits[i].log_softmax(1).unsqueeze(1)).flatten(1);
  return out;
}

}  // namespace

Fields<JudgeConfig> JudgeConfig::fields() {
  using C = JudgeConfig;
  return {{"weights", &C::weights,
           "a run or weights of a classifier whose features compare samples with real pictures; "
           "empty: nobody scores them",
           file_path()},
          {"samples", &C::samples, "how many are scored, of made and of real ones", at_least(2)},
          {"quick", &C::quick, "how many on the val split, while training goes on", at_least(2)},
          {"confidence", &C::confidence, "probability from which on the judge counts as sure", between(0, 1)}};
}

std::string weights_hash(const nn::Module& module) {
  uint64_t hash = 14695981039346656037u;
  for (const auto& [name, tensor] : state_dict(module).entries) {
    const auto held = tensor.detach().cpu().contiguous();
    const auto* bytes = static_cast<const unsigned char*>(held.data_ptr());
    for (size_t i = 0; i < held.nbytes(); ++i) hash = (hash ^ bytes[i]) * 1099511628211u;
  }
  return fmt::format("{:08x}", static_cast<uint32_t>(hash ^ (hash >> 32)));
}

SampleJudge::SampleJudge(const JudgeConfig& config, const TaskContext& context, int64_t channels,
                         const std::vector<std::string>& classes, bool by_class)
    : config_(config), by_class_(by_class) {
  const auto path = data_path(config.weights);
  if (!std::filesystem::exists(path))
    fail_usage(
        "the judge {} is not there: train it first (hadal train {}), give another judge.weights, or none with "
        "judge.weights=\"\"",
        path.string(), path.filename().string());
  classifier_ = load_as<TrainedClassifier>("classify", path,
                                           {.device = context.device.str(), .precision = "fp32", .batch = kLook});
  const auto judged = std::ssize(classifier_->config().names);
  names_ = classifier_->config().names;
  int64_t together = 1;
  for (int64_t channel = 0; channel < channels; ++channel) together *= judged;
  stacked_ = channels > 1 && classifier_->channels() == 1 && std::ssize(classes) == together;
  if (stacked_) names_ = classes;
  counted_ = same_classes(config_.weights, names_, classes, by_class);
}

std::string SampleJudge::summary() const {
  return fmt::format("judged by {}, features {}{}", config_.weights, weights_hash(classifier_->model()),
                     counted_ ? "" : ", whose classes are others than the data's and are not counted");
}

SamplesSeen SampleJudge::look_at(const std::vector<Tensor>& images) {
  const auto [features, logits] = classifier_->look(images);
  return {features, logits};
}

SamplesSeen SampleJudge::look(const Tensor& pictures) {
  std::vector<Tensor> features, logits;
  for (const auto& part : pictures.split(kLook)) {
    std::vector<Tensor> some_features, some_logits;
    const auto looked = [&](const Tensor& of) {
      std::vector<Tensor> images;
      for (const auto& image : of.unbind()) images.push_back(image.contiguous());
      auto seen = look_at(images);
      some_features.push_back(seen.features), some_logits.push_back(seen.logits);
    };
    if (stacked_)
      for (int64_t channel = 0; channel < part.size(3); ++channel) looked(part.slice(3, channel, channel + 1));
    else
      looked(part);
    features.push_back(torch::cat(some_features, 1));
    logits.push_back(stacked_ ? combined(some_logits) : some_logits[0]);
  }
  return {torch::cat(features), torch::cat(logits)};
}

const SamplesSeen& SampleJudge::real(PictureMaker& maker, PictureSet& set, const std::string& split, int64_t count) {
  auto& seen = real_[{split, count}];
  if (seen.features.defined()) return seen;
  const auto data = set.open(split);
  const auto order = scored_samples(data->size(), count, kLook).order(0);
  std::vector<Tensor> features, logits;
  for (size_t first = 0; first < order.size(); first += kLook) {
    throw_if_stopped();
    const auto end = order.begin() + static_cast<ptrdiff_t>(std::min(order.size(), first + kLook));
    const auto batch = set.batch(*data, {order.begin() + static_cast<ptrdiff_t>(first), end});
    auto some = look(maker.as_pictures(batch.pictures));
    features.push_back(some.features), logits.push_back(some.logits);
  }
  seen = {torch::cat(features), torch::cat(logits)};
  return seen;
}

Metrics SampleJudge::score(PictureMaker& maker, PictureSet& set, const std::string& split, int64_t count,
                           uint64_t seed) {
  // Fréchet distances of different numbers of samples mean different things: one number for all of them.
  count = std::min({count, set.open(split)->size(), set.open("train")->size()});
  auto making = maker.making({{"n", count}, {"seed", static_cast<int64_t>(seed)}, {"layout", "grid"}});
  making.options.walk = 0, making.options.latents.clear(), making.options.of.clear();
  std::vector<Tensor> features, logits;
  int64_t right = 0, asked = 0;
  maker.each_batch(making, [&](const Wanted& wanted, const Tensor& raw) {
    const auto seen = look(maker.as_pictures(raw));
    features.push_back(seen.features), logits.push_back(seen.logits);
    if (!wanted.labels.defined()) return;
    const auto said = seen.logits.argmax(1);
    for (int64_t i = 0; i < said.size(0); ++i, ++asked)
      right += names_.at(static_cast<size_t>(said[i].item<int64_t>())) ==
               maker.names().at(static_cast<size_t>(wanted.labels[i].item<int64_t>()));
  });
  const auto& truth = real(maker, set, split, count);
  const auto* train = split == "train" ? nullptr : &real(maker, set, "train", count);
  return sample_scores(
      {torch::cat(features), torch::cat(logits)}, truth, train, config_.confidence, seed,
      asked > 0 ? std::optional(static_cast<double>(right) / static_cast<double>(asked)) : std::nullopt, counted_);
}

}  // namespace hadal
