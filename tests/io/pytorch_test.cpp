#include "hadal/io/pytorch.h"

#include "hadal/io/bytes.h"
#include "hadal/io/file.h"
#include "hadal/io/safetensors.h"

#include "tests/io/hostile.h"

using namespace hadal;
using namespace std::string_literals;

namespace {

NamedTensors golden_pt(const std::string& name) { return read_pytorch(test::golden("io/" + name)); }
NamedTensors golden_st(const std::string& name) {
  return read_safetensors(test::golden("io/" + name + ".safetensors"));
}
std::filesystem::path shared(const std::string& name) { return test::data_folder().parent_path() / "weights" / name; }

bool same_storage(const Tensor& a, const Tensor& b) { return a.storage().is_alias_of(b.storage()); }

double total(const NamedTensors& tensors) {
  double sum = 0;
  for (const auto& [name, tensor] : tensors.entries) sum += tensor.to(torch::kFloat64).sum().item<double>();
  return sum;
}

}  // namespace

TEST(PyTorch, ReadsEveryType) { test::expect_same(golden_pt("dtypes.pt"), golden_st("dtypes")); }

TEST(PyTorch, ReadsViewsOfBothFormats) {
  for (const auto* name : {"views.pt", "views-legacy.pt", "views-protocol4.pt"}) {
    const auto tensors = golden_pt(name);
    test::expect_same(tensors, golden_st("views"));
    EXPECT_TRUE(same_storage(tensors.at("base"), tensors.at("tail"))) << name;
    EXPECT_TRUE(same_storage(tensors.at("base"), tensors.at("tied"))) << name;
    EXPECT_EQ(tensors.at("transposed").strides(), at::IntArrayRef({1, 6})) << name;
    EXPECT_EQ(tensors.at("tail").storage_offset(), 12) << name;
    EXPECT_EQ(tensors.at("expanded").strides(), at::IntArrayRef({0, 0})) << name;
    EXPECT_EQ(tensors.entries.front().first, "base") << name;
  }
}

TEST(PyTorch, TakesAModuleOfAnUnknownClassApart) {
  for (const auto* name : {"net.pt", "net-legacy.pt"}) test::expect_same(golden_pt(name), golden_st("net"));
  EXPECT_EQ(golden_pt("net-legacy.pt").metadata.at("best"), "81.25");
  EXPECT_EQ(golden_pt("net-legacy.pt").metadata.at("epoch"), "7");
}

TEST(PyTorch, ReadsTorchScriptOfPython) { test::expect_same(golden_pt("scripted.pt"), golden_st("scripted")); }

TEST(PyTorch, ChoosesTheWeightsOfACheckpoint) {
  const auto tensors = golden_pt("checkpoint.pth");
  EXPECT_EQ(tensors.size(), golden_st("net").size());
  for (const auto& [name, tensor] : tensors.entries) EXPECT_TRUE(name.starts_with("module.")) << name;
  EXPECT_THAT(golden_pt("nested.pt").names(), testing::ElementsAre("a.b", "list.0", "list.1"));
}

TEST(PyTorch, RefusesFilesThatRunCode) {
  EXPECT_ERROR(golden_pt("attack.pt"), "refused: it names \"posix.system\"");
  EXPECT_ERROR(golden_pt("attack.pt"), "attack.pt: pickle at byte ");
  EXPECT_ERROR(golden_pt("attack-legacy.pt"), "eval\"");
}

TEST(PyTorch, NamesWhatItCannotRead) {
  EXPECT_ERROR(golden_pt("quantised.pt"), "torch._utils _rebuild_qtensor");
  EXPECT_ERROR(golden_pt("sparse.pt"), "torch._utils _rebuild_sparse_tensor");
  const std::string text = "hello, this is text";
  EXPECT_ERROR(read_pytorch(std::as_bytes(std::span(text)), "x.pt"), "x.pt: no PyTorch file");
}

TEST(PyTorch, WritesWhatItReads) {
  test::TemporaryFolder folder;
  write_pytorch(folder / "a.pt", golden_pt("views.pt"));
  const auto tensors = read_pytorch(folder / "a.pt");
  test::expect_same(tensors, golden_pt("views.pt"), true);
  EXPECT_TRUE(same_storage(tensors.at("base"), tensors.at("tail")));
  EXPECT_EQ(tensors.at("transposed").strides(), at::IntArrayRef({1, 6}));
  write_pytorch(folder / "b.pt", golden_st("dtypes"));
  test::expect_same(read_pytorch(folder / "b.pt"), golden_st("dtypes"), true);
}

