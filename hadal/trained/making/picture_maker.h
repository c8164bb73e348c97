// What makers of pictures share: which classes they know and which values their pixels take.
#pragma once
#include "hadal/models/generative/generator.h"
#include "hadal/trained/classes.h"
#include "hadal/trained/making/maker.h"

namespace hadal {

class PictureMaker : public Maker {
 public:
  Tensor as_pictures(const Tensor& raw) const override;
  const std::vector<std::string>& names() const override { return names_; }
  virtual PictureShape pictures() const = 0;
  /// The values of black and white: -1 and 1 of a GAN or diffusion, 0 and 1 of a VAE.
  virtual std::pair<double, double> range() const { return {-1, 1}; }
  std::string summary() const override;

 protected:
  PictureMaker(const Table& learned, const Use& use) : Maker(use), learned_(LearnedClasses::from(learned)) {}
  /// Once the model is there: names of as many classes, those learned or numbers. `name` is the model's.
  void settle_names(const std::string& name, int64_t classes);

  LearnedClasses learned_;
  std::string name_;
  std::vector<std::string> names_;
};

/// Gives a new model the weights of `use`, and brings it to the device and its layout.
void prepare(Model& model, const Use& use);

}  // namespace hadal
