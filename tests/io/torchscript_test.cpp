// What LibTorch writes: torch::save of modules, TorchScript's archives, torch::pickle_save.
#include <sstream>

#include <torch/script.h>
#include <torch/torch.h>

#include "hadal/io/pytorch.h"
#include "hadal/io/weights.h"
#include "hadal/io/zip.h"

#include "tests/io/hostile.h"

using namespace hadal;
using namespace std::string_literals;

namespace {

struct NetImpl : torch::nn::Module {
  NetImpl() {
    torch::manual_seed(1);
    features = register_module("features", torch::nn::Sequential(torch::nn::Conv2d(1, 2, 3), torch::nn::BatchNorm2d(2),
                                                                 torch::nn::ReLU(), torch::nn::Linear(2, 3)));
    scale = register_parameter("scale", torch::randn({2, 2}).t());
    half = register_buffer("half", torch::randn(3).to(torch::kHalf));
  }
  torch::nn::Sequential features{nullptr};
  torch::Tensor scale, half;
};
TORCH_MODULE(Net);

std::string saved(const Net& net) {
  std::ostringstream out;
  torch::save(net, out);
  return out.str();
}

NamedTensors read_torchscript(const std::string& file) { return read_pytorch(std::as_bytes(std::span(file)), "x.pt"); }

bool has_compressed_entry(const std::string& file) {
  const auto entries = read_stored_zip(std::as_bytes(std::span(file)), "x.pt");
  return std::any_of(entries.begin(), entries.end(), [](const auto& entry) { return entry.method != 0; });
}

/// A scripted module with a child, a list and a dictionary of tensors, numbers, and enough code to be compressed.
std::string scripted() {
  torch::jit::Module top("Top"), child("Child");
  child.register_parameter("weight", torch::full({2, 3}, 4.f), false);
  child.register_buffer("mean", torch::full({3}, 5.f));
  child.register_attribute("sizes", c10::ListType::ofInts(), c10::List<int64_t>({3, 3}));
  top.register_module("child", child);
  c10::List<torch::Tensor> list({torch::full({1}, 6.f), torch::full({1}, 7.f)});
  top.register_attribute("list", c10::ListType::ofTensors(), list);
  c10::Dict<std::string, torch::Tensor> table;
  table.insert("a", torch::full({1}, 8.f));
  top.register_attribute("table", c10::DictType::create(c10::StringType::get(), c10::TensorType::get()), table);
  std::string code = "def forward(self, x):\n";
  for (int i = 0; i < 60; ++i) code += "    x = x * self.child.mean + self.list[0]\n";
  top.define(code + "    return x\n");
  std::ostringstream out;
  top.save(out);
  return out.str();
}

}  // namespace

TEST(TorchScript, GivesTheModuleThatLibTorchSaved) {
  const Net net;
  const auto file = saved(net);
  EXPECT_TRUE(has_compressed_entry(file)) << "as it is for real";
  auto want = state_dict(*net), got = read_torchscript(file);
  test::expect_same(got, want);
  EXPECT_EQ(got.at("scale").strides(), at::IntArrayRef({1, 2}));
}

TEST(TorchScript, GivesAScriptedModulesTensors) {
  const auto file = scripted();
  EXPECT_TRUE(has_compressed_entry(file));
  const auto tensors = read_torchscript(file);
  EXPECT_THAT(tensors.names(),
              testing::UnorderedElementsAre("child.weight", "child.mean", "list.0", "list.1", "table.a"));
  EXPECT_EQ(tensors.at("child.weight").sizes(), at::IntArrayRef({2, 3}));
  const std::pair<const char*, float> values[] = {
      {"child.weight", 4}, {"child.mean", 5}, {"list.0", 6}, {"list.1", 7}, {"table.a", 8}};
  for (const auto& [name, value] : values) EXPECT_TRUE(tensors.at(name).eq(value).all().item<bool>()) << name;
}

