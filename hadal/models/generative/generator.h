// What makes pictures out of noise, what tells them from real ones, and the pair of both; the catalog of all pairs.
#pragma once
#include <memory>
#include <string>

#include "hadal/core/catalog.h"
#include "hadal/models/model.h"

namespace hadal {

struct PictureShape {
  int64_t channels = 1, height = 28, width = 28;
};

/// Pictures and the latents that they depend on, through which gradients reach back.
struct TracedPictures {
  Tensor pictures;  // (N, C, H, W)
  Tensor latents;   // (N, ..., D)
};

struct Generator : Model {
  /// z (N, latent) standard normal, labels (N) int64 or undefined where there are no classes -> (N, C, H, W) in about
  /// [-1, 1]. z may have further extents of 1. Throws Error on other sizes and where labels and classes do not match.
  virtual Tensor make(const Tensor& z, const Tensor& labels = {}) = 0;
  /// The same with the latents whose effect is to be even: z itself, or what a mapping made of it.
  virtual TracedPictures make_traced(const Tensor& z, const Tensor& labels = {});
  virtual int64_t latent() const = 0;
  virtual PictureShape pictures() const = 0;
  /// 0: pictures cannot be asked for by class.
  virtual int64_t classes() const { return 0; }

  /// Names as the file of a Gan has them, or a checkpoint of PyTorch's examples; the discriminator's are left out.
  TensorsByName own_names(const TensorsByName& weights) const override;

 protected:
  /// z as (N, latent), after labels and sizes were checked. `where` is the model, for messages.
  Tensor checked(std::string_view where, const Tensor& z, const Tensor& labels) const;
};

struct Discriminator : Model {
  /// pictures (N, C, H, W), labels as a generator's -> (N) logits: how real each is.
  virtual Tensor judge(const Tensor& pictures, const Tensor& labels = {}) = 0;
};

/// Both as children `generator` and `discriminator`: one state dict saves, resumes and packs them.
struct Gan : Model {
  Gan(std::shared_ptr<Generator> makes, std::shared_ptr<Discriminator> judges);
  /// PyTorch's examples keep `netG_state_dict` and `netD_state_dict` in a checkpoint, or one of the nets alone: such
  /// names, and a generator's without anything before them, become children's.
  TensorsByName own_names(const TensorsByName& weights) const override;

  std::shared_ptr<Generator> generator;
  std::shared_ptr<Discriminator> discriminator;
};

/// Their configs share the names `channels`, `image` and, where they have them, `classes`: the task sets these from the
/// data.
using GanCatalog = Catalog<std::shared_ptr<Gan>>;

/// Every pair of generator and discriminator Hadal has.
const GanCatalog& gan_models();

/// Throws Error unless there is a label (N) int64 in [0, classes) for each of `count` pictures, or none where `classes`
/// is 0.
void expect_labels(std::string_view where, const Tensor& labels, int64_t count, int64_t classes);

}  // namespace hadal
