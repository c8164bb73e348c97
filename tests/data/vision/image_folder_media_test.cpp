#include <array>
#include <cstdlib>
#include <thread>

#include "hadal/data/vision/image_folder.h"
#include "hadal/data/vision/sources.h"
#include "hadal/io/file.h"
#include "hadal/io/image.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

std::string png(int64_t grey, int64_t side = 2) {
  return encode_png(torch::full({side, side, 3}, grey, torch::kUInt8));
}

/// train: two cats and a dog; val: a dog. Grey 10, 20, ... by path.
void write_pets(const std::filesystem::path& root) {
  write_file(root / "train/cat/a.png", png(10));
  write_file(root / "train/cat/b.PNG", png(20));
  write_file(root / "train/dog/c.png", png(30));
  write_file(root / "train/dog/notes.txt", "not a picture");
  write_file(root / "train/cat/.hidden.png", "not a picture");
  write_file(root / "val/dog/d.png", png(40));
}

int64_t grey(const ImageFolder& data, int64_t i) { return data.get(i).image.max().item<int64_t>(); }

}  // namespace

TEST(ImageFolder, ReadsSplitsAndClassesInOrder) {
  test::TemporaryFolder folder;
  write_pets(folder.path());
  const ImageFolder train(FileTree(folder.path()), "train"), val(FileTree(folder.path()), "val");
  EXPECT_EQ(train.classes(), (std::vector<std::string>{"cat", "dog"}));
  ASSERT_EQ(train.size(), 3);
  EXPECT_EQ(train.get(0).image.sizes(), (std::vector<int64_t>{2, 2, 3}));
  EXPECT_EQ(grey(train, 0), 10);
  EXPECT_EQ(grey(train, 1), 20);
  EXPECT_EQ(grey(train, 2), 30);
  EXPECT_EQ(train.get(2).label, 1);
  EXPECT_THAT(train.name(2), testing::EndsWith("train/dog/c.png"));
  EXPECT_EQ(train.get_encoded(2), png(30));
  ASSERT_EQ(val.size(), 1);
  EXPECT_EQ(val.get(0).label, 1) << "val has no cats, a dog is still class 1";
  EXPECT_EQ(ImageFolder(FileTree(folder.path()), "val", {.channels = 1}).get(0).image.size(2), 1);
}

TEST(ImageFolder, FindsItBelowALeadingFolderAndWithoutSplits) {
  test::TemporaryFolder folder;
  write_pets(folder / "set/pets");
  EXPECT_EQ(ImageFolder(FileTree(folder / "set"), "train").size(), 3);
  const ImageFolder plain(FileTree(folder / "set/pets/train"), "val");
  EXPECT_EQ(plain.size(), 3);
  EXPECT_EQ(plain.classes().back(), "dog");
  write_file(folder / "ride/bus/a.png", png(1));
  write_file(folder / "ride/train/b.png", png(2));
  EXPECT_EQ(ImageFolder(FileTree(folder / "ride"), "train").classes(), (std::vector<std::string>{"bus", "train"}));
}

TEST(ImageFolder, FindsItWhateverLiesBesideAndAround) {
  test::TemporaryFolder folder;
  write_pets(folder / "set/a/b");
  write_file(folder / "set/README.md", "what it is");
  write_file(folder / "set/a/labels/cat/1.txt", "not a picture");
  EXPECT_THAT(image_folder_contents(FileTree(folder / "set")).splits, testing::ElementsAre("train", "val"));
  EXPECT_EQ(ImageFolder(FileTree(folder / "set"), "train").classes(), (std::vector<std::string>{"cat", "dog"}));
  write_file(folder / "one/photos/cover.png", png(1));
  write_file(folder / "one/photos/cat/a.png", png(1));
  write_file(folder / "one/photos/dog/a.png", png(2));
  EXPECT_EQ(ImageFolder(FileTree(folder / "one"), "train").classes(), (std::vector<std::string>{"cat", "dog"}));
  write_file(folder / "alone/cat/a.png", png(1));
  EXPECT_EQ(ImageFolder(FileTree(folder / "alone"), "val").classes(), (std::vector<std::string>{"cat"}));
}

