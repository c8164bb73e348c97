// Models with heat maps against their references with the same weights: maps, losses, gradients; every preset's size.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "hadal/io/safetensors.h"
#include "hadal/models/pose/heatmaps.h"
#include "hadal/models/pose/vitpose.h"
#include "hadal/nn/init.h"

#include "tests/models/hash_weights.h"
#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;
using Json = nlohmann::json;

namespace {

constexpr double kTolerance = 1e-4;
/// Of doubles, which are what the pose_reference computed with: a rectifier turns over by a float's rounding.
constexpr double kExact = 1e-8;

const NamedTensors& pose_reference() {
  static const auto file = read_safetensors(golden("pose.safetensors"));
  return file;
}

template <class Values>
std::map<std::string, Tensor> as_named(const HeatmapModel& model, const Json& weights, const Values& values) {
  TensorsByName theirs;
  for (const auto& entry : weights) {
    const auto name = entry[0].get<std::string>();
    theirs.emplace_back(name, values(name, entry[1].get<std::vector<int64_t>>()));
  }
  const auto ours = model.own_names(theirs);
  return {ours.begin(), ours.end()};
}

std::shared_ptr<HeatmapModel> build(const Json& about) {
  const WithoutInit all_come_from_the_hash;
  auto model = heatmap_models().make(Part{about["preset"], parse_toml(about["settings"].get<std::string>(), "golden")});
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

/// As in tests/golden/areas/pose.py.
Tensor truth(const std::string& name, at::IntArrayRef maps) {
  const auto share = (uniform(name, {maps[0], maps[1], 2}).to(torch::kFloat64) + 1) / 2;
  const auto sides = torch::tensor({maps[3] - 1, maps[2] - 1}, torch::kFloat64);
  const auto points = torch::cat({share * sides, torch::ones({maps[0], maps[1], 1}, torch::kFloat64)}, 2);
  points.select(1, 1).select(1, 2).zero_();
  return points.to(torch::kFloat32);
}

Tensor loss_of(const Tensor& maps) {
  const auto points = truth("points", maps.sizes());
  const auto wanted = gaussian_maps(points, maps.size(2), maps.size(3), 1.5);
  return heatmap_loss(maps, wanted.to(maps.scalar_type()), points.select(2, 2).to(maps.scalar_type()));
}

void expect_gradients(const std::string& name, const HeatmapModel& model, const Tensor& pixels, const Json& about) {
  const auto expected = pose_reference().at(name + "/gradients");
  const auto names = Json::parse(pose_reference().metadata.at(name + "/gradients")).get<std::vector<std::string>>();
  const auto largest = expected.select(1, 0).max().item<double>();
  const auto compare = [&](const std::string& of, const Tensor& gradient, const Tensor& probe) {
    const auto row = std::find(names.begin(), names.end(), of) - names.begin();
    ASSERT_LT(row, std::ssize(names)) << of;
    const auto wanted = expected[row][0].item<double>(), allowed = kExact * (wanted + 0.01 * largest);
    EXPECT_NEAR(gradient.norm().item<double>(), wanted, allowed) << name << ": " << of;
    EXPECT_NEAR((gradient * probe).sum().item<double>(), expected[row][1].item<double>(), allowed)
        << name << ": " << of;
  };
  compare("pixels", pixels.grad(), uniform("pixels/probe", pixels.sizes()));
  // Where queries, keys and values are joined, each keeps its own figures.
  std::map<std::string, double> index;
  for (const auto& entry : about["weights"]) index.emplace(entry[0].get<std::string>(), index.size());
  std::map<double, std::string> by_index;
  for (const auto& [of, number] : index) by_index[number] = of;
  const auto origin = as_named(model, about["weights"], [&](const std::string& of, const std::vector<int64_t>& shape) {
    return torch::full(shape, index.at(of));
  });
  const auto probe = as_named(model, about["weights"], [](const std::string& of, const std::vector<int64_t>& shape) {
    return uniform(of + "/probe", shape);
  });
  for (const auto& parameter : model.named_parameters()) {
    const auto& from = origin.at(parameter.key());
    const auto& gradient = parameter.value().grad();
    for (const auto number : std::set<double>{from.flatten()[0].item<double>(), from.median().item<double>(),
                                              from.flatten()[-1].item<double>()})
      compare(by_index.at(number), gradient.masked_select(from == number),
              probe.at(parameter.key()).masked_select(from == number));
  }
}

class PoseGolden : public testing::TestWithParam<const char*> {
 protected:
  const std::string name_ = GetParam();
  const Json about_ = Json::parse(pose_reference().metadata.at(name_));
};

TEST_P(PoseGolden, MapsLossesAndGradientsAreTheReferences) {
  const auto model = build(about_);
  auto pixels = uniform("pixels", about_["input"].get<std::vector<int64_t>>(), std::sqrt(3.0));
  for (const auto& [type, tolerance] : {std::pair(torch::kFloat32, kTolerance), {torch::kFloat64, kExact}}) {
    model->to(type);
    pixels = pixels.detach().to(type).requires_grad_();
    {
      const torch::NoGradGuard no_grad;
      model->eval();
      EXPECT_LT(relative_error(model->forward(pixels), pose_reference().at(name_ + "/maps")), tolerance);
      model->train();
      std::map<std::string, Tensor> before;
      for (const auto& [name, tensor] : tensors_of(*model)) before.emplace(name, tensor.clone());
      EXPECT_LT(relative_error(loss_of(model->forward(pixels)), pose_reference().at(name_ + "/loss")), tolerance);
      for (auto& [name, tensor] : tensors_of(*model)) tensor.copy_(before.at(name));
    }
  }
  loss_of(model->forward(pixels)).backward();
  expect_gradients(name_, *model, pixels, about_);
}

INSTANTIATE_TEST_SUITE_P(Pose, PoseGolden,
                         testing::Values("simplebaseline", "simplebaseline_bottleneck", "vitpose", "vitpose_simple"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace

TEST(PoseGolden, EveryPresetIsAsLargeAsItsReference) {
  std::ifstream file(golden("pose.json"));
  const auto known = Json::parse(file);
  const WithoutInit shapes_only;
  for (const auto& item : heatmap_models().items()) {
    ASSERT_TRUE(known.contains(item.name)) << item.name << " is registered without a golden entry; "
                                           << "add it to shapes() in tests/golden/areas/pose.py";
    const auto& entry = known[item.name];
    const auto model = heatmap_models().make({item.name, {}});
    int64_t parameters = 0;
    for (const auto& parameter : model->parameters()) parameters += parameter.numel();
    EXPECT_EQ(parameters, entry["parameters"].get<int64_t>()) << item.name;
    if (!entry.contains("shapes")) continue;
    std::vector<std::string> lines;
    for (const auto& [name, tensor] : tensors_of(*model))
      lines.push_back(fmt::format("{} ({})\n", name, fmt::join(tensor.sizes(), ", ")));
    std::sort(lines.begin(), lines.end());
    EXPECT_EQ(fmt::format("{:016x}", fnv1a(fmt::format("{}", fmt::join(lines, "")))),
              entry["shapes"].get<std::string>())
        << item.name << " differs from " << entry["source"];
  }
}

TEST(PoseGolden, TheFilesSettingsAreThoseOfItsModel) {
  const auto part = vitpose_settings(Json::parse(pose_reference().metadata.at("vitpose_simple/config")));
  const auto resolved = heatmap_models().resolve(part);
  const auto about = Json::parse(pose_reference().metadata.at("vitpose_simple"));
  const auto settings = parse_toml(about["settings"].get<std::string>(), "golden");
  for (const auto& [key, value] : settings.entries())
    EXPECT_EQ(resolved.settings.find(key)->text(), value.text()) << key;
  auto other = Json::parse(pose_reference().metadata.at("vitpose_simple/config"));
  other["backbone_config"]["num_experts"] = 6;
  EXPECT_ERROR(vitpose_settings(other), "its MLPs are mixtures of 6 experts");
}

TEST(PoseGolden, TargetsAreGaussians) {
  EXPECT_LT(relative_error(gaussian_maps(pose_reference().at("targets/points"), 12, 9, 2),
                           pose_reference().at("targets/maps")),
            1e-6);
}
