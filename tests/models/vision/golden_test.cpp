// Every family against its reference with the same weights; every preset's names, shapes and parameter count.
#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "hadal/io/safetensors.h"
#include "hadal/models/vision/classifier.h"
#include "hadal/nn/init.h"

#include "tests/models/hash_weights.h"
#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;
using Json = nlohmann::json;

namespace {

constexpr double kTolerance = 1e-4;
/// Of doubles, which are what the reference computed with.
constexpr double kExact = 1e-9;
/// Of floats behind thousands of rectifiers: some are so near 0 that a float's rounding turns them over.
constexpr double kRectified = 0.1;

const NamedTensors& reference() {
  static const auto file = read_safetensors(golden("vision.safetensors"));
  return file;
}

/// The reference's weights under its names, by `values(name, shape)`, brought under the model's names.
template <class Values>
std::map<std::string, Tensor> as_named(const ImageClassifier& model, const Json& weights, const Values& values) {
  TensorsByName theirs;
  for (const auto& entry : weights) {
    const auto name = entry[0].get<std::string>();
    theirs.emplace_back(name, values(name, entry[1].get<std::vector<int64_t>>()));
  }
  const auto ours = model.own_names(theirs);
  return {ours.begin(), ours.end()};
}

std::shared_ptr<ImageClassifier> build(const Json& about) {
  const WithoutInit all_come_from_the_hash;
  auto model = classifiers().make(Part{about["preset"], parse_toml(about["settings"].get<std::string>(), "golden")});
  const auto weights = as_named(*model, about["weights"], weight);
  const torch::NoGradGuard no_grad;
  size_t filled = 0;
  for (auto& [name, tensor] : tensors_of(*model)) {
    if (name.ends_with("num_batches_tracked")) continue;
    const auto found = weights.find(name);
    EXPECT_NE(found, weights.end()) << name << " has no counterpart in the reference";
    if (found == weights.end()) continue;
    tensor.copy_(found->second);
    ++filled;
  }
  EXPECT_EQ(filled, weights.size());
  return model;
}

/// Gradients, per tensor of the reference: norm, and product with a probe from the hash, which tells order and sign.
void expect_gradients(const std::string& name, const ImageClassifier& model, const Tensor& pixels, const Json& about,
                      double tolerance) {
  const auto expected = reference().at(name + "/gradients").to(torch::kFloat64);
  const auto names = Json::parse(reference().metadata.at(name + "/gradients")).get<std::vector<std::string>>();
  const auto largest = expected.select(1, 0).max().item<double>();
  const auto compare = [&](const std::string& of, double norm, double probe) {
    const auto row = std::find(names.begin(), names.end(), of) - names.begin();
    ASSERT_LT(row, static_cast<int64_t>(names.size())) << of;
    const auto wanted = expected[row][0].item<double>();
    const auto allowed = tolerance * (wanted + 0.01 * largest);  // a key's bias has no gradient but rounding
    EXPECT_NEAR(norm, wanted, allowed) << name << ": " << of;
    EXPECT_NEAR(probe, expected[row][1].item<double>(), allowed) << name << ": " << of;
  };
  const auto whole = [](const Tensor& gradient, const Tensor& probe) {
    return (gradient.to(torch::kFloat64) * probe).sum().item<double>();
  };
  compare("pixels", pixels.grad().to(torch::kFloat64).norm().item<double>(),
          whole(pixels.grad(), uniform("pixels/probe", pixels.sizes())));

  // Which tensor of the reference each element came from: where names are joined, each keeps its own figures.
  std::map<std::string, double> index;
  for (const auto& entry : about["weights"]) index.emplace(entry[0].get<std::string>(), index.size());
  const auto origin = as_named(model, about["weights"], [&](const std::string& of, const std::vector<int64_t>& shape) {
    return torch::full(shape, index.at(of));
  });
  const auto probe = as_named(model, about["weights"], [](const std::string& of, const std::vector<int64_t>& shape) {
    return uniform(of + "/probe", shape);
  });
  std::map<double, std::string> by_index;
  for (const auto& [of, number] : index) by_index[number] = of;
  for (const auto& parameter : model.named_parameters()) {
    const auto& from = origin.at(parameter.key());
    const auto gradient = parameter.value().grad().reshape(from.sizes());
    for (const auto number : std::set<double>{from.flatten()[0].item<double>(), from.median().item<double>(),
                                              from.flatten()[-1].item<double>()}) {
      const auto part = gradient.masked_select(from == number);
      compare(by_index.at(number), part.to(torch::kFloat64).norm().item<double>(),
              whole(part, probe.at(parameter.key()).masked_select(from == number)));
    }
  }
}

struct Case {
  const char* name;
  bool rectified = false;
};

class Golden : public testing::TestWithParam<Case> {
 protected:
  const std::string name_ = GetParam().name;
  const Json about_ = Json::parse(reference().metadata.at(name_));
  const bool gradients_ = reference().find(name_ + "/gradients");

