#include "hadal/report/history.h"

#include <cmath>
#include <csignal>

#include <nlohmann/json.hpp>
#include <sys/resource.h>
#include <sys/stat.h>

#include "hadal/io/file.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

Row row(int64_t step, Metrics values) { return {step, static_cast<double>(step) / 10, 1.5, std::move(values)}; }

}  // namespace

TEST(History, CsvStaysRectangularWhenColumnsAppear) {
  test::TemporaryFolder folder;
  History history(folder / "run/metrics.csv");
  history.append(row(10, {{"train/loss", 0.5}}));
  history.append(row(20, {{"train/loss", 0.25}, {"val/accuracy", 0.75}}));
  history.append(row(30, {{"val/accuracy", 1}}));
  EXPECT_EQ(read_file(folder / "run/metrics.csv"),
            "step,epoch,seconds,train/loss,val/accuracy\n10,1,1.5,0.5,\n20,2,1.5,0.25,0.75\n30,3,1.5,,1\n");
}

TEST(History, ARowOfKnownColumnsIsOnlyAppended) {
  test::TemporaryFolder folder;
  History history(folder / "metrics.csv");
  history.append(row(1, {{"a", 1}, {"b", 2}}));
  const auto inode = [&] {
    struct stat info{};
    ::stat((folder / "metrics.csv").c_str(), &info);
    return info.st_ino;
  };
  const auto before = inode();
  history.append(row(2, {{"b", 3}}));
  EXPECT_EQ(inode(), before);  // a rewrite would have made a new file
  history.append(row(3, {{"c", 3}}));
  EXPECT_NE(inode(), before);
}

TEST(History, ReadsBackWhatItWrote) {
  const std::vector<Row> rows = {{1, 1.0 / 3, 0.1, {{"plain", 1e-300}, {"a,\"b\"\nc", -INFINITY}}},
                                 {int64_t{1} << 60, 2, 3, {{"a,\"b\"\nc", 0.1}, {"größe", 5}}}};
  EXPECT_EQ(parse_csv(to_csv(rows), "x"), rows);
  EXPECT_TRUE(std::isnan(parse_csv(to_csv({row(1, {{"loss", NAN}})}), "x").at(0).values.at(0).second));
  EXPECT_EQ(parse_csv("step,epoch,seconds,a\r\n1,2,3,4\r\n", "windows").at(0), (Row{1, 2, 3, {{"a", 4}}}));
}

TEST(History, ResumeDropsTheRowsAfterTheCheckpoint) {
  test::TemporaryFolder folder;
  {
    History first(folder / "metrics.csv");
    for (int64_t step = 1; step <= 4; ++step) first.append(row(step, {{step == 4 ? "late" : "loss", 1.0 * step}}));
  }
  History resumed(folder / "metrics.csv", 2);
  EXPECT_EQ(resumed.rows().size(), 2u);
  resumed.append(row(3, {{"loss", 30}}));
  EXPECT_EQ(read_file(folder / "metrics.csv"), "step,epoch,seconds,loss\n1,0.1,1.5,1\n2,0.2,1.5,2\n3,0.3,1.5,30\n");
  EXPECT_TRUE(History(folder / "metrics.csv").rows().empty());
  EXPECT_TRUE(History(folder / "other.csv", 7).rows().empty());
}

TEST(History, ALastLineCutOffByAKillIsLeftOut) {
  EXPECT_EQ(parse_csv("step,epoch,seconds,a\n1,2,3,4\n2,2,3,0.12", "x").size(), 1u);
}

