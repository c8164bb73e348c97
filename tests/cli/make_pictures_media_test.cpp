// Training what makes pictures, then letting it make some, as a user would.
#include <algorithm>

#include "hadal/io/image.h"
#include "hadal/io/safetensors.h"

#include "tests/cli/tiny.h"

namespace hadal {
namespace {

using test::expect_mistake;
using test::Ran;
using testing::HasSubstr;

class MakePictures : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new test::TemporaryFolder;
    write_file(
        *folder_ / "tiny.toml",
        "about = \"tiny\"\ntask = \"gan\"\nconditional = true\n[model]\nname = \"dcgan\"\nwidth = 4\nimage = 28\n"
        "[data]\nkind = \"shapes\"\nsize = 28\ntrain = 32\nval = 8\ntest = 8\nclasses = 2\n[train]\nsteps = 6\n"
        "batch = 8\nthreads = 1\nworkers = 1\nprecision = \"fp32\"\nema = 0.9\n");
    trained_ = new Ran(test::run_program({"train", "tiny.toml", "out=run"}, folder_->path()));
  }
  static void TearDownTestSuite() {
    delete trained_;
    delete folder_;
  }
  Ran run(const std::vector<std::string>& arguments) { return test::run_program(arguments, folder_->path()); }
  static test::TemporaryFolder* folder_;
  static Ran* trained_;
};
test::TemporaryFolder* MakePictures::folder_ = nullptr;
Ran* MakePictures::trained_ = nullptr;

TEST_F(MakePictures, TrainsAndShowsThemInTheReport) {
  EXPECT_EQ(trained_->code, 0) << trained_->err;
  const auto report = read_file(*folder_ / "run/report.html");
  for (const auto* title : {"Samples", "Walks from sample to sample", "the training pictures nearest to them"})
    EXPECT_THAT(report, HasSubstr(title));
}

TEST_F(MakePictures, WritesGridFilesAndLines) {
  const auto made = run({"generate", "run", "n=5", "seed=3", "raw=true", "out=made"});
  EXPECT_EQ(made.code, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr("5 samples in"));
  const auto lines = read_file(*folder_ / "made/generations.jsonl");
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 5);
  EXPECT_THAT(lines, HasSubstr("{\"file\":\"pictures/0001.png\",\"class\":\"square\",\"seed\":3,\"index\":1}"));
  EXPECT_EQ(read_image(*folder_ / "made/pictures/0004.png").sizes(), (std::vector<int64_t>{28, 28, 3}));
  EXPECT_GT(read_image(*folder_ / "made/grid.png").size(0), 28 * 2);
  const auto raw = read_safetensors(*folder_ / "made/samples.safetensors").at("samples");
  EXPECT_EQ(raw.sizes(), (std::vector<int64_t>{5, 3, 28, 28}));
  EXPECT_LE(raw.abs().max().item<double>(), 1);
}

TEST_F(MakePictures, ClassFoldersCanBeTrainedOn) {
  EXPECT_EQ(run({"generate", "run", "n=8", "layout=folders", "out=folders"}).code, 0);
  EXPECT_TRUE(std::filesystem::exists(*folder_ / "folders/circle/0000.png"));
  EXPECT_TRUE(std::filesystem::exists(*folder_ / "folders/square/0007.png"));
  const auto trained = run({"train", "classify", "data=folders", "model=mlp", "steps=2", "batch=4", "out=classifier"});
  EXPECT_EQ(trained.code, 0) << trained.err;
}

TEST_F(MakePictures, AnEarlierCallsFilesGo) {
  const auto there = [&](const char* name) { return std::filesystem::exists(*folder_ / "again" / name); };
  EXPECT_EQ(run({"generate", "run", "n=4", "layout=folders", "raw=true", "out=again"}).code, 0);
  write_file(*folder_ / "again/mine.png", "");
  write_file(*folder_ / "again/circle/mine.png", "");
  write_file(*folder_ / "again/generations.jsonl",
             read_file(*folder_ / "again/generations.jsonl") + "{\"index\":9,\"file\":\"../tiny.toml\"}\nno line\n");
  EXPECT_EQ(run({"generate", "run", "n=2", "out=again"}).code, 0);
  for (const auto* name : {"circle/0000.png", "circle/0002.png", "square", "samples.safetensors"})
    EXPECT_FALSE(there(name)) << name;
  for (const auto* name : {"mine.png", "circle/mine.png", "pictures/0001.png", "grid.png", "../tiny.toml"})
    EXPECT_TRUE(there(name)) << name;
}

TEST_F(MakePictures, PhotosOfSeveralSizesAreTakenAsTheyCome) {
  for (int64_t i = 0; i < 4; ++i)
    write_file(*folder_ / fmt::format("photos/cat/{}.png", i),
               encode_png(torch::full({40 + i, 52 - 3 * i, 3}, 60 * i, torch::kUInt8)));
  const auto trained =
      run({"train", "gan", "data=photos", "model.width=4", "steps=1", "batch=2", "workers=1", "threads=1", "out=cats"});
  EXPECT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.out, HasSubstr("pictures of several sizes, each resized and cropped to 32x32"));
}

TEST_F(MakePictures, ScoresSayWhatTheyLack) {
  const auto scored = run({"eval", "run", "out=scored"});
  EXPECT_EQ(scored.code, 0) << scored.err;
  EXPECT_THAT(scored.out, HasSubstr("judge.weights=RUN, a classifier of such data, gives"));
  EXPECT_THAT(scored.out, HasSubstr("nothing was measured"));
}

TEST_F(MakePictures, MistakesAreSaidPlainly) {
  expect_mistake(run({"generate", "run", "n=0"}), 2, "n wants an integer from 1 to 10000000, got \"0\"; example: ");
  expect_mistake(run({"generate", "run", "steps=3"}), 2, "train.steps is for training: hadal generate does nothing");
  expect_mistake(run({"generate", "run", "class=star"}), 2, "there is no class \"star\"; there are 2: circle, square");
  expect_mistake(run({"generate", "run", "prompt=a cat"}), 2, "reads no prompt");
  expect_mistake(run({"generate", "run", "walk=3", "n=1"}), 2, "two corners");
  expect_mistake(run({"generate", "run", "latents=nowhere.safetensors"}), 1, "nowhere.safetensors");
  expect_mistake(run({"generate", "run", "guidance=2"}), 2, "guidance");
  expect_mistake(run({"predict", "run", "tiny.toml"}), 2, "");
}

}  // namespace
}  // namespace hadal
