#include "hadal/tasks/making/picture_set.h"

#include <algorithm>

namespace hadal {
namespace {

constexpr int64_t kLargest = 64;        // side that is taken from the data by itself: larger nets want to be asked for
constexpr int64_t kMeasuredSizes = 32;  // pictures whose sizes speak for all

}  // namespace

PictureSet::PictureSet(Part& data, const TaskContext& context) {
  source_ = classification_sources().make(data);
  data = classification_sources().resolve(data);
  if (!source_.divided) source_.splits = {"train"};
  const auto has = [&](const char* split) {
    return std::find(source_.splits.begin(), source_.splits.end(), split) != source_.splits.end();
  };
  if (context.learns && !has("train"))
    fail_usage("the data has no split \"train\"; it has {}", fmt::join(source_.splits, ", "));
  const auto first = open(has("train") ? "train" : source_.splits.front());
  if (first->size() == 0) fail_usage("the data has no picture to learn from");
  if (context.learns && first->size() < 2)
    fail_usage("training wants at least two pictures; the data has one, {}", first->name(0));
  if (context.learns) train_ = first;
  classes_ = first->classes();
  channels_ = first->channels();
  if (!context.learns) return;
  for (const auto index : scored_samples(first->size(), kMeasuredSizes, 1).order(0)) {
    const auto picture = first->get(index).image;
    sizes_.emplace_back(picture.size(0), picture.size(1));
  }
}

int64_t PictureSet::side_for(Part model, const std::function<void(const Part&)>& check) const {
  std::vector<int64_t> sides;
  for (const auto& [height, width] : sizes_) sides.push_back(std::min({height, width, kLargest}));
  const auto middle = sides.begin() + std::ssize(sides) / 2;
  std::nth_element(sides.begin(), middle, sides.end());
  for (int64_t off = 0; off < kLargest; ++off)
    for (const auto side : {*middle - off, *middle + off}) {
      if (side < 1) continue;
      model.settings.set("image", side);
      try {
        return check(model), side;
      } catch (const UsageError&) {
      }
    }
  return *middle;  // what is wrong is another setting, and the model says which
}

std::string PictureSet::resizing(int64_t side) const {
  const auto is = [&](std::pair<int64_t, int64_t> size) {
    return std::all_of(sizes_.begin(), sizes_.end(), [&](const auto& other) { return other == size; });
  };
  if (sizes_.empty() || is({side, side})) return "";
  return fmt::format("pictures of {}, each resized and cropped to {}x{} (model.image=N: another side)",
                     is(sizes_[0]) ? fmt::format("{}x{}", sizes_[0].second, sizes_[0].first) : "several sizes", side,
                     side);
}

void PictureSet::settle(Part& model, const Schema& schema, bool by_class, const std::optional<PictureShape>& as,
                        const std::function<void(const Part&)>& check) const {
  const auto agree = [&](const char* key, int64_t value, const char* what) {
    if (!schema.find(key)) return false;
    if (!model.settings.find(key)) return model.settings.set(key, value), true;
    const auto given = read_integer(*model.settings.find(key), fmt::format("model.{}", key), {});
    require(given == value, "model.{} is {} and the data has {} {}", key, given, value, what);
    return true;
  };
  agree("channels", as ? as->channels : channels_, "channels");
  if (by_class && !agree("classes", std::ssize(classes_), "classes"))
    fail_usage("{} makes pictures of no class: conditional=false", model.name);
  if (schema.find("image") && !model.settings.find("image"))
    model.settings.set("image", as ? as->height : side_for(model, check));
}

void PictureSet::prepare(const PictureShape& shape, std::pair<double, double> range, double hflip) {
  require(shape.height == shape.width, "pictures of {} x {} are not square", shape.height, shape.width);
  const auto [black, white] = range;
  // (level - mean) / std runs from black to white.
  const auto std = 1 / (white - black), mean = -black * std;
  const auto count = static_cast<size_t>(shape.channels);
  AugmentConfig config{.size = shape.height, .hflip = hflip};
  config.mean.assign(count, mean), config.std.assign(count, std);
  channels_ = shape.channels;
  training_ = std::make_unique<ClassificationTransform>(config, channels_, true);
  scoring_ = std::make_unique<ClassificationTransform>(config, channels_, false);
}

std::shared_ptr<ClassificationData> PictureSet::open(const std::string& split) {
  auto& data = opened_[split];
  if (!data) data = source_.open(split);
  return data;
}

PictureBatch PictureSet::batch(const ClassificationData& data, const BatchPlan& plan, bool training) const {
  const auto count = std::ssize(plan.indices), side = scoring_->size();
  PictureBatch out{torch::empty({count, channels_, side, side}), torch::empty({count}, torch::kInt64), plan.indices,
                   plan.epoch};
  auto* pixels = out.pictures.mutable_data_ptr<float>();
  auto* labels = out.labels.mutable_data_ptr<int64_t>();
  for (int64_t i = 0; i < count; ++i) {
    const auto sample = data.get(plan.indices[static_cast<size_t>(i)]);
    auto random = plan.sample(plan.indices[static_cast<size_t>(i)]);
    labels[i] = sample.label;
    (training ? *training_ : *scoring_)(sample.image, random, pixels + i * channels_ * side * side);
  }
  return out;
}

PictureBatch PictureSet::batch(const ClassificationData& data, const std::vector<int64_t>& indices) const {
  BatchPlan plan;
  plan.indices = indices;
  return batch(data, plan, false);
}

}  // namespace hadal
