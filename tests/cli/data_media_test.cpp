// Training through the program on each kind of data, and what happens when the data is damaged.
#include <nlohmann/json.hpp>

#include "hadal/io/image.h"

#include "tests/cli/tiny.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;
using test::expect_mistake;
using test::Ran;
using test::recipe;

const char* const kClasses[] = {"left", "right", "top"};

class DataTest : public testing::Test {
 protected:
  void write_pictures(const fs::path& folder, int64_t each, int64_t from = 0) {
    for (int64_t label = 0; label < 3; ++label)
      for (int64_t i = 0; i < each; ++i) {
        fs::create_directories(folder / kClasses[label]);
        write_image(folder / kClasses[label] / fmt::format("{:03}.{}", i, i % 2 ? "jpg" : "png"),
                    test::picture(label, from + i), 95);
      }
  }
  Ran train(const std::string& data,
            const std::string& settings = "epochs = 6\noptimizer = { name = \"adamw\", lr = 0.01 }\n",
            const std::string& model = "name = \"mlp\"\nhidden = [16]\n") {
    auto toml = recipe(data, settings, model);
    toml.erase(toml.find("epochs = 2\n"), 11);
    write_file(folder_ / "tiny.toml", toml);
    fs::remove_all(folder_ / "run");
    return test::run_program({"train", "tiny.toml", "out=run"}, folder_.path());
  }
  double best(const std::string& key) const {
    return nlohmann::json::parse(read_file(folder_ / "run/metrics.json")).at("best").at(key).get<double>();
  }
  test::TemporaryFolder folder_;
};

TEST_F(DataTest, LearnsFromIdxFiles) {
  test::write_idx(folder_ / "digits", "train", 150, 150);
  test::write_idx(folder_ / "digits", "t10k", 60, 60);
  const auto ran = train("kind = \"idx\"\npath = \"digits\"\nval = 30\n");
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_GT(best("val/accuracy"), 0.8);
  EXPECT_GT(best("test/accuracy"), 0.8);
}

TEST_F(DataTest, LearnsFromAFolderAndFromTheSameAsAnArchive) {
  write_pictures(folder_ / "pictures/train", 40);
  write_pictures(folder_ / "pictures/val", 20, 1000);
  auto ran = train("kind = \"folder\"\npath = \"pictures\"\nchannels = 1\n");
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_GT(best("val/accuracy"), 0.8);
  const auto weights = read_file(folder_ / "run/metrics.json");
  const auto pack =
      fmt::format("cd {0} && tar -czf pictures.tar.gz pictures && rm -r pictures", folder_.path().string());
  ASSERT_EQ(std::system(pack.c_str()), 0);
  ran = train("kind = \"folder\"\npath = \"pictures.tar.gz\"\nchannels = 1\n");
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(read_file(folder_ / "run/metrics.json"), weights);
}

TEST_F(DataTest, PicturesWithoutSplitsAreNoTestOfWhatLearnedFromThem) {
  write_pictures(folder_ / "pictures", 8);
  write_pictures(folder_ / "others", 2, 1000);
  ASSERT_EQ(train("kind = \"folder\"\npath = \"pictures\"\nchannels = 1\n", "epochs = 1\n").code, 0);
  const auto eval = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "eval");
    return test::run_program(words, folder_.path());
  };
  const auto scores = [&](const std::string& name) {
    return nlohmann::json::parse(read_file(folder_ / name / "metrics.json"));
  };
  auto ran = eval({"run", "out=own"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, testing::HasSubstr("no split but train"));
  EXPECT_TRUE(scores("own").contains("train/accuracy"));
  EXPECT_FALSE(scores("own").contains("test/accuracy"));
  expect_mistake(eval({"run", "split=test"}), 2, "no split \"test\"; it has train");
  expect_mistake(eval({"run/weights/best.safetensors", "split=val"}), 2, "no split \"val\"; it has train");
  expect_mistake(eval({"run", "data=./pictures", "split=val"}), 2, "it has train");
  ran = eval({"run", "data=others", "out=foreign"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(scores("foreign").contains("test/accuracy"));
}

TEST_F(DataTest, LearnsShapesByHeart) {
  const auto ran = train("kind = \"shapes\"\nsize = 24\ntrain = 48\nval = 16\ntest = 16\nclasses = 2\nmin_size = 0.6\n",
                         "epochs = 40\nevaluate_every = 40\noptimizer = { name = \"adamw\", lr = 0.01 }\n"
                         "[train.schedule]\nname = \"constant\"\n",
                         "name = \"cnn\"\nwidths = [16, 32, 32]\n");
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_LT(best("train/loss"), 0.45);  // a guess between two classes costs 0.69; this is the mean over all epochs
}

TEST_F(DataTest, DamagedPicturesAreNamed) {
  write_pictures(folder_ / "pictures/train", 12);
  write_pictures(folder_ / "pictures/val", 4, 1000);
  const auto victim = folder_ / "pictures/train/right/005.jpg";
  const auto bytes = read_file(victim);
  const auto data = "kind = \"folder\"\npath = \"pictures\"\nchannels = 1\n";
  write_file(victim, std::string_view(bytes).substr(0, bytes.size() * 2 / 3));
  expect_mistake(train(data), 1, "right/005.jpg");
  auto corrupt = bytes;
  std::fill(corrupt.begin() + 20, corrupt.begin() + 60, '\xff');
  write_file(victim, corrupt);
  expect_mistake(train(data), 1, "right/005.jpg");
  write_file(victim, "");
  expect_mistake(train(data), 1, "right/005.jpg");
  // The rest of what was learned is kept, and goes on once the picture is there.
  expect_mistake(train(data), 1, "with that mended, hadal train resume=run goes on");
  write_file(victim, bytes);
  const auto ran = test::run_program({"train", "resume=run"}, folder_.path());
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_GT(best("val/accuracy"), 0.3);
}

TEST_F(DataTest, FoldersThatAreNoDataSet) {
  const auto data = "kind = \"folder\"\npath = \"pictures\"\nchannels = 1\n";
  expect_mistake(train(data), 1, "pictures");
  fs::create_directory(folder_ / "pictures");
  expect_mistake(train(data), 1, "no class folders with pictures");
  write_pictures(folder_ / "pictures/val", 4);
  expect_mistake(train(data), 2, "the data has no split \"train\"; it has val");
  write_pictures(folder_ / "pictures/train", 4);
  fs::create_directory(folder_ / "pictures/train/bottom");
  expect_mistake(train(data), 1, "pictures/train/bottom: class folder without a picture");
  fs::remove(folder_ / "pictures/train/bottom");
  write_image(folder_ / "pictures/val/bottom/1.png", test::picture(0, 0));
  expect_mistake(train(data), 1, "train has no class bottom");
  EXPECT_EQ(train("kind = \"folder\"\npath = \"pictures/train\"\nchannels = 1\n").code, 0);
  write_file(folder_ / "pictures.tar.gz", "\x1f\x8b\x08 cut off");
  expect_mistake(train("kind = \"folder\"\npath = \"pictures.tar.gz\"\nchannels = 1\n"), 1, "pictures.tar.gz");
}

}  // namespace
}  // namespace hadal