TEST(ImageFolder, FindsTheOneDivisionBesideAPool) {
  test::TemporaryFolder folder;
  write_pets(folder / "set/split");
  for (const auto* name : {"cat/1.png", "dog/2.png"}) write_file(folder / "set/pool" / name, png(70));
  const auto pack = fmt::format(
      "cd {0} && ln -s ../../../pool/cat/1.png set/split/val/dog/e.png && tar -cf set.tar set", folder.path().string());
  ASSERT_EQ(std::system(pack.c_str()), 0);
  for (const auto* where : {"set", "set.tar"}) {
    const FileTree tree(folder / where);
    EXPECT_THAT(image_folder_contents(tree).splits, testing::ElementsAre("train", "val")) << where;
    EXPECT_EQ(image_folder_contents(tree).passed_over.size(), 3) << where << ": the pool and notes.txt";
    EXPECT_EQ(ImageFolder(tree, "train").size(), 3);
    EXPECT_EQ(grey(ImageFolder(tree, "val"), 1), 70);
  }
  write_pets(folder / "set/other");  // two divisions: which is meant, nobody knows
  EXPECT_THAT(image_folder_contents(FileTree(folder / "set")).splits, testing::IsEmpty());
}

TEST(ImageFolder, KnowsSplitsByOtherNames) {
  for (const auto& [train, val, test] :
       {std::array{"Train", "Valid", "Test"}, std::array{"training", "validation", "TESTING"}}) {
    test::TemporaryFolder folder;
    write_pets(folder / "pets");
    write_file(folder / "pets/test/cat/e.png", png(50));
    for (const auto& [old, now] : {std::pair{"train", train}, std::pair{"val", val}, std::pair{"test", test}})
      std::filesystem::rename(folder / "pets" / old, folder / "pets" / now);
    const FileTree tree(folder.path());
    EXPECT_THAT(image_folder_contents(tree).splits, testing::ElementsAre("train", "val", "test"));
    EXPECT_EQ(ImageFolder(tree, "train").size(), 3);
    EXPECT_EQ(grey(ImageFolder(tree, "val"), 0), 40);
    EXPECT_EQ(ImageFolder(tree, "val").get(0).label, 1);
    EXPECT_EQ(grey(ImageFolder(tree, "test"), 0), 50);
    write_file(folder / "pets/VAL/cat/e.png", png(60));
    EXPECT_ERROR(image_folder_contents(FileTree(folder.path())), "are both the val split; keep one");
  }
}

TEST(ImageFolder, PicturesAreToldByContentWhateverTheyAreCalled) {
  test::TemporaryFolder folder;
  const auto jpeg = encode_jpeg(torch::full({8, 8, 3}, 50, torch::kUInt8), 90);
  write_pets(folder / "set");
  int64_t count = 3;
  for (const auto* name : {"a.jfif", "b.jpe", "c.JFIF", "plain", "d.jpg.bak", "e.pjpeg", "v1.2/f"})
    write_file(folder / "set/train/cat" / name, jpeg), ++count;
  write_file(folder / "set/train/dog/0", png(60)), ++count;
  write_file(folder / "set/train/dog/old", "BMs are what texts may begin with, and this is one"),
      write_file(folder / "set/train/dog/empty", "");
  write_file(folder / "set/train/cat/x.gif", "GIF89a"), write_file(folder / "set/README", "what it is");
  const std::string packed = folder.path().string();
  const auto pack = fmt::format("cd {0} && tar -czf a.tar.gz set && python3 -m zipfile -c a.zip set", packed);
  ASSERT_EQ(std::system(pack.c_str()), 0);
  for (const auto* where : {"set", "a.tar.gz", "a.zip"}) {
    const FileTree tree(folder / where);
    const ImageFolder train(tree, "train");
    EXPECT_EQ(train.size(), count) << where;
    for (int64_t i = 0; i < train.size(); ++i) EXPECT_GE(grey(train, i), 10) << where;
    std::vector<std::string> passed_over;
    for (const auto& path : image_folder_contents(tree).passed_over)
      passed_over.push_back(path.starts_with("set/") ? path.substr(4) : path);
    EXPECT_THAT(passed_over, testing::ElementsAre("README", "train/cat/x.gif", "train/dog/empty", "train/dog/notes.txt",
                                                  "train/dog/old"))
        << where;
    const auto source = classification_sources().make({"folder", {{"path", (folder / where).string()}}});
    EXPECT_THAT(source.remark, testing::HasSubstr("5 files passed over, no pictures of a class: ")) << where;
    EXPECT_THAT(source.remark, testing::EndsWith("train/dog/empty, ...")) << where;
  }
  write_file(folder / "set/train/dog/c.png", "no picture, but called one");
  EXPECT_ERROR(ImageFolder(FileTree(folder / "set"), "train").get(count - 1), "train/dog/c.png");
}

