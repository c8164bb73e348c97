#include "hadal/data/vision/stacked.h"

#include <algorithm>

#include "hadal/core/error.h"
#include "hadal/core/random.h"

namespace hadal {

StackedData::StackedData(std::shared_ptr<const ClassificationData> data, int64_t count, uint64_t seed)
    : data_(std::move(data)), count_(count), seed_(seed) {
  require(data_->channels() == 1, "stacked pictures are made of grey ones; these have {} channels", data_->channels());
  require(data_->size() > 0, "there is no picture to stack");
  const auto& single = data_->classes();
  const bool short_names = std::all_of(single.begin(), single.end(), [](const auto& name) { return name.size() == 1; });
  const auto* between = short_names ? "" : "-";
  for (const auto& a : single)
    for (const auto& b : single)
      for (const auto& c : single) classes_.push_back(a + between + b + between + c);
}

LabelledImage StackedData::get(int64_t index) const {
  Random random(seed_, {static_cast<uint64_t>(index)});
  const auto classes = std::ssize(data_->classes());
  std::vector<Tensor> colours;
  int64_t label = 0;
  for (int i = 0; i < 3; ++i) {
    const auto one = data_->get(random.below(data_->size()));
    label = label * classes + one.label;
    require(colours.empty() || colours[0].sizes() == one.image.sizes(),
            "pictures of {} x {} and {} x {} cannot be stacked", colours.empty() ? 0 : colours[0].size(1),
            colours.empty() ? 0 : colours[0].size(0), one.image.size(1), one.image.size(0));
    colours.push_back(one.image);
  }
  return {torch::cat(colours, 2).contiguous(), label};
}

}  // namespace hadal
