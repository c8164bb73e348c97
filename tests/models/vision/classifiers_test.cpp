// What every registered classifier must do, in a small build of it.
#include <algorithm>

#include "hadal/io/safetensors.h"
#include "hadal/models/vision/classifier.h"

#include "tests/models/hash_weights.h"
#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {

/// The preset with few and narrow layers, for five classes.
std::shared_ptr<ImageClassifier> small(const ClassifierCatalog::Item& item, Table more = {}) {
  Table settings{{"classes", 5}, {"channels", 2}};
  const auto set = [&](const char* key, const Value& value) {
    if (item.schema.find(key)) settings.set(key, value);
  };
  set("hidden", List{Value(8)});
  set("widths", List{Value(4), Value(8)});
  set("layers", List{Value(1), Value(1), Value(1), Value(1)});
  set("dim", 16);
  set("heads", 2);
  set("mlp", 32);
  if (const auto* patch = item.schema.defaults().find("patch")) {
    set("depth", 2);
    set("image", *patch->get_if<int64_t>() * 2);
  } else {
    set("depth", 8);
    set("image", 12);
  }
  settings.merge(more);
  return classifiers().make({item.name, settings});
}

/// The same, with values where first weights are zero (a head), so that its outputs tell something.
std::shared_ptr<ImageClassifier> awake(const ClassifierCatalog::Item& item) {
  auto model = small(item);
  for (auto& parameter : model->parameters())
    if (parameter.abs().max().item<double>() == 0) parameter.data().normal_(0, 0.1);
  return model;
}

Tensor pixels_for(const ClassifierCatalog::Item& item, int64_t height = 32, int64_t width = 32) {
  if (const auto* patch = item.schema.defaults().find("patch"))
    height = width = *patch->get_if<int64_t>() * 2;
  else if (item.schema.find("image"))
    height = width = 12;
  return uniform("pixels", {3, 2, height, width});
}

class Classifiers : public testing::TestWithParam<std::string> {
 protected:
  const ClassifierCatalog::Item& item() const { return classifiers().at(GetParam()); }
  void SetUp() override { torch::manual_seed(0); }
};

}  // namespace

TEST_P(Classifiers, GivesLogitsAndAGradientToEveryParameter) {
  const auto model = awake(item());
  const auto logits = model->forward(pixels_for(item()));
  EXPECT_EQ(logits.sizes(), (std::vector<int64_t>{3, 5}));
  F::cross_entropy(logits, torch::tensor({0, 3, 4})).backward();
  for (const auto& parameter : model->named_parameters()) {
    ASSERT_TRUE(parameter.value().grad().defined()) << parameter.key();
    EXPECT_TRUE(parameter.value().grad().isfinite().all().item<bool>()) << parameter.key();
    EXPECT_GT(parameter.value().grad().abs().max().item<double>(), 0) << parameter.key();
  }
}

TEST_P(Classifiers, ForgetsNothingInAFile) {
  const TemporaryFolder folder;
  const auto first = awake(item());
  first->forward(pixels_for(item()));  // moves running statistics
  NamedTensors saved;
  saved.entries = tensors_of(*first);
  write_safetensors(folder / "weights.safetensors", saved);
  const auto second = small(item());
  {
    const torch::NoGradGuard no_grad;
    const auto loaded = read_safetensors(folder / "weights.safetensors");
    for (auto& [name, tensor] : tensors_of(*second)) tensor.copy_(loaded.at(name));
  }
  first->eval();
  second->eval();
  const auto again = first->forward(pixels_for(item()));
  EXPECT_TRUE(torch::equal(again, first->forward(pixels_for(item()))));
  EXPECT_TRUE(torch::equal(again, second->forward(pixels_for(item()))));
}

TEST_P(Classifiers, DoesNotMixThePicturesOfABatchWhenItScores) {
  const auto model = awake(item());
  model->eval();
  const auto pixels = pixels_for(item());
  const auto together = model->forward(pixels);
  for (int64_t i = 0; i < 3; ++i)
    EXPECT_LT(relative_error(together[i], model->forward(pixels.slice(0, i, i + 1))[0]), 1e-4);
}

TEST_P(Classifiers, TakesOddSizesOrSaysWhichSizeItWants) {
  const auto model = small(item());
  model->eval();
  if (item().schema.find("image")) {
    EXPECT_ERROR(model->forward(torch::zeros({1, 2, 31, 29})), "got (1, 2, 31, 29)");
  } else {
    EXPECT_EQ(model->forward(uniform("odd", {1, 2, 31, 45})).sizes(), (std::vector<int64_t>{1, 5}));
  }
  auto wrong_colours = pixels_for(item()).slice(1, 0, 1);
  EXPECT_ERROR(model->forward(wrong_colours), ", got (3, 1, ");
}

TEST_P(Classifiers, HeadNamesTheLastLayer) {
  const auto model = small(item());
  const auto parameters = model->named_parameters();
  const auto* weight = parameters.find(model->heads().at(0) + ".weight");
  ASSERT_TRUE(weight);
  EXPECT_EQ(weight->size(0), 5);
  const auto other = small(item(), {{"classes", 6}});
  for (const auto& parameter : other->named_parameters())
    EXPECT_EQ(parameter.value().sizes() != parameters[parameter.key()].sizes(),
              parameter.key().starts_with(model->heads().at(0) + "."))
        << parameter.key();
}

TEST_P(Classifiers, RefusesSettingsThatMakeNoModel) {
  EXPECT_ERROR(small(item(), {{"classes", 0}}), "classes wants an integer of at least 1, got 0");
  EXPECT_ERROR(small(item(), {{"channels", 0}}), "channels wants an integer of at least 1, got 0");
  EXPECT_ERROR(small(item(), {{"clases", 3}}), "nearest: classes");
}

TEST_P(Classifiers, StandsInTheCatalogUnderANameOfItsOwn) {
  const auto names = classifiers().names();
  EXPECT_EQ(std::count(names.begin(), names.end(), GetParam()), 1);
  EXPECT_FALSE(item().about.empty());
}

INSTANTIATE_TEST_SUITE_P(All, Classifiers, testing::ValuesIn(classifiers().names()), [](const auto& info) {
  auto name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});
