// The number format that a run gets, by what the machine computes in.
#include "hadal/core/precision.h"

#include "hadal/io/file.h"

#include "tests/cli/tiny.h"

namespace hadal::test {
namespace {

class Precision : public testing::Test {
 protected:
  void SetUp() override { write_file(folder_ / "tiny.toml", recipe()); }
  Ran run(const std::vector<std::string>& words) { return run_program(words, folder_.path()); }
  std::string read(const std::string& file) { return read_file(folder_ / file); }

  TemporaryFolder folder_;
  const bool bf16_ = computes_bf16(torch::kCPU);
};

TEST_F(Precision, AutoIsKeptAsWhatItWas) {
  ASSERT_EQ(run({"train", "tiny.toml", "precision=auto", "out=run"}).code, 0);
  EXPECT_THAT(read("run/config.toml"), testing::HasSubstr(bf16_ ? "precision = \"bf16\"" : "precision = \"fp32\""));
}

TEST_F(Precision, SlowBf16IsWarnedOfAndScoredInFp32) {
  const auto ran = run({"train", "tiny.toml", "precision=bf16", "out=run"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out.find("precision=fp32 is much faster") != std::string::npos, !bf16_) << ran.out;
  EXPECT_THAT(read("run/config.toml"), testing::HasSubstr("precision = \"bf16\""));  // as it was trained
  for (const auto* how : {"fp32", "bf16"})
    ASSERT_EQ(run({"eval", "run", std::string("precision=") + how, std::string("out=") + how}).code, 0);
  ASSERT_EQ(run({"eval", "run", "out=own"}).code, 0);
  EXPECT_NE(read("fp32/metrics.json"), read("bf16/metrics.json"));
  EXPECT_EQ(read("own/metrics.json"), read(bf16_ ? "bf16/metrics.json" : "fp32/metrics.json"));
}

}  // namespace
}  // namespace hadal::test
