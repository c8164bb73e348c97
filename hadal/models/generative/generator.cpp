#include "hadal/models/generative/generator.h"

#include <array>

#include "hadal/core/shape.h"
#include "hadal/models/generative/dcgan.h"
#include "hadal/models/generative/mission_gan.h"
#include "hadal/models/generative/r3gan.h"
#include "hadal/models/generative/stylegan2.h"

namespace hadal {
namespace {

struct Prefix {
  std::string_view theirs, ours;
};

/// Where programs keep the two nets in one file; averaged generators first, as they are those to use.
constexpr std::array<Prefix, 9> kPrefixes = {{{"generator.", "generator."},
                                              {"discriminator.", "discriminator."},
                                              {"netG_state_dict.", "generator."},
                                              {"netD_state_dict.", "discriminator."},
                                              {"netG.", "generator."},
                                              {"netD.", "discriminator."},
                                              {"G_ema.", "generator."},
                                              {"G.", "generator."},
                                              {"D.", "discriminator."}}};
/// What else lies in such a checkpoint.
constexpr std::array<std::string_view, 4> kOthers = {"optimizerG_state_dict.", "optimizerD_state_dict.", "optimizerG.",
                                                     "optimizerD."};
/// What a run keeps beside the nets, which begins anew with a new run.
constexpr std::array<std::string_view, 2> kKept = {"ada.", "path_length."};

template <class Rows>
bool any_begins(const TensorsByName& weights, const Rows& rows) {
  for (const auto& [name, tensor] : weights)
    for (const auto& row : rows)
      if (name.starts_with(row.theirs)) return true;
  return false;
}

}  // namespace

void expect_labels(std::string_view where, const Tensor& labels, int64_t count, int64_t classes) {
  if (classes == 0) {
    require(!labels.defined(), "[{}] has no classes: it takes no labels; a model with classes wants classes=N", where);
    return;
  }
  require(labels.defined(), "[{}] makes pictures of {} classes: it wants a label for each picture", where, classes);
  expect_shape(where, labels, {count});
  if (count == 0) return;
  const auto least = labels.min().item<int64_t>(), most = labels.max().item<int64_t>();
  require(least >= 0 && most < classes, "[{}] there is no class {}; classes are 0 to {}", where,
          least < 0 ? least : most, classes - 1);
}

Tensor Generator::checked(std::string_view where, const Tensor& z, const Tensor& labels) const {
  const auto flat = z.dim() > 2 && z.size(1) == latent() ? z.flatten(1) : z;
  expect_shape(fmt::format("{} latents", where), flat, {kAny, latent()});
  expect_labels(where, labels, flat.size(0), classes());
  return flat;
}

TracedPictures Generator::make_traced(const Tensor& z, const Tensor& labels) {
  const auto flat = z.flatten(1);  // (N, L): latents may come as (N, L, 1, 1)
  const auto traced = flat.requires_grad() ? flat : flat.detach().requires_grad_();
  return {make(traced, labels), traced};
}

TensorsByName Generator::own_names(const TensorsByName& weights) const {
  if (!any_begins(weights, kPrefixes)) return weights;
  constexpr std::string_view kOurs = "generator.";
  TensorsByName out;
  const Gan none(nullptr, nullptr);
  for (const auto& [name, tensor] : none.own_names(weights))
    if (name.starts_with(kOurs)) out.emplace_back(name.substr(kOurs.size()), tensor);
  return out;
}

Gan::Gan(std::shared_ptr<Generator> makes, std::shared_ptr<Discriminator> judges)
    : generator(std::move(makes)), discriminator(std::move(judges)) {
  if (generator) register_module("generator", generator);
  if (discriminator) register_module("discriminator", discriminator);
}

TensorsByName Gan::own_names(const TensorsByName& weights) const {
  const bool alone = !any_begins(weights, kPrefixes);
  const bool averaged = any_begins(weights, std::array<Prefix, 1>{{{"G_ema.", ""}}});
  TensorsByName out;
  for (const auto& [name, tensor] : weights) {
    const auto begins = [&name = name](std::string_view with) { return name.starts_with(with); };
    if (std::any_of(kOthers.begin(), kOthers.end(), begins) || std::any_of(kKept.begin(), kKept.end(), begins))
      continue;
    if (averaged && begins("G.")) continue;
    auto ours = alone ? "generator." + name : name;
    for (const auto& [theirs, with] : kPrefixes)
      if (begins(theirs)) {
        const auto rest = std::string_view(name).substr(theirs.size());
        constexpr std::string_view kParallel = "module.";  // DataParallel's
        ours = std::string(with).append(rest.starts_with(kParallel) ? rest.substr(kParallel.size()) : rest);
        break;
      }
    out.emplace_back(ours, tensor);
  }
  return out;
}

const GanCatalog& gan_models() {
  static const auto catalog = [] {
    GanCatalog made("model", "model");
    register_mission_gan(made);
    register_dcgan(made);
    register_r3gan(made);
    register_stylegan2(made);
    return made;
  }();
  return catalog;
}

}  // namespace hadal
