// Detection on files: classes that are seldom, and pictures that are cut.
#include <map>

#include "hadal/io/file.h"
#include "hadal/io/image.h"
#include "hadal/tasks/vision/detect.h"

#include "tests/support/support.h"

namespace hadal {
namespace {

constexpr int64_t kPictures = 40;

class DetectFiles : public testing::Test {
 protected:
  /// All alike with an object of class 0, but for the first, whose object is of class 1.
  void write(int64_t side, const std::string& names) {
    write_file(folder_ / "data.yaml", "train: images/train\nval: images/val\nnames: [" + names + "]\n");
    const auto picture = encode_png(torch::full({side, side, 3}, 90, torch::kUInt8));
    for (int64_t i = 0; i < kPictures; ++i) {
      const auto label = i == 0 && names.find(',') != std::string::npos ? 1 : 0;
      write_file(folder_ / fmt::format("images/train/{}.png", i), picture);
      write_file(folder_ / fmt::format("labels/train/{}.txt", i), fmt::format("{} 0.3 0.3 0.25 0.25\n", label));
    }
    write_file(folder_ / "images/val/0.png", picture);
    write_file(folder_ / "labels/val/0.txt", "0 0.3 0.3 0.25 0.25\n");
  }
  std::unique_ptr<Task> make(const Table& more) {
    Table table = {
        {"model", Table{{"name", "yolov8n"}, {"width", 0.125}}},
        {"data", Table{{"kind", "yolo"}, {"path", folder_.path().string()}, {"cache_mb", 0}}},
        {"size", 64},
        {"augment",
         Table{{"mosaic", 0}, {"scale", 0}, {"translate", 0}, {"hflip", 0}, {"hsv_h", 0}, {"hsv_s", 0}, {"hsv_v", 0}}}};
    table.merge(more);
    TaskContext context;
    context.batch = 1;
    context.workers = 0;
    context.learns = true;
    return tasks().make({"detect", table}, context);
  }
  test::TemporaryFolder folder_;
};

TEST_F(DetectFiles, BalancedDrawsSeldomClassesMoreOften) {
  write(64, "often, seldom");
  const auto draws_of_the_first = [&](const Table& more, int64_t epochs) {
    const auto task = make(more);
    std::map<double, int64_t> counts;  // all but the first picture are one and the same
    for (int64_t epoch = 0; epoch < epochs; ++epoch) {
      task->batches().start(epoch, 0);
      while (task->batches().next()) ++counts[task->losses({}).total.item<double>()];
    }
    EXPECT_EQ(counts.size(), 2u);
    return std::min(counts.begin()->second, counts.rbegin()->second);
  };
  EXPECT_EQ(draws_of_the_first({}, 1), 1);
  // Of 40 pictures one has the class, a tenth should: it is drawn sqrt(4) times as often.
  EXPECT_GE(draws_of_the_first({{"balanced", true}}, 2), 3);
}

TEST_F(DetectFiles, AreCutIntoTilesWithTheirObjects) {
  write(128, "often, seldom");
  // Of four tiles one has the object, at 38 of 128: the others show nothing.
  for (const auto& [empty, tiles] : {std::pair{0.0, kPictures}, {0.5, kPictures * 3 / 2}, {9.0, 4 * kPictures}}) {
    const auto task = make({{"tile", 64}, {"overlap", 0}, {"empty_tiles", empty}});
    EXPECT_EQ(task->batches().per_epoch(), tiles);
    task->batches().start(0, 0);
    ASSERT_TRUE(task->batches().next());
    EXPECT_TRUE(std::isfinite(task->losses({}).total.item<double>()));
  }
}

TEST_F(DetectFiles, WeightsWantMoreThanOneClass) {
  write(64, "only");
  EXPECT_ERROR(make({{"class_weights", 0.5}}), "class_weights=0.5 wants at least two classes, the data (yolo) has one");
}

}  // namespace
}  // namespace hadal
