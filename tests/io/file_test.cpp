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

TEST(File, WhatAKilledSaveLeftIsRemovedAndNothingElse) {
  test::TemporaryFolder folder;
  const std::vector<std::string> others = {"a.txt", "a.txt.backup", "a.txt.tmp-notes", "b.txt.tmp-a1B2c3",
                                           "a.txt.tmp-a_B2c3"};
  for (const auto& name : others) write_file(folder / name, "mine");
  for (const auto* name : {"a.txt.tmp-a1B2c3", "a.txt.tmp-zzzzzz"}) write_file(folder / name, "half");
  remove_leftovers(folder / "a.txt");
  remove_leftovers(folder / "nowhere/a.txt");
  for (const auto& name : others) EXPECT_EQ(read_file(folder / name), "mine");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), std::ssize(others));
  // Not by accident: these are the names that AtomicFile gives.
  AtomicFile file(folder / "a.txt");
  remove_leftovers(folder / "a.txt");
  EXPECT_ERROR(file.commit(), "cannot replace");
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

TEST(File, APlaceThatTakesNoFilesIsNamedAsSuch) {
  const test::TemporaryFolder folder;
  write_file(folder / "file", "");
  EXPECT_ERROR(write_file(folder / "file/in/it", ""), "cannot write: Not a directory");
}

TEST(FolderLock, IsHeldByOne) {
  const test::TemporaryFolder folder;
  {
    const FolderLock one(folder.path());
    EXPECT_ERROR(FolderLock(folder.path()), "another program is at work in this folder");
  }
  EXPECT_NO_THROW(FolderLock(folder.path()));
  EXPECT_ERROR(FolderLock(folder / "none"), "No such file");
}
