// hadal check: what it prints, writes and returns.
#include "hadal/io/image.h"

#include "tests/cli/tiny.h"

using namespace hadal;

namespace {

void write_set(const std::filesystem::path& root, const std::string& labels) {
  const auto image = torch::full({20, 40, 3}, 90, torch::kUInt8);
  write_file(root / "images/train/a.png", encode_png(image));
  write_file(root / "images/val/b.png", encode_png(image * 2));
  write_file(root / "labels/train/a.txt", labels);
  write_file(root / "labels/val/b.txt", "0 0.5 0.5 0.5 0.5\n");
  write_file(root / "data.yaml", "train: images/train\nval: images/val\nnames: [cat]\n");
}

}  // namespace

TEST(Check, SaysWhatIsWrongAndReturnsOne) {
  test::TemporaryFolder folder;
  write_set(folder / "set", "0 0.5 0.5 0.5 0.5\n");
  auto ran = test::run_program({"check", "data=set"}, folder.path());
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, testing::HasSubstr("nothing wrong"));
  EXPECT_THAT(ran.out, testing::HasSubstr("train  1 pictures, 1 objects"));

  write_set(folder / "set", "0 0.5 0.5 0.5 0.5\n3 0.5 0.5 0.5 0.5\n");
  ran = test::run_program({"check", "data=set", "out=found"}, folder.path());
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.out, testing::HasSubstr("error class-range (1)"));
  EXPECT_THAT(ran.out, testing::HasSubstr("a.txt line 2: class 3 is not among the 1 names"));
  EXPECT_THAT(read_file(folder / "found/check.json"), testing::HasSubstr("\"class-range\": 1"));
  EXPECT_GT(read_image(folder / "found/check.png").size(0), 20);

  test::expect_mistake(test::run_program({"check"}, folder.path()), 2, "say which data");
  test::expect_mistake(test::run_program({"check", "data=set", "kind=yoloo"}, folder.path()), 2, "nearest: yolo");
  test::expect_mistake(test::run_program({"check", "data=set", "nmaes=cat"}, folder.path()), 2, "names");
  test::expect_mistake(test::run_program({"check", "data=nowhere"}, folder.path()), 1, "nowhere");
}
