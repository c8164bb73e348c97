// What sees noise in pictures: the network of a diffusion process or flow; the catalog of all of them.
#pragma once
#include <memory>

#include "hadal/core/catalog.h"
#include "hadal/models/generative/diffusion/process.h"
#include "hadal/models/generative/generator.h"
#include "hadal/models/model.h"

namespace hadal {

struct Denoiser : Model {
  /// x (N, C, H, W), time (N) as the process tells it, labels (N) int64 -> (N, C, H, W). The label classes() stands for
  /// no class, as no labels do for all. Throws Error on other sizes, and for labels where there are no classes.
  virtual Tensor forward(const Tensor& x, const Tensor& time, const Tensor& labels = {}) = 0;
  virtual PictureShape pictures() const = 0;
  /// 0: pictures cannot be asked for by class.
  virtual int64_t classes() const { return 0; }

 protected:
  /// Labels as rows of an embedding of classes() + 1; undefined where there are no classes. Checks x and time too.
  Tensor checked(std::string_view where, const Tensor& x, const Tensor& time, const Tensor& labels) const;
};

/// A network for processes and samplers; the model must outlive it.
inline DenoisingNetwork as_network(Denoiser& model) {
  return [&model](const Tensor& x, const Tensor& time, const Tensor& labels) { return model.forward(x, time, labels); };
}

/// Labels with those whose share (N) lies below `chance` forgotten, classes instead: so one network learns pictures
/// with and without class, as guidance needs it (Ho & Salimans 2022, arXiv:2207.12598).
Tensor with_forgotten(const Tensor& labels, const Tensor& share, double chance, int64_t classes);

/// Their configs share the names `channels`, `image` and `classes`: the task sets these from the data.
using DenoiserCatalog = Catalog<std::shared_ptr<Denoiser>>;

/// Every network of this kind Hadal has.
const DenoiserCatalog& denoiser_models();

}  // namespace hadal
