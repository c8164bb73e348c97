#include "hadal/models/generative/diffusion/denoiser.h"

#include "hadal/core/shape.h"
#include "hadal/models/generative/diffusion/dit.h"
#include "hadal/models/generative/diffusion/unet.h"

namespace hadal {

Tensor Denoiser::checked(std::string_view where, const Tensor& x, const Tensor& time, const Tensor& labels) const {
  const auto shape = pictures();
  expect_shape(where, x, {kAny, shape.channels, shape.height, shape.width});
  expect_shape(fmt::format("{} time", where), time, {x.size(0)});
  if (classes() == 0) {
    require(!labels.defined(), "[{}] has no classes: it takes no labels; a model with classes wants classes=N", where);
    return {};
  }
  if (!labels.defined()) return torch::full({x.size(0)}, classes(), x.options().dtype(torch::kInt64));
  expect_shape(fmt::format("{} labels", where), labels, {x.size(0)});
  return labels;
}

Tensor with_forgotten(const Tensor& labels, const Tensor& share, double chance, int64_t classes) {
  expect_shape("forgotten labels", share, {labels.size(0)});
  return labels.masked_fill(share.to(labels.device()) < chance, classes);
}

const DenoiserCatalog& denoiser_models() {
  static const auto catalog = [] {
    DenoiserCatalog made("model", "model");
    register_unet(made);
    register_dit(made);
    return made;
  }();
  return catalog;
}

}  // namespace hadal
