#include "hadal/io/file.h"

#include "tests/support/support.h"

using namespace hadal;

TEST(File, WritesAllOrNothing) {
  test::TemporaryFolder folder;
  write_file(folder / "a/b.txt", "one");
  EXPECT_EQ(read_file(folder / "a/b.txt"), "one");
  {
    AtomicFile file(folder / "a/b.txt");
    file.write("two");
  }
  EXPECT_EQ(read_file(folder / "a/b.txt"), "one");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder / "a"), {}), 1);
}

TEST(File, MappingOutlivesItsObject) {
  test::TemporaryFolder folder;
  write_file(folder / "x", "abc");
  std::shared_ptr<const void> alive;
  std::string_view text;
  {
    MappedFile file(folder / "x");
    alive = file.keep_alive(), text = file.text();
  }
  EXPECT_EQ(text, "abc");
  write_file(folder / "empty", "");
  EXPECT_TRUE(MappedFile(folder / "empty").bytes().empty());
}

TEST(File, MistakesNameTheFile) {
  test::TemporaryFolder folder;
  EXPECT_ERROR(read_file(folder / "none"), "none: No such file");
  EXPECT_ERROR(read_file(folder.path()), "is a folder");
  EXPECT_ERROR(MappedFile(folder / "none"), "none: No such file");
  EXPECT_ERROR(write_file("/proc/none/x", ""), "cannot write");
}
