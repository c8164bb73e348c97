// Runs that end before their time: Ctrl-C, kill -9, a full disk. Nothing that was saved is lost, and what is resumed
// ends as if it had never stopped.
#include <set>

#include "hadal/io/safetensors.h"
#include "hadal/report/history.h"
#include "hadal/train/checkpoint.h"

#include "tests/cli/tiny.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;
using test::Process;
using test::run_program;

/// Half a second of training at least, with everything in it that draws random numbers.
const std::string kLong =
    test::recipe("kind = \"shapes\"\nsize = 16\ntrain = 200\nval = 20\ntest = 20\nclasses = 3\n",
                 "epochs = 12\naccumulate = 2\nema = 0.9\nevaluate_every = 0.4\ncheckpoint_steps = 7\n",
                 "name = \"cnn\"\nwidths = [4, 8]\ndropout = 0.2\n");

std::string without(std::string text, const std::string& part) {
  text.erase(text.find(part), part.size());
  return text;
}

class Stop : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    straight_ = std::make_unique<test::TemporaryFolder>();
    write_file(*straight_ / "long.toml", without(kLong, "epochs = 2\n") + "[augment]\nhflip = 0.5\nmixup = 0.2\n");
    ASSERT_EQ(run_program({"train", "long.toml", "out=straight"}, straight_->path()).code, 0);
  }
  static void TearDownTestSuite() { straight_.reset(); }
  void SetUp() override { fs::copy(straight_->path(), folder_.path(), fs::copy_options::recursive); }
  /// What resume goes by: at which step the run's checkpoint stands, or -1.
  int64_t saved_step(const std::string& run) const {
    const auto file = folder_ / run / "checkpoint/last.safetensors";
    return fs::exists(file) ? Checkpoint::load(file).progress.state.step : -1;
  }
  std::vector<Row> rows(const std::string& run) const {
    auto rows = parse_csv(read_file(folder_ / run / "metrics.csv"), "metrics.csv");
    for (auto& row : rows) row.seconds = 0;
    return rows;
  }
  /// Every file of a run but TensorBoard's, of which each sitting writes one.
  std::set<std::string> files(const std::string& run) const {
    std::set<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / run))
      if (entry.is_regular_file() && entry.path().parent_path().filename() != "tensorboard")
        found.insert(fs::relative(entry.path(), folder_ / run).string());
    return found;
  }
  void expect_same_as_straight(const std::string& run) const {
    for (const auto* name : {"weights/best.safetensors", "weights/last.safetensors"})
      EXPECT_TRUE(read_file(folder_ / "straight" / name) == read_file(folder_ / run / name)) << name;
    EXPECT_EQ(rows("straight"), rows(run));
    EXPECT_EQ(read_file(folder_ / "straight/metrics.json"), read_file(folder_ / run / "metrics.json"));
  }
  static inline std::unique_ptr<test::TemporaryFolder> straight_;  // trained once for all tests
  test::TemporaryFolder folder_;
};

TEST_F(Stop, CtrlCSavesAndSaysHowToGoOn) {
  Process process({"train", "long.toml", "out=run"}, folder_.path());
  ASSERT_TRUE(process.wait_until([&] { return saved_step("run") > 0; }));
  process.signal(SIGINT);
  const auto ran = process.wait();
  EXPECT_EQ(ran.code, 130);
  EXPECT_EQ(ran.err, "");
  EXPECT_THAT(ran.out, testing::HasSubstr("hadal train resume=run"));
  EXPECT_THAT(ran.out, testing::Not(testing::HasSubstr("\r")));
  const auto stopped = saved_step("run");
  EXPECT_GT(stopped, 0);
  const auto other = run_program({"train", "long.toml", "resume=run/"}, folder_.path());
  EXPECT_EQ(other.code, 2);
  EXPECT_THAT(other.err, testing::HasSubstr("a resumed run keeps its own recipe; leave out long.toml"));
  EXPECT_LT(stopped, saved_step("straight"));
  const auto resumed = run_program({"train", "resume=run/"}, folder_.path());
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.out, testing::HasSubstr("report.html"));
  expect_same_as_straight("run");
}

