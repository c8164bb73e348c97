// hadal bench optimisers, as a user runs it.
#include "tests/cli/tiny.h"

namespace hadal {
namespace {

using test::expect_mistake;
using test::run_program;

class Bench : public testing::Test {
 protected:
  void SetUp() override { write_file(folder_ / "tiny.toml", test::recipe()); }
  test::Ran compare(std::vector<std::string> settings) {
    settings.insert(settings.begin(), {"bench", "optimisers", "problems=tiny.toml", "out=table"});
    return run_program(settings, folder_.path());
  }
  test::TemporaryFolder folder_;
};

TEST_F(Bench, PrintsAndKeepsATableOfOptimisers) {
  const auto ran = compare({"optimizers=adamw,sgd", "steps=4", "climb=0", "batch=4"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  for (const auto* row : {"| `adamw` | ", "| `sgd` | "}) EXPECT_THAT(ran.out, testing::HasSubstr(row));
  EXPECT_THAT(read_file(folder_ / "table/optimisers.md"), testing::HasSubstr("| `sgd` | "));
  EXPECT_THAT(read_file(folder_ / "table/optimisers.csv"), testing::HasSubstr("sgd,"));
  expect_mistake(compare({"optimizers=adamw"}), 2, "table holds a table already; give another out=");
}

TEST_F(Bench, RefusesWhatItDoesNotKnow) {
  expect_mistake(run_program({"bench"}, folder_.path()), 2, "bench takes one subject: hadal bench optimisers");
  expect_mistake(compare({"step=4"}), 2, "unknown setting step; nearest: steps");
  expect_mistake(compare({"threads=many"}), 2, "train.threads wants an integer");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "table"));
}

}  // namespace
}  // namespace hadal
