// Scoring and predicting with pictures and weights that the model was not trained with.
#include <nlohmann/json.hpp>

#include "hadal/io/image.h"
#include "hadal/io/pytorch.h"
#include "hadal/io/weights.h"
#include "hadal/models/vision/classifier.h"

#include "tests/cli/tiny.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;
using test::expect_mistake;
using test::Ran;

class Pictures : public testing::Test {
 protected:
  void write_pictures(const std::string& folder, std::initializer_list<const char*> classes, int64_t from = 0) {
    const std::vector<std::string> labels = {"left", "right", "top"};
    for (const std::string name : classes)
      for (int64_t i = 0; i < 40; ++i) {
        const auto label = std::find(labels.begin(), labels.end(), name) - labels.begin();
        write_image(folder_ / fmt::format("{}/{}/{:03}.png", folder, name, i), test::picture(label % 3, from + i));
      }
  }
  Ran run(const std::vector<std::string>& arguments) { return test::run_program(arguments, folder_.path()); }
  Ran train(const std::string& data) {
    auto toml = test::recipe(data, "epochs = 6\noptimizer = { name = \"adamw\", lr = 0.01 }\n");
    toml.erase(toml.find("epochs = 2\n"), 11);
    write_file(folder_ / "tiny.toml", toml);
    return run({"train", "tiny.toml", "out=run"});
  }
  double metric(const std::string& folder, const std::string& key) const {
    return nlohmann::json::parse(read_file(folder_ / folder / "metrics.json")).at(key).get<double>();
  }
  test::TemporaryFolder folder_;
};

TEST_F(Pictures, AreScoredByTheNamesOfTheirClasses) {
  write_pictures("pictures/train", {"left", "right", "top"});
  write_pictures("pictures/val", {"left", "right", "top"}, 1000);
  ASSERT_EQ(train("kind = \"folder\"\npath = \"pictures\"\nchannels = 1\n").code, 0);
  write_pictures("some", {"right", "top"}, 2000);
  auto ran = run({"eval", "run", "data=some", "split=test", "out=scores"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_GT(metric("scores", "test/accuracy"), 0.7) << "right is not the first class, though it is the first folder";
  // The run's names may be for people: what the folders were called is remembered beside them.
  ran = run({"eval", "run", "data=some", "split=test", "names=links,rechts,oben", "out=named"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(metric("named", "test/accuracy"), metric("scores", "test/accuracy"));
  write_pictures("other", {"bottom", "right", "top"});
  expect_mistake(run({"eval", "run", "data=other", "split=test"}), 2,
                 "the data has a class \"bottom\" that the model does not know");
}

TEST_F(Pictures, OfOneClassTeachNothing) {
  write_pictures("pictures", {"left"});
  const auto ran = train("kind = \"folder\"\npath = \"pictures\"\nchannels = 1\n");
  expect_mistake(ran, 2, "the data has one, \"left\", with ");
  EXPECT_THAT(ran.err, testing::HasSubstr("pictures/left/000.png"));
}

TEST_F(Pictures, OfATestFileAloneAreScored) {
  test::write_idx(folder_ / "digits", "train", 150, 150);
  test::write_idx(folder_ / "digits", "t10k", 60, 60);
  ASSERT_EQ(train("kind = \"idx\"\npath = \"digits\"\nval = 30\n").code, 0);
  const auto both = run({"eval", "run", "out=both"});
  ASSERT_EQ(both.code, 0) << both.err;
  // A train file that is too small for the run's val does not keep the test from being scored, nor does none.
  test::write_idx(folder_ / "digits", "train", 12, 12);
  auto ran = run({"eval", "run", "out=small"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  for (const auto* name : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"}) fs::remove(folder_ / "digits" / name);
  ran = run({"eval", "run", "out=alone"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(metric("small", "test/accuracy"), metric("both", "test/accuracy"));
  EXPECT_EQ(metric("alone", "test/accuracy"), metric("both", "test/accuracy"));
  expect_mistake(run({"eval", "run", "split=val"}), 2, "no split \"val\"; it has test");
}

TEST_F(Pictures, HaveTheSizeThatForeignWeightsWerePublishedFor) {
  write_pictures("pictures", {"left", "right", "top"});
  save_weights(folder_ / "small.pth", *classifiers().make({"resnet20-cifar", {{"classes", 3}}}));
  auto ran = run({"eval", "small.pth", "model=resnet20-cifar", "data=pictures", "split=val", "limit=4"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, testing::HasSubstr("32x32 pixels\n"));
  ran = run({"predict", "small.pth", "model=resnet20-cifar", "classes=3", "pictures/left/000.png"});
  EXPECT_EQ(ran.code, 0) << ran.err;

  // As AveragedModel keeps a model of torchvision's first names.
  auto weights = state_dict(*classifiers().make({"vit_t_16", {{"classes", 3}, {"depth", 1}}}));
  for (auto& [name, tensor] : weights.entries) {
    for (const auto& [now, then] : {std::pair{"mlp.0.", "mlp.linear_1."}, std::pair{"mlp.3.", "mlp.linear_2."}})
      if (const auto at = name.find(now); at != std::string::npos) name.replace(at, 6, then);
    name.insert(0, "module.");
  }
  weights.add("n_averaged", torch::ones({}, torch::kInt64));
  write_pytorch(folder_ / "large.pth", weights);
  ran = run({"eval", "large.pth", "model=vit_t_16", "model.depth=1", "data=pictures", "split=val", "limit=2"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, testing::HasSubstr("224x224 pixels of a shorter side of 256\n"));
  ran = run({"eval", "large.pth", "model=vit_t_16", "model.depth=1", "data=pictures", "split=val", "limit=2",
             "resize=224", "interpolation=bicubic"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, testing::HasSubstr("224x224 pixels\n"));
}

}  // namespace
}  // namespace hadal