TEST_F(Stop, KilledThreeTimes) {
  for (int kill = 0; kill < 3; ++kill) {
    const bool begun = fs::exists(folder_ / "run/config.toml");
    Process process(begun ? std::vector<std::string>{"train", "resume=run"}
                          : std::vector<std::string>{"train", "long.toml", "out=run"},
                    folder_.path());
    const auto before = saved_step("run");
    // At least two checkpoints further, so that it is killed on its way to the third.
    ASSERT_TRUE(process.wait_until([&] { return saved_step("run") >= before + 14; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(kill * 2));
    process.signal(SIGKILL);
    ASSERT_EQ(process.wait().code, 128 + SIGKILL);
  }
  // What a kill within a save leaves; a file of one's own with such a name stays.
  for (const auto* name : {"metrics.json.tmp-a1B2c3", "weights/last.safetensors.tmp-a1B2c3",
                           "checkpoint/last.safetensors.tmp-a1B2c3", "notes.txt.tmp-a1B2c3"})
    write_file(folder_ / "run" / name, "half");
  const auto ran = run_program({"train", "resume=run"}, folder_.path());
  EXPECT_EQ(ran.code, 0) << ran.err;
  expect_same_as_straight("run");
  EXPECT_TRUE(fs::remove(folder_ / "run/notes.txt.tmp-a1B2c3"));
  EXPECT_EQ(files("run"), files("straight"));
}

TEST_F(Stop, AFullDiskSparesTheLastCheckpoint) {
  Process first({"train", "long.toml", "out=run"}, folder_.path());
  ASSERT_TRUE(first.wait_until([&] { return saved_step("run") > 0; }));
  first.signal(SIGTERM);
  EXPECT_EQ(first.wait().code, 130);
  const auto checkpoint = read_file(folder_ / "run/checkpoint/last.safetensors");
  // No file may grow beyond half a checkpoint: writing the next one fails midway, as on a full disk.
  const auto ran = Process({"train", "resume=run"}, folder_.path(), static_cast<int64_t>(checkpoint.size() / 2)).wait();
  test::expect_mistake(ran, 1, "run/");
  EXPECT_THAT(ran.err, testing::HasSubstr("File too large"));
  EXPECT_EQ(read_file(folder_ / "run/checkpoint/last.safetensors"), checkpoint);
  for (const auto& entry : fs::directory_iterator(folder_ / "run/checkpoint"))
    EXPECT_EQ(entry.path().filename(), "last.safetensors");  // no temporary file is left
  EXPECT_EQ(run_program({"train", "resume=run"}, folder_.path()).code, 0);
  expect_same_as_straight("run");
}

TEST_F(Stop, ADamagedCheckpointIsNamed) {
  fs::copy(folder_ / "straight", folder_ / "run", fs::copy_options::recursive);
  const auto file = folder_ / "run/checkpoint/last.safetensors";
  const auto bytes = read_file(file);
  write_file(file, std::string_view(bytes).substr(0, bytes.size() - 100));
  test::expect_mistake(run_program({"train", "resume=run"}, folder_.path()), 1, "checkpoint/last.safetensors");
  auto config = read_file(folder_ / "run/config.toml");
  write_file(file, bytes);
  config.replace(config.find("epochs = 12"), 11, "epochs = 13");
  write_file(folder_ / "run/config.toml", config);
  test::expect_mistake(run_program({"train", "resume=run"}, folder_.path()), 1, "belongs to a run of");
}

TEST_F(Stop, OtherDataAreNoticed) {
  Process process({"train", "long.toml", "out=run"}, folder_.path());
  ASSERT_TRUE(process.wait_until([&] { return saved_step("run") > 0; }));
  process.signal(SIGINT);
  process.wait();
  auto config = read_file(folder_ / "run/config.toml");
  config.replace(config.find("train = 200"), 11, "train = 201");  // one more, in as many steps
  write_file(folder_ / "run/config.toml", config);
  const auto ran = run_program({"train", "resume=run"}, folder_.path());
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, testing::ContainsRegex("warning: the run began with other data.*200 training pictures"));
}

TEST_F(Stop, WhoeverReadsMayGo) {
  const auto piped =
      fmt::format("cd '{}' && ('{}' train long.toml out=run; echo $? > code) 2> errors | head -1 > first",
                  folder_.path().string(), test::program());
  ASSERT_EQ(std::system(piped.c_str()), 0);
  EXPECT_EQ(read_file(folder_ / "code"), "130\n");
  EXPECT_EQ(read_file(folder_ / "errors"), "");
  EXPECT_GE(saved_step("run"), 0);
  EXPECT_EQ(run_program({"train", "resume=run"}, folder_.path()).code, 0);
  expect_same_as_straight("run");
}

TEST_F(Stop, ARunBelongsToOneProgram) {
  Process process({"train", "long.toml", "out=run"}, folder_.path());
  ASSERT_TRUE(process.wait_until([&] { return saved_step("run") > 0; }));
  process.signal(SIGSTOP);  // it is still there
  fs::create_directory(folder_ / "elsewhere");
  const auto second = run_program({"train", "resume=" + (folder_ / "run").string()}, folder_ / "elsewhere");
  process.signal(SIGCONT);
  test::expect_mistake(second, 1, "another program is at work in this folder");
  EXPECT_EQ(process.wait().code, 0);
}

TEST_F(Stop, FilesKeepToTheUsersMask) {
  const auto masked = fmt::format("cd '{}' && umask 027 && '{}' train long.toml out=run epochs=1 > /dev/null 2>&1",
                                  folder_.path().string(), test::program());
  ASSERT_EQ(std::system(masked.c_str()), 0);
  for (const auto* name : {"config.toml", "weights/best.safetensors", "report.html"})
    EXPECT_EQ(fs::status(folder_ / "run" / name).permissions(), fs::perms(0640)) << name;
}

}  // namespace
}  // namespace hadal
