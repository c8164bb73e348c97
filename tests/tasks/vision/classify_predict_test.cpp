#include "hadal/tasks/vision/classify_predict.h"

#include "hadal/io/file.h"

#include "tests/support/support.h"

using namespace hadal;

TEST(FindPictures, TakesWhatASystemLeavesBehindForNone) {
  test::TemporaryFolder folder;
  for (const auto* name : {"b.JPG", "a/c.png", "a/._c.png", ".thumbnails/d.png", "__MACOSX/e.png", "notes.txt"})
    write_file(folder / name, "x");
  const auto root = folder.path().string();
  std::filesystem::create_directory(folder / "empty");
  write_file(folder / "empty/.d.png", "x");
  EXPECT_ERROR(find_pictures({(folder / "empty").string()}), "empty holds no picture");
  EXPECT_THAT(find_pictures({root, root + "/notes.txt"}),
              testing::ElementsAre(root + "/a/c.png", root + "/b.JPG", root + "/notes.txt"));
}