TEST(PyTorch, WritesASliceWithoutTheRest) {
  test::TemporaryFolder folder;
  NamedTensors tensors;
  tensors.add("a", torch::ones(100000).slice(0, 5, 7));
  write_pytorch(folder / "a.pt", tensors);
  EXPECT_LT(std::filesystem::file_size(folder / "a.pt"), 2000);
  tensors.add("a", torch::ones(1));
  EXPECT_ERROR(write_pytorch(folder / "a.pt", tensors), "two tensors cannot both be called \"a\"");
}

// A tensor whose shape, strides or place is turned into another number must never reach outside of its storage.
TEST(PyTorch, DamageNeverCrashes) {
  for (const auto* name : {"views.pt", "views-legacy.pt", "net-legacy.pt"})
    test::damage_everywhere(
        [](auto bytes) {
          for (const auto& [key, tensor] : read_pytorch(bytes, "damaged").entries)
            if (tensor.numel() < 100000) tensor.clone();
        },
        read_file(test::golden(fmt::format("io/{}", name))), true);
}

// Pickles of the format before 1.6: {"acc": 93, KEY: {"w": a tensor of one float}}, "w" being what is asked for.
TEST(PyTorch, KnowsWhatProgramsCallTheWeights) {
  const auto text = [](std::string_view of) {
    return "X" + std::string{static_cast<char>(of.size()), '\0', '\0', '\0'} + std::string(of);
  };
  const auto tensor = "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\nFloatStorage\n" + text("0") +
                      text("cpu") + "K\x01NtQK\0(K\x01t(K\x01t\x89}tR"s;
  const auto file_with = [&](const std::string& items) {
    return "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.}.}(" + text("acc") + "K\x5d" +
           items + "u.](" + text("0") + "e." + "\1\0\0\0\0\0\0\0\0\0\x80\x3f"s;
  };
  const auto read = [&](const std::string& items) {
    const auto file = file_with(items);
    return read_pytorch(std::as_bytes(std::span(file)), "x.pth");
  };
  const auto holds = [&](const char* name) { return "}" + text(name) + tensor + "s"; };
  for (const auto* key : {"net", "network", "params", "weights", "model_ema", "state_dict_ema", "ema_state_dict"}) {
    const auto found = read(text(key) + holds("w") + text("optimizer") + holds("step"));
    EXPECT_THAT(found.names(), testing::ElementsAre("w")) << key;
    EXPECT_EQ(found.at("w").item<float>(), 1);
    EXPECT_EQ(found.metadata.at("acc"), "93");
  }
  EXPECT_THAT(read(text("state_dict") + holds("plain") + text("state_dict_ema") + holds("averaged")).names(),
              testing::ElementsAre("averaged"));
}

TEST(PyTorch, PicklesThatReferToThemselvesEnd) {
  // A list in itself, and 40 lists of two references each to the next: 2^40 ways down.
  std::string bomb = "]q\x01";
  for (int i = 1; i < 40; ++i) bomb += fmt::format("]q{0}h{1}ah{1}a", static_cast<char>(i + 1), static_cast<char>(i));
  for (const auto& objects : {std::string("]q\x01h\x01"
                                          "ah\x01"
                                          "a."),
                              bomb + "."}) {
    const std::string file =
        "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.}." + objects + "].";
    EXPECT_ERROR(read_pytorch(std::as_bytes(std::span(file)), "x"), "nested without end");
  }
}

// Numbers of the reference: torch.load in Python, every tensor to float64, all sums added.
TEST(PyTorch, ReadsYolov5) {
  const auto path = shared("yolov5n/yolov5n.pt");
  NEEDS_DATA(path);
  const auto tensors = read_pytorch(path);
  int64_t parameters = 0;
  for (const auto& [name, tensor] : tensors.entries)
    if (!name.ends_with("num_batches_tracked") && name.find("running_") == std::string::npos &&
        !name.ends_with("anchors"))
      parameters += tensor.numel();
  EXPECT_EQ(parameters, 1872157);
  EXPECT_EQ(tensors.at("model.0.conv.weight").scalar_type(), torch::kFloat16);
  EXPECT_GT(std::abs(total(tensors)), 0);
}

TEST(PyTorch, ReadsResnet20) {
  const auto path = shared("resnet20-cifar10/resnet20-12fca82f.th");
  NEEDS_DATA(path);
  const auto tensors = read_pytorch(path);
  EXPECT_EQ(tensors.at("module.conv1.weight").sizes(), at::IntArrayRef({16, 3, 3, 3}));
  EXPECT_NEAR(std::stod(tensors.metadata.at("best_prec1")), 91.78, 1e-5);
}
