// hadal train RECIPE find_lr=true, as a user runs it.
#include "tests/cli/tiny.h"

namespace hadal {
namespace {

using test::expect_mistake;
using test::run_program;

class FindLr : public testing::Test {
 protected:
  void SetUp() override { write_file(folder_ / "tiny.toml", test::recipe()); }
  test::Ran find(std::vector<std::string> settings) {
    settings.insert(settings.begin(), {"train", "tiny.toml", "out=found"});
    return run_program(settings, folder_.path());
  }
  test::TemporaryFolder folder_;
};

TEST_F(FindLr, SuggestsARateAndWritesItsCurve) {
  const auto ran = find({"find_lr=true", "find_lr.steps=60"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, testing::HasSubstr("suggested: lr="));
  EXPECT_TRUE(read_file(folder_ / "found/find_lr.csv").starts_with("step,lr,loss,smoothed\n1,1e-07,"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "found/find_lr.html"));
  EXPECT_THAT(find({"find_lr=true", "find_lr.high=1e-6"}).out,
              testing::HasSubstr("nothing to suggest: the loss fell at no rate: go higher"));
  // It is no run, so that the training may have the same folder.
  EXPECT_FALSE(std::filesystem::exists(folder_ / "found/weights"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "found/config.toml"));
}

TEST_F(FindLr, RefusesWhatMakesNoSense) {
  expect_mistake(find({"find_lr=true", "find_lr.low=20"}), 2, "find_lr.high (10) must be above find_lr.low (20)");
  expect_mistake(find({"find_lr=true", "find_lr.steps=3"}), 2, "find_lr.steps wants an integer of at least 10");
  expect_mistake(find({"find_lr=maybe"}), 2, "find_lr wants true or false");
  expect_mistake(find({"find_lr.steps=30"}), 2, "find_lr.steps wants find_lr=true beside it");
  expect_mistake(run_program({"train", "resume=found", "find_lr=true"}, folder_.path()), 2,
                 "found is not a run folder");
}

}  // namespace
}  // namespace hadal