TEST(History, FilesThatAreNotOurs) {
  EXPECT_ERROR(parse_csv("", "m.csv"), "m.csv:1: not a run's metrics");
  EXPECT_ERROR(parse_csv("epoch,loss\n1,2\n", "m.csv"), "must begin with step,epoch,seconds");
  EXPECT_ERROR(parse_csv("step,epoch,seconds,a\n1,2,3\n", "m.csv"), "m.csv:2: 3 cells, but the first line names 4");
  EXPECT_ERROR(parse_csv("step,epoch,seconds\n1,2,3\n1,x,3\n", "m.csv"),
               "m.csv:3: column epoch wants a number, got \"x\"");
  EXPECT_ERROR(parse_csv("step,epoch,seconds\n1.5,2,3\n", "m.csv"), "column step wants a number");
  EXPECT_ERROR(parse_csv("step,epoch,seconds\n99999999999999999999,2,3\n", "m.csv"), "column step wants a number");
  EXPECT_ERROR(parse_csv("step,epoch,seconds\n1,2\"3\",4\n", "m.csv"), "quotation mark in the middle");
  test::TemporaryFolder folder;
  write_file(folder / "metrics.csv", "a photo\n");
  EXPECT_ERROR(History(folder / "metrics.csv", 3), "not a run's metrics");
  EXPECT_EQ(read_file(folder / "metrics.csv"), "a photo\n");
}

TEST(History, AFullDiskLeavesTheFileAsItWas) {
  test::TemporaryFolder folder;
  const auto file = folder / "metrics.csv";
  History history(file);
  history.append(row(1, {{"loss", 1}}));
  const auto before = read_file(file);
  // The size limit of this process stands in for a full disk: the write stops in the middle of the line.
  struct rlimit old{};
  ::getrlimit(RLIMIT_FSIZE, &old);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit tight{before.size() + 5, old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &tight);
  EXPECT_ERROR(history.append(row(2, {{"loss", 0.123456789}})), "metrics.csv: cannot add a row");
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(read_file(file), before);
  EXPECT_EQ(history.rows().size(), 1u);
  history.append(row(2, {{"loss", 2}}));
  EXPECT_EQ(parse_csv(read_file(file), "x").size(), 2u);
}

TEST(History, FoldersThatCannotBeWritten) {
  EXPECT_ERROR(History("/proc/none/metrics.csv"), "/proc/none/metrics.csv: cannot write");
  test::TemporaryFolder folder;
  History history(folder / "metrics.csv");
  history.append(row(1, {{"a", 1}}));
  std::filesystem::remove(folder / "metrics.csv");
  EXPECT_ERROR(history.append(row(2, {{"a", 1}})), "cannot add a row: No such file");
}

TEST(History, BestAndLast) {
  const std::vector<Row> rows = {row(1, {{"loss", 3}, {"acc", 0.5}}), row(2, {{"loss", NAN}, {"acc", 0.7}}),
                                 row(3, {{"acc", 0.7}}), row(4, {{"loss", 2}})};
  EXPECT_EQ(best_row(rows, "acc", true)->step, 2);
  EXPECT_EQ(best_row(rows, "loss", false)->step, 4);
  EXPECT_EQ(best_row(rows, "none", true), nullptr);
  EXPECT_EQ(last_values(rows), (Metrics{{"loss", 2}, {"acc", 0.7}}));
}

TEST(History, JsonKeepsOrderAndTurnsNaNIntoNull) {
  const auto text = metrics_json({{"val/loss", NAN}, {"val/accuracy", 0.5}}, {{"a\"b", INFINITY}});
  const auto json = nlohmann::json::parse(text);
  EXPECT_TRUE(json["best"]["val/loss"].is_null());
  EXPECT_EQ(json["best"]["val/accuracy"], 0.5);
  EXPECT_TRUE(json["last"]["a\"b"].is_null());
  EXPECT_LT(text.find("val/loss"), text.find("val/accuracy"));
  EXPECT_EQ(nlohmann::json::parse(metrics_json({{"test/mse", 0.1}}))["test/mse"], 0.1);
  EXPECT_EQ(nlohmann::json::parse(metrics_json({}, {})).dump(), R"({"best":{},"last":{}})");
  EXPECT_NO_THROW(metrics_json({{"\xff", 1}}));
}
