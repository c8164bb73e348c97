#include "hadal/trained/making/picture_maker.h"

#include "hadal/trained/summary.h"

namespace hadal {

Tensor PictureMaker::as_pictures(const Tensor& raw) const {
  const auto [black, white] = range();
  const auto levels = (raw.to(torch::kFloat32) - black) * (255 / (white - black));
  // Not a number is black: a picture shows what the net gave, and an alarm is the scores' business.
  return levels.nan_to_num(0).round().clamp(0, 255).to(torch::kUInt8).permute({0, 2, 3, 1}).contiguous().cpu();
}

std::string PictureMaker::summary() const {
  const auto shape = pictures();
  auto text = fmt::format("{}, pictures of {}x{}x{}", model_summary(name_, const_cast<PictureMaker*>(this)->model()),
                          shape.channels, shape.height, shape.width);
  if (!names_.empty()) text += fmt::format(" of {} classes", names_.size());
  return text;
}

void prepare(Model& model, const Use& use) {
  if (use.weights) load_into(model, *use.weights, use.learns);
  model.to(use.device);
  if (!use.channels_last) return;
  for (auto& parameter : model.parameters())
    if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
}

void PictureMaker::settle_names(const std::string& name, int64_t classes) {
  name_ = name;
  if (classes == 0) return;
  names_ = learned_.names;
  require(names_.empty() || std::ssize(names_) == classes, "model.classes is {} and {} class names were learned",
          classes, names_.size());
  for (auto label = std::ssize(names_); label < classes; ++label) names_.push_back(fmt::format("{}", label));
}

}  // namespace hadal
