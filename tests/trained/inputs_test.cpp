#include "hadal/trained/inputs.h"

#include "hadal/io/file.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

std::vector<std::string> names_of(const std::vector<InputSource>& sources) {
  std::vector<std::string> names;
  for (const auto& source : sources) names.push_back(source.name);
  return names;
}

}  // namespace

TEST(Inputs, OfAFolderTakeWhatASystemLeavesBehindForNone) {
  test::TemporaryFolder folder;
  for (const auto* name : {"b.JPG", "a/c.png", "a/._c.png", ".thumbnails/d.png", "__MACOSX/e.png", "notes.txt"})
    write_file(folder / name, "x");
  const auto root = folder.path().string();
  std::filesystem::create_directory(folder / "empty");
  write_file(folder / "empty/.d.png", "x");
  EXPECT_ERROR(list_inputs(Takes::picture, {(folder / "empty").string()}, {}), "empty holds no picture");
  EXPECT_THAT(names_of(list_inputs(Takes::picture, {root, root + "/notes.txt"}, {})),
              testing::ElementsAre(root + "/a/c.png", root + "/b.JPG", root + "/notes.txt"));
  EXPECT_ERROR(list_inputs(Takes::picture, {root + "/none.png"}, {}), "there is no file or folder");
  EXPECT_ERROR(list_inputs(Takes::picture, {"/dev/null"}, {}),
               "/dev/null is a device; a camera comes in through a pipe");
  EXPECT_THAT(names_of(list_inputs(Takes::picture, {root + "/b.J*", root + "/n*"}, {})),
              testing::ElementsAre(root + "/b.JPG", root + "/notes.txt"));
  EXPECT_ERROR(list_inputs(Takes::picture, {root + "/*.gif"}, {}), "nothing matches");
  EXPECT_ERROR(list_inputs(Takes::picture, {}, {"a text"}),
               "text= is for models that read texts; this one wants pictures");
}

TEST(Inputs, LinesAreInputsOfTheirOwn) {
  test::TemporaryFolder folder;
  write_file(folder / "two.txt", "one\r\ntwo\n");
  write_file(folder / "bad.txt", "\xff\n");
  const auto two = (folder / "two.txt").string(), bad = (folder / "bad.txt").string();
  const auto sources = list_inputs(Takes::lines, {two, bad}, {"three", "\xff"});
  EXPECT_EQ(names_of(sources), (std::vector<std::string>{two + ":1", two + ":2", bad, "text", "text"}));
  EXPECT_EQ(sources[1].read().bytes, "two");
  EXPECT_ERROR(sources[2].read(), "bad.txt");
  EXPECT_EQ(sources[3].read().bytes, "three");
  EXPECT_ERROR(sources[4].read(), "text=");
  EXPECT_EQ(list_inputs(Takes::text, {two}, {}).at(0).read().bytes, "one\r\ntwo\n");
}