  void expect_the_same(torch::Dtype type, double tolerance, double gradients) const {
    const auto model = build(about_);
    model->to(type);
    auto pixels = uniform("pixels", about_["input"].get<std::vector<int64_t>>(), std::sqrt(3.0))
                      .to(type)
                      .requires_grad_(gradients_);
    {
      const torch::NoGradGuard no_grad;
      model->eval();
      EXPECT_LT(relative_error(model->forward(pixels), reference().at(name_ + "/logits")), tolerance);
    }
    if (!gradients_) return;
    model->train();
    const auto logits = model->forward(pixels);
    EXPECT_LT(relative_error(logits, reference().at(name_ + "/train_logits")), tolerance);
    (logits * uniform("target", logits.sizes())).sum().backward();
    expect_gradients(name_, *model, pixels, about_, gradients);
  }
};

TEST_P(Golden, OutputsAndGradientsAreTheReferences) {
  expect_the_same(torch::kFloat32, kTolerance, GetParam().rectified ? kRectified : kTolerance);
}

TEST_P(Golden, InDoublesToo) { expect_the_same(torch::kFloat64, kExact, kExact); }

INSTANTIATE_TEST_SUITE_P(Vision, Golden,
                         testing::Values(Case{"mlp"}, Case{"cnn", true}, Case{"resnet18", true}, Case{"resnet50", true},
                                         Case{"resnet20-cifar", true}, Case{"mobilenet_v3_large", true},
                                         Case{"mobilenet_v3_small", true}, Case{"vit_b_16"}, Case{"vit_l_32"},
                                         Case{"timm"}, Case{"huggingface"}, Case{"huggingface_file"}),
                         [](const auto& info) {
                           std::string name = info.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

std::string lines_of(const nn::Module& module) {
  std::vector<std::string> lines;
  for (const auto& [name, tensor] : tensors_of(module))
    lines.push_back(fmt::format("{} ({})\n", name, fmt::join(tensor.sizes(), ", ")));
  std::sort(lines.begin(), lines.end());
  return fmt::format("{}", fmt::join(lines, ""));
}

}  // namespace

TEST(Golden, EveryPresetHasTheNamesAndShapesOfItsReference) {
  std::ifstream file(golden("vision.json"));
  const auto known = Json::parse(file);
  const WithoutInit shapes_only;
  for (const auto& item : classifiers().items()) {
    ASSERT_TRUE(known.contains(item.name)) << item.name << " is registered without a golden entry; "
                                           << "add it to presets() in tests/golden/areas/vision.py";
    const auto& entry = known[item.name];
    const auto model = classifiers().make({item.name, {}});
    int64_t parameters = 0;
    for (const auto& parameter : model->parameters()) parameters += parameter.numel();
    EXPECT_EQ(parameters, entry["parameters"].get<int64_t>()) << item.name;
    EXPECT_EQ(fmt::format("{:016x}", fnv1a(lines_of(*model))), entry["shapes"].get<std::string>())
        << item.name << " differs from " << entry["source"] << ":\n"
        << lines_of(*model);
  }
}

TEST(Golden, EveryFamilyHasOutputsOfItsReference) {
  // A family is what one config struct describes.
  const auto family = [](const std::string& preset) {
    std::string names;
    for (const auto& field : classifiers().at(preset).schema.fields()) names += field.name + " ";
    return names;
  };
  std::set<std::string> proven;
  for (const auto& [name, text] : reference().metadata)
    if (name.find('/') == std::string::npos) proven.insert(family(Json::parse(text)["preset"]));
  for (const auto& item : classifiers().items())
    EXPECT_TRUE(proven.contains(family(item.name)))
        << item.name << " is of a family without golden outputs; add a case to tests/golden/areas/vision.py";
}

TEST(Golden, FirstWeightsAreSpreadAsTheReferences) {
  torch::manual_seed(1);
  for (const auto& [key, names] : reference().metadata) {
    if (!key.ends_with("/init")) continue;
    const auto model = classifiers().make({key.substr(0, key.size() - 5), {}});
    const auto parameters = model->named_parameters();
    const auto& expected = reference().at(key);
    int64_t row = 0;
    for (const auto& name : Json::parse(names)) {
      const auto value = parameters[name.get<std::string>()].detach().to(torch::kFloat64);
      const auto mean = expected[row][0].item<double>(), spread = expected[row][1].item<double>(),
                 size = expected[row][2].item<double>();
      ++row;
      const auto noise = 6 / std::sqrt(static_cast<double>(value.numel()));  // both sides are samples
      EXPECT_NEAR(value.mean().item<double>(), mean, 1.5 * noise * spread) << key << " " << name;
      EXPECT_NEAR(value.std().item<double>(), spread, noise * spread) << key << " " << name;
      EXPECT_NEAR(value.abs().mean().item<double>(), size, noise * spread) << key << " " << name;
    }
  }
}
