#include "hadal/io/weights.h"

#include "hadal/io/file.h"
#include "hadal/io/safetensors.h"

#include "tests/io/hostile.h"

using namespace hadal;

namespace {

struct WeightsNetImpl : nn::Module {
  explicit WeightsNetImpl(int64_t classes = 3) : head(nn::Linear(4, classes)) {
    register_module("conv", conv), register_module("norm", norm), register_module("head", head);
  }
  nn::Conv2d conv{nn::Conv2dOptions(1, 4, 3).bias(false)};
  nn::BatchNorm2d norm{4};
  nn::Linear head;
};
TORCH_MODULE(WeightsNet);

NamedTensors copy_of(const nn::Module& module, const std::string& prefix = "") {
  auto out = state_dict(module);
  out.source = "x.pth";
  for (auto& [name, tensor] : out.entries) name.insert(0, prefix), tensor = tensor.clone();
  return out;
}

void erase(NamedTensors& tensors, const std::string& name) {
  std::erase_if(tensors.entries, [&](const auto& entry) { return entry.first == name; });
}

}  // namespace

TEST(Weights, StateDictGoesInPythonsOrder) {
  EXPECT_THAT(state_dict(*WeightsNet()).names(),
              testing::ElementsAre("conv.weight", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var",
                                   "norm.num_batches_tracked", "head.weight", "head.bias"));
}

TEST(Weights, SaveAndLoadBitExact) {
  test::TemporaryFolder folder;
  for (const auto* name : {"a.safetensors", "a.pt"}) {
    WeightsNet a, b;
    save_weights(folder / name, *a, {{"epoch", "3"}});
    EXPECT_FALSE(a->conv->weight.equal(b->conv->weight));
    const auto report = load_weights(*b, folder / name);
    EXPECT_EQ(report.loaded, 8);
    EXPECT_TRUE(report.clean());
    test::expect_same(state_dict(*b), state_dict(*a), true);
  }
  EXPECT_EQ(read_weights(folder / "a.safetensors").metadata.at("epoch"), "3");
  write_file(folder / "text", "hello, this is text");
  EXPECT_ERROR(read_weights(folder / "text"), "text: neither safetensors nor a PyTorch file");
  EXPECT_ERROR(read_weights(folder / "none"), "none: No such file");
}

TEST(Weights, AreReadFromSeveralFiles) {
  test::TemporaryFolder folder;
  WeightsNet a, b;
  auto first = copy_of(*a), second = first;
  std::string map;
  for (const auto& name : first.names()) {
    const bool head = name.starts_with("head");
    erase(head ? first : second, name);
    map += fmt::format("{}\"{}\": \"{}.safetensors\"", map.empty() ? "" : ", ", name, head ? "two" : "one");
  }
  write_safetensors(folder / "one.safetensors", first);
  write_safetensors(folder / "two.safetensors", second);
  const auto index = folder / "model.safetensors.index.json";
  write_file(index, "{\"metadata\": {}, \"weight_map\": {" + map + "}}");
  for (const auto& path : {index, folder.path()}) {
    for (auto& parameter : b->parameters()) parameter.data().zero_();
    EXPECT_TRUE(load_weights(*b, path).clean());
    test::expect_same(state_dict(*b), state_dict(*a), true);
  }
  write_file(index, R"({"weight_map": {"conv.weight": "two.safetensors"}})");
  EXPECT_ERROR(read_weights(index), "two.safetensors: has no conv.weight, which the index says");
  for (const auto* file : {"../one.safetensors", "", "model.safetensors.index.json"}) {
    write_file(index, fmt::format(R"({{"weight_map": {{"conv.weight": "{}"}}}})", file));
    EXPECT_ERROR(read_weights(index), "which is no file beside it");
  }
  write_file(index, "{}");
  EXPECT_ERROR(read_weights(index), "has no \"weight_map\"");
}

TEST(Weights, TakesWrappersPrefixesOff) {
  for (const auto* prefix : {"module.", "model.", "module._orig_mod."}) {
    WeightsNet a, b;
    EXPECT_EQ(load_weights(*b, copy_of(*a, prefix)).prefix, prefix);
    test::expect_same(state_dict(*b), state_dict(*a));
  }
  WeightsNet a, b;
  EXPECT_ERROR(load_weights(*b, copy_of(*a, "student.")), "weights of another model");
  load_weights(*b, copy_of(*a, "student."), {.prefix = "student."});
  test::expect_same(state_dict(*b), state_dict(*a));
}

TEST(Weights, UnwrappedNamesAreThoseOfTheModelInside) {
  WeightsNet a, b;
  for (const auto* prefix : {"", "net.", "model.module.", "module._orig_mod.model."}) {
    auto averaged = copy_of(*a, prefix);
    averaged.add("n_averaged", torch::ones({}));
    EXPECT_EQ(unwrapped(averaged).names(), state_dict(*a).names()) << prefix;
  }
  auto mixed = copy_of(*a, "module.");
  mixed.add("loss.weight", torch::ones(1));
  EXPECT_EQ(unwrapped(mixed).names(), mixed.names()) << "a name without the prefix: none is a wrapper's";
  auto averaged = copy_of(*a, "module.");
  averaged.add("n_averaged", torch::ones({}));
  EXPECT_TRUE(load_weights(*b, averaged).clean());
  test::expect_same(state_dict(*b), state_dict(*a));
}