TEST(ImageFolder, CachesUpToItsLimitFromManyThreads) {
  test::TemporaryFolder folder;
  write_pets(folder.path());
  const ImageFolder train(FileTree(folder.path()), "train", {.cache_bytes = 2 * 12});  // two pictures of 12 bytes
  std::vector<std::thread> threads;
  std::atomic<int64_t> wrong = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int64_t i = 0; i < 90; ++i) wrong += grey(train, i % 3) != (i % 3 + 1) * 10;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  int64_t kept = 0;
  for (int64_t i = 0; i < 3; ++i) kept += train.get(i).image.data_ptr() == train.get(i).image.data_ptr();
  EXPECT_EQ(kept, 2);
}

TEST(ImageFolder, MistakesSayWhatIsThere) {
  test::TemporaryFolder folder;
  write_pets(folder.path());
  const auto open = [&](const std::string& split) { return ImageFolder(FileTree(folder.path()), split).size(); };
  EXPECT_ERROR(open("test"), "has no split test; it has train, val");
  EXPECT_ERROR(open("trian"), "unknown split \"trian\"");
  write_file(folder / "val/dgo/e.png", png(1));
  EXPECT_ERROR(open("val"), "val/dgo: train has no class dgo; nearest: dog");
  write_file(folder / "train/emu/readme.txt", "none yet");
  EXPECT_ERROR(open("train"), "train/emu: class folder without a picture");
  std::filesystem::remove(folder / "train/emu/readme.txt");
  EXPECT_ERROR(open("train"), "train/emu: class folder without a picture");
  std::filesystem::remove(folder / "train/emu");
  EXPECT_EQ(open("train"), 3);
  write_file(folder / "train/cat/b.PNG", png(20).substr(0, 40));
  EXPECT_ERROR(ImageFolder(FileTree(folder.path()), "train").get(1), "train/cat/b.PNG");
  write_file(folder / "latin/caf\xe9/a.png", png(1));
  EXPECT_ERROR(ImageFolder(FileTree(folder / "latin"), "train"), "the class's name is not UTF-8 (byte 0xe9)");
  write_file(folder / "flat/a.png", png(1));
  EXPECT_ERROR(ImageFolder(FileTree(folder / "flat"), "train"), "flat: no class folders with pictures");
}

TEST(ImageFolder, ReadsCifar10FromItsArchive) {
  const auto archive = test::data_folder() / "cifar10/cifar10-jpg.tar.gz";
  NEEDS_DATA(archive);
  const FileTree tree(archive);
  const ImageFolder train(tree, "train"), val(tree, "val");
  EXPECT_EQ(train.size(), 45000);
  EXPECT_EQ(val.size(), 5000);
  EXPECT_EQ(val.classes().size(), 10u);
  EXPECT_EQ(val.classes().front(), "airplane");
  EXPECT_EQ(val.get(4999).image.sizes(), (std::vector<int64_t>{32, 32, 3}));
  EXPECT_ERROR(ImageFolder(tree, "test"), "has no split test; it has train, val");
}