TEST(TorchScript, GivesADictionarysTensors) {
  const Net net;
  c10::Dict<std::string, torch::Tensor> table;
  for (const auto& [name, tensor] : state_dict(*net).entries) table.insert(name, tensor);
  const auto pickled = torch::pickle_save(table);
  test::expect_same(read_torchscript({pickled.begin(), pickled.end()}), state_dict(*net));

  c10::impl::GenericDict checkpoint(c10::StringType::get(), c10::AnyType::get());
  checkpoint.insert("epoch", int64_t{7});
  checkpoint.insert("optimizer", torch::ones(1));
  checkpoint.insert("model", table);
  const auto whole = torch::pickle_save(checkpoint);
  const auto got = read_torchscript({whole.begin(), whole.end()});
  test::expect_same(got, state_dict(*net));
  EXPECT_EQ(got.metadata.at("epoch"), "7");

  std::vector<torch::Tensor> list = {torch::ones(2), torch::zeros(1)};
  const auto several = torch::pickle_save(list);
  EXPECT_THAT(read_torchscript({several.begin(), several.end()}).names(), testing::ElementsAre("0", "1"));
}

TEST(TorchScript, WalksTheStateOfAnyClassOfIts) {
  // An object of __torch__.Packed whose __getstate__ gave a tuple.
  const auto text = [](std::string_view of) {
    return "X" + std::string{static_cast<char>(of.size()), '\0', '\0', '\0'} + std::string(of);
  };
  const auto tensor = "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\nFloatStorage\n" + text("0") +
                      text("cpu") + "K\x01tQK\0(K\x01t(K\x01t\x89"s + "ccollections\nOrderedDict\n)RtR";
  test::TemporaryFolder folder;
  const auto read_pickle = [&](const std::string& pickle) {
    StoredZipWriter writer(folder / "a.pt");
    writer.add("a/data.pkl", "\x80\x02" + pickle + ".");
    writer.add("a/data/0", std::string("\0\0\x80\x3f", 4));
    writer.commit();
    return read_pytorch(folder / "a.pt");
  };
  const auto object = "c__torch__.a\nPacked\n)\x81(" + tensor + "K\x05}" + text("b") + tensor + "stb";
  EXPECT_THAT(read_pickle(object).names(), testing::ElementsAre("0", "2.b"));
  EXPECT_EQ(read_pickle("}" + text("x") + object + "s").at("x.2.b").item<float>(), 1);
  EXPECT_ERROR(read_pickle("c__torch__.a\nPacked\n)\x81q\x01h\x01"
                           "b"),
               "nested without end");
  EXPECT_ERROR(read_pickle("ctorch.jit._pickle\nrestore_type_tag\n)R"), "no tensors in it");
  EXPECT_ERROR(read_pickle("c__torch__.os\nsystem\n)R"), "no tensors in it");
}

TEST(TorchScript, RefusesCompressedTensors) {
  auto file = saved(Net());
  for (const auto* part : {"data.pkl", "data/0"}) {
    auto packed = file;
    size_t entry = packed.find("PK\1\2");
    const auto name = "archive/" + std::string(part);
    const auto at = packed.find(name, entry);
    ASSERT_NE(at, std::string::npos) << name;
    packed[at - 46 + 10] = 8;
    EXPECT_ERROR(read_torchscript(packed), fmt::format("x.pt: entry \"{}\" is compressed (method 8)", name));
  }
}

TEST(TorchScript, DamageNeverCrashes) {
  const auto file = scripted();
  for (size_t length = 0; length < file.size(); length += 7)
    test::refused([](auto bytes) { read_pytorch(bytes, "damaged"); }, file.substr(0, length));
  for (size_t i = 0; i < file.size(); i += 3) {
    auto changed = file;
    changed[i] = static_cast<char>(changed[i] ^ 0x81);
    test::refused([](auto bytes) { read_pytorch(bytes, "damaged"); }, changed);
  }
}