TEST(Weights, RenamesAndLeavesOut) {
  WeightsNet a, b;
  auto weights = copy_of(*a);
  for (auto& [name, tensor] : weights.entries)
    if (name.starts_with("conv.")) name = "stem." + name.substr(5);
  weights.add("optimizer.step", torch::ones(1));
  const auto rename = [](const std::string& name) {
    return name.starts_with("stem.") ? "conv." + name.substr(5) : name.starts_with("optimizer.") ? "" : name;
  };
  EXPECT_TRUE(load_weights(*b, weights, {.rename = rename}).clean());
  test::expect_same(state_dict(*b), state_dict(*a));
}

TEST(Weights, StrictLoadingChangesNothingWhenItFails) {
  WeightsNet a, b;
  const auto before = copy_of(*b);
  auto weights = copy_of(*a);
  erase(weights, "head.bias");
  weights.add("extra", torch::ones(1));
  weights.entries[0].second = torch::ones({4, 1, 5, 5});
  EXPECT_ERROR(load_weights(*b, weights),
               "x.pth: does not fit the model: 6 tensors loaded; missing: head.bias; unexpected: extra; wrong shape: "
               "conv.weight (4, 1, 5, 5) in the file, (4, 1, 3, 3) in the model");
  test::expect_same(state_dict(*b), before);
  const auto report = load_weights(*b, weights, {.strict = false});
  EXPECT_EQ(report.loaded, 6);
  EXPECT_TRUE(b->head->weight.equal(a->head->weight));
  EXPECT_TRUE(b->conv->weight.equal(before.at("conv.weight")));
}

TEST(Weights, HeadOfAnotherNumberOfClassesStays) {
  WeightsNet a(1000), b(3);
  const auto before = copy_of(*b);
  EXPECT_ERROR(load_weights(*b, copy_of(*a)), "wrong shape: head.weight (1000, 4) in the file, (3, 4) in the model");
  const auto report = load_weights(*b, copy_of(*a), {.head = {"head."}});
  EXPECT_EQ(report.fresh_head.size(), 2);
  EXPECT_THAT(report.text(), testing::HasSubstr("left as initialised"));
  EXPECT_TRUE(b->conv->weight.equal(a->conv->weight));
  EXPECT_TRUE(b->head->weight.equal(before.at("head.weight")));
  auto wider = copy_of(*a);
  for (auto& [name, tensor] : wider.entries)
    if (name == "head.weight") tensor = torch::ones({1000, 5});
  EXPECT_EQ(load_weights(*b, wider, {.head = {"head."}}).fresh_head.size(), 2) << "wider for more classes, as YOLO's";
  for (auto& [name, tensor] : wider.entries)
    if (name == "head.weight") tensor = torch::ones({1000, 4, 1});
  EXPECT_ERROR(load_weights(*b, wider, {.head = {"head."}}), "wrong shape: head.weight (1000, 4, 1)");
}

TEST(Weights, HeadThatTheFileHasNotStays) {
  WeightsNet a, b;
  const auto before = copy_of(*b);
  auto weights = copy_of(*a);
  erase(weights, "head.weight");
  erase(weights, "head.bias");
  EXPECT_ERROR(load_weights(*b, weights), "missing: head.weight, head.bias");
  const auto report = load_weights(*b, weights, {.head = {"head."}});
  EXPECT_THAT(report.text(), testing::HasSubstr("left as initialised, not in the file: head.weight, head.bias"));
  EXPECT_TRUE(b->conv->weight.equal(a->conv->weight));
  EXPECT_TRUE(b->head->weight.equal(before.at("head.weight")));
  erase(weights, "conv.weight");
  EXPECT_ERROR(load_weights(*b, weights, {.head = {"head."}}), "missing: conv.weight");
}

TEST(Weights, ConvertsTypesAndForgivesAMissingCounter) {
  WeightsNet a, b;
  auto weights = copy_of(*a);
  erase(weights, "norm.num_batches_tracked");
  for (auto& [name, tensor] : weights.entries) tensor = tensor.to(torch::kFloat16);
  EXPECT_TRUE(load_weights(*b, weights).clean());
  EXPECT_EQ(b->conv->weight.scalar_type(), torch::kFloat32);
  EXPECT_TRUE(b->conv->weight.equal(a->conv->weight.to(torch::kFloat16).to(torch::kFloat32)));
  EXPECT_TRUE(b->conv->weight.requires_grad());
  weights.entries[0].second = torch::ones({4, 1, 3, 3}, torch::kComplexFloat);
  EXPECT_ERROR(load_weights(*b, weights), "holds complex numbers");
}

TEST(Weights, OfAnotherModelAreToldInOneLine) {
  nn::Sequential other(nn::Linear(2, 2), nn::Linear(2, 2));
  WeightsNet net;
  for (const bool strict : {true, false})
    EXPECT_ERROR(load_weights(*net, copy_of(*other), {.strict = strict}),
                 "x.pth: weights of another model: 0 of its 4 names are among the model's 8; it has 0.weight");
}
