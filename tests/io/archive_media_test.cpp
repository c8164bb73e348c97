#include <chrono>
#include <cstdlib>
#include <thread>

#include "hadal/io/archive.h"
#include "hadal/io/file.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace std::string_literals;

namespace {

/// A folder with files of several sizes, and the same as archives made by the system's tar and Python's zipfile.
class Archive : public testing::Test {
 protected:
  Archive() {
    if (!made_) make();
    made_ = true;
  }
  void make() {
    for (size_t i = 0; i < 40; ++i) write_file(folder_ / ("in/part" + std::to_string(i % 3)) / name(i), content(i));
    write_file(folder_ / "in" / "empty.txt", "");
    write_file(folder_ / "in/part0/.DS_Store", "not listed");
    write_file(folder_ / "in/__MACOSX/x.bin", "not listed");
    pack("tar -cf {0}/a.tar -C {0}/in .");
    pack("tar -czf {0}/a.tar.gz -C {0}/in .");
    pack("tar -cJf {0}/a.tar.xz -C {0}/in .");
    pack("cd {0}/in && python3 -m zipfile -c ../a.zip *");
  }
  void pack(const std::string& command) {
    const auto text = fmt::format(fmt::runtime(command), folder_.path().string());
    if (std::system(text.c_str()) != 0) throw Error("failed: " + text);
  }
  static std::string name(size_t i) { return fmt::format("f{:02}.bin", i); }
  static std::string content(size_t i) {
    std::string out;
    for (size_t k = 0; k < i * i * 37; ++k) out += static_cast<char>((k * k / 7 + i * 31) & (i % 2 ? 0xFF : 0x3F));
    return out;
  }
  std::string cut(const std::string& file, double share) const {
    const auto bytes = read_file(folder_ / file);
    return bytes.substr(0, size_t(double(bytes.size()) * share));
  }

  static inline test::TemporaryFolder folder_;
  static inline bool made_ = false;
};

}  // namespace

TEST_F(Archive, EveryContainerHoldsTheSameFiles) {
  for (const auto* container : {"in", "a.tar", "a.tar.gz", "a.tar.xz", "a.zip"}) {
    const FileTree tree(folder_ / container);
    ASSERT_EQ(tree.size(), 41) << container;
    EXPECT_EQ(tree.path(0), "empty.txt");
    EXPECT_EQ(tree.read(0), "");
    EXPECT_EQ(tree.path(1), "part0/f00.bin");
    EXPECT_EQ(tree.name(1), (folder_ / container).string() + "/part0/f00.bin");
    for (size_t i = 0; i < 40; ++i) {
      const auto found = tree.find(fmt::format("part{}/{}", i % 3, name(i)));
      ASSERT_TRUE(found) << container;
      EXPECT_EQ(tree.read(*found), content(i)) << container << " " << i;
    }
    EXPECT_FALSE(tree.find("part0"));
    EXPECT_ERROR(tree.read(41), "file 41 was asked for; there are 41");
  }
}

TEST_F(Archive, ContentDecidesNotTheName) {
  std::filesystem::copy(folder_ / "a.zip", folder_ / "b.tar");
  EXPECT_EQ(FileTree(folder_ / "b.tar").size(), 41);
}

TEST_F(Archive, SparseFilesKeepTheirHoles) {
  pack("truncate -s 300000 {0}/sparse && printf end >> {0}/sparse && tar -cSf {0}/s.tar -C {0} sparse");
  EXPECT_EQ(FileTree(folder_ / "s.tar").read(0), std::string(300000, '\0') + "end");
  EXPECT_ERROR(FileTree(folder_ / "s.tar", {.max_bytes = 300000}), "more than the limit of 300000 bytes");
}

TEST_F(Archive, OfOnePathTheLastEntryStays) {
  pack("cd {0} && mkdir -p r && echo one > r/f && tar -cf r.tar r && echo two > r/f && tar -rf r.tar r");
  const FileTree tree(folder_ / "r.tar");
  ASSERT_EQ(tree.size(), 1);
  EXPECT_EQ(tree.read(0), "two\n");
}

TEST_F(Archive, LinksAreFollowedAsInTheUnpackedFolder) {
  pack(
      "mkdir -p {0}/l/pool/deep {0}/l/.kept {0}/l/split/train {0}/l/none && cd {0}/l && echo one > pool/1 && "
      "echo two > pool/deep/2 && echo three > .kept/3 && ln -s ../../pool/1 split/train/a && "
      "ln -s a split/train/chain && ln -s ../pool split/val && ln -s deep/../1 pool/through && "
      "ln -s pool/deep/.. way && ln -s .kept/3 shown && ln pool/1 hard && ln split/train/a split/train/hard-soft && "
      "ln -s none empty && ln -s /etc/passwd .hidden");
  pack(
      "cd {0}/l && tar -cf ../forwards.tar pool split way shown hard empty none .kept .hidden && "
      "tar -czf ../backwards.tar.gz empty hard shown way split pool .kept .hidden none && "
      "tar -cf ../dots.tar .");
  write_file(folder_ / "links.py",
             "import os, sys, zipfile\n"
             "os.chdir(sys.argv[1])\n"
             "with zipfile.ZipFile('../links.zip', 'w', zipfile.ZIP_DEFLATED) as z:\n"
             "  for top, folders, files in os.walk('.'):\n"
             "    for name in sorted(folders + files):\n"
             "      path = os.path.join(top, name)\n"
             "      if not os.path.islink(path): z.write(path); continue\n"
             "      info = zipfile.ZipInfo(path); info.create_system = 3; info.external_attr = 0o120777 << 16\n"
             "      z.writestr(info, os.readlink(path))\n");
  pack("python3 {0}/links.py {0}/l");
  const FileTree unpacked(folder_ / "l");
  ASSERT_EQ(unpacked.size(), 14);
  for (const auto* container : {"forwards.tar", "backwards.tar.gz", "dots.tar", "links.zip"}) {
    const FileTree tree(folder_ / container);
    ASSERT_EQ(tree.size(), unpacked.size()) << container;
    for (int64_t i = 0; i < tree.size(); ++i) {
      EXPECT_EQ(tree.path(i), unpacked.path(i)) << container;
      EXPECT_EQ(tree.read(i), unpacked.read(i)) << container << " " << tree.path(i);
      EXPECT_EQ(tree.read_start(i, 3), unpacked.read(i).substr(0, 3)) << container << " " << tree.path(i);
    }
  }
}

TEST_F(Archive, LinksThatLeadNowhereAreRefusedByName) {
  const auto refused = [&](const std::string& made, const std::string& wanted) {
    pack("rm -rf {0}/bad && mkdir -p {0}/bad/d/e && cd {0}/bad && echo x > d/f && " + made +
         " && tar -cf ../bad.tar .");
    EXPECT_ERROR(FileTree(folder_ / "bad.tar"), wanted);
  };
  refused("ln -s /etc/passwd d/abs", "bad.tar: \"d/abs\" is a link to \"/etc/passwd\", which lies outside of");
  refused("ln -s ../../d/f d/out", "\"d/out\" is a link to \"../../d/f\", which lies outside of the archive");
  refused("ln -s missing d/gone", "\"d/gone\" is a link to \"missing\", which is nowhere in the archive");
  refused("ln -s f/more d/file", "\"d/file\" is a link to \"f/more\", which leads through a file");
  refused("ln -s two d/one && ln -s one d/two", "\"d/one\" is a link to \"two\", which leads in a circle");
  refused("ln -s self d/self", "\"d/self\" is a link to \"self\", which leads in a circle");
  refused("ln -s .. d/e/up", "\"d/e/up\" is a link to \"..\", which is a folder that the link itself lies in");
  refused("mkdir a b && ln -s ../b a/b && ln -s ../a b/a", "which leads in a circle");
}

TEST_F(Archive, HardLinksAreOfWhatWasThereBefore) {
  // Python's tarfile writes hard links wherever they are asked for.
  write_file(folder_ / "hard.py",
             "import io, sys, tarfile\n"
             "def add(t, name, text=None, to=None, kind=tarfile.LNKTYPE):\n"
             "  info = tarfile.TarInfo(name)\n"
             "  if to: info.type, info.linkname = kind, to\n"
             "  else: info.size = len(text)\n"
             "  t.addfile(info, io.BytesIO((text or '').encode()))\n"
             "with tarfile.open(sys.argv[1] + '/hard.tar', 'w') as t:\n"
             "  add(t, 'early', to='middle'); add(t, 'middle', to='./late')\n"
             "  add(t, 'late', 'old'); add(t, 'kept', to='late'); add(t, 'late', 'new')\n"
             "for name, to in ('gone', 'nowhere'), ('round', 'round'), ('up', '../late'):\n"
             "  with tarfile.open(f'{sys.argv[1]}/{name}.tar', 'w') as t: add(t, 'f', 'x'); add(t, name, to=to)\n"
             "with tarfile.open(sys.argv[1] + '/ring.tar', 'w') as t: add(t, 'a', to='b'); add(t, 'b', to='a')\n"
             "with tarfile.open(sys.argv[1] + '/through.tar', 'w') as t:\n"
             "  add(t, 'd', to='e', kind=tarfile.SYMTYPE); add(t, 'd/f', 'x'); add(t, 'e/f', 'y')\n"
             "with tarfile.open(sys.argv[1] + '/bomb.tar', 'w') as t:\n"
             "  for i in range(40):\n"
             "    for k in 'ab': add(t, f'{i}/{k}', to=f'../{i + 1}', kind=tarfile.SYMTYPE)\n"
             "  add(t, '40/f', 'x')\n");
  pack("python3 {0}/hard.py {0}");
  const FileTree tree(folder_ / "hard.tar");
  const auto read = [&](const char* path) { return tree.read(tree.find(path).value()); };
  EXPECT_EQ(tree.size(), 4);
  EXPECT_EQ(read("early"), "new");
  EXPECT_EQ(read("middle"), "new");
  EXPECT_EQ(read("kept"), "old");
  EXPECT_EQ(read("late"), "new");
  EXPECT_ERROR(FileTree(folder_ / "gone.tar"), "\"gone\" is a link to \"nowhere\", which is no file in the archive");
  EXPECT_ERROR(FileTree(folder_ / "round.tar"), "\"round\" is a link to \"round\", which leads in a circle");
  EXPECT_ERROR(FileTree(folder_ / "up.tar"), "\"up\" is a link to \"../late\", which is no file in the archive");
  EXPECT_ERROR(FileTree(folder_ / "ring.tar"), "which leads in a circle");
  EXPECT_ERROR(FileTree(folder_ / "through.tar"), "\"d/f\" lies in \"d\", which is a link");
  EXPECT_ERROR(FileTree(folder_ / "bomb.tar", {.max_files = 10000}), "more than 10000 files");
}

TEST_F(Archive, BackslashesPartFoldersInAZip) {
  write_file(
      folder_ / "back.py",
      "import sys, zipfile\n"
      "with zipfile.ZipFile(sys.argv[1], 'w') as z:\n"
      "  for path in r'photos\\train\\cat\\0.bin', r'photos\\train\\dog\\1.bin', r'photos\\empty' + '\\\\', "
      "'plain/2.bin', 'photos/val\\\\cat\\\\3.bin':\n"
      "    info = zipfile.ZipInfo('x'); info.filename = path; info.create_system = 0; z.writestr(info, path[-5:])\n");
  pack("python3 {0}/back.py {0}/back.zip");
  const FileTree tree(folder_ / "back.zip");
  std::vector<std::string> paths;
  for (int64_t i = 0; i < tree.size(); ++i) paths.push_back(tree.path(i));
  EXPECT_THAT(paths, testing::ElementsAre("photos/train/cat/0.bin", "photos/train/dog/1.bin", "photos/val/cat/3.bin",
                                          "plain/2.bin"));
  EXPECT_EQ(tree.read(1), "1.bin");
}

TEST_F(Archive, ZipsOfMoreThan65535FilesAreRead) {
  write_file(folder_ / "large.py",
             "import sys, zipfile\n"
             "with zipfile.ZipFile(sys.argv[1], 'w') as z:\n"
             "  for i in range(66000): z.writestr(zipfile.ZipInfo(f'{i:05}'), str(i))\n");
  pack("python3 {0}/large.py {0}/large.zip");
  const FileTree tree(folder_ / "large.zip");
  ASSERT_EQ(tree.size(), 66000);
  EXPECT_EQ(tree.read(65999), "65999");
}

TEST_F(Archive, OldZipNamesAreOfCodePage437) {
  write_file(folder_ / "names.py",
             "import sys, zipfile\n"
             "with zipfile.ZipFile(sys.argv[1], 'w') as z:\n"
             "  z.writestr('caf_/a', 'a'); z.writestr('gr\u00fcn/b', 'b')\n"
             "raw = open(sys.argv[1], 'rb').read().replace(b'caf_', b'caf\\x82')\n"
             "open(sys.argv[1], 'wb').write(raw)\n");
  pack("python3 {0}/names.py {0}/names.zip");
  const FileTree tree(folder_ / "names.zip");
  ASSERT_EQ(tree.size(), 2);
  EXPECT_EQ(tree.path(0), "caf\u00e9/a");
  EXPECT_EQ(tree.path(1), "gr\u00fcn/b");
  EXPECT_EQ(tree.read(0), "a");
}

TEST_F(Archive, ManyThreadsMayRead) {
  for (const auto* container : {"a.tar.gz", "a.zip"}) {
    const FileTree tree(folder_ / container);
    std::atomic<int> wrong = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int64_t i = 0; i < tree.size(); ++i)
          if (tree.path(i).ends_with(".bin") &&
              tree.read(i) != content(size_t(std::stoi(tree.path(i).substr(tree.path(i).size() - 6)))))
            ++wrong;
      });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
  }
}

TEST_F(Archive, CutOffArchivesAreErrors) {
  for (const auto* container : {"a.tar", "a.tar.gz", "a.tar.xz", "a.zip"})
    for (const double share : {0.3, 0.7, 0.85}) EXPECT_ERROR(FileTree(cut(container, share), container), container);
  const auto zip = read_file(folder_ / "a.zip");
  for (size_t missing = 1; missing < 22; ++missing)  // within the record that ends the file
    EXPECT_ERROR(FileTree(zip.substr(0, zip.size() - missing), "cut.zip"), "cut.zip");
  const auto bytes = read_file(folder_ / "a.tar.gz");
  EXPECT_ERROR(FileTree(bytes.substr(0, bytes.size() - 4), "t.tar.gz"), "t.tar.gz: cut short");
}

TEST_F(Archive, DamageIsFoundByItsChecksum) {
  auto zip = read_file(folder_ / "a.zip");
  const auto inside = zip.find("f39.bin") + 300;
  zip[inside] ^= 0x55;
  const FileTree tree(zip, "d.zip");
  EXPECT_ERROR(tree.read(*tree.find("part0/f39.bin")), "d.zip/part0/f39.bin: ");
  auto gz = read_file(folder_ / "a.tar.gz");
  gz[gz.size() - 6] ^= 0x55;
  EXPECT_ERROR(FileTree(gz, "d.tar.gz"), "d.tar.gz: damaged data: incorrect data check");
}

TEST_F(Archive, SizesAreLimited) {
  EXPECT_ERROR(FileTree(folder_ / "a.tar.gz", {.max_bytes = 100000}), "unpacks to more than the limit of 100000 bytes");
  EXPECT_ERROR(FileTree(folder_ / "a.tar.xz", {.max_bytes = 100000}), "unpacks to more than the limit of 100000 bytes");
  for (const auto* container : {"in", "a.tar", "a.zip"})
    EXPECT_ERROR(FileTree(folder_ / container, {.max_files = 7}), "7");
  const FileTree tree(folder_ / "a.zip", {.max_bytes = 1000});
  EXPECT_ERROR(tree.read(tree.size() - 1), "are more than the limit of 1000");
  EXPECT_ERROR(FileTree("", "none.zip"), "none.zip: the file is empty");
  EXPECT_ERROR(FileTree("just text", "t.tar"), "t.tar: a folder, .tar, .tar.gz or .zip was expected");
  EXPECT_ERROR(FileTree(folder_ / "nowhere"), "nowhere");
}

TEST_F(Archive, GzipUnpacksOrPassesThrough) {
  const auto text = std::string(100000, 'x') + "end";
  write_file(folder_ / "t", text);
  pack("gzip -k {0}/t");
  EXPECT_EQ(read_gz(folder_ / "t"), text);
  EXPECT_EQ(read_gz(folder_ / "t.gz"), text);
  const auto packed = read_file(folder_ / "t.gz");
  write_file(folder_ / "named-otherwise", packed);
  EXPECT_EQ(read_gz(folder_ / "named-otherwise"), text);
  pack("mkfifo {0}/pipe && (cat {0}/t.gz > {0}/pipe &)");
  EXPECT_EQ(read_gz(folder_ / "pipe"), text);
  EXPECT_EQ(unpack_gz(packed + packed, "two"), text + text);
  EXPECT_EQ(unpack_gz(packed, "exact", int64_t(text.size())), text);
  EXPECT_ERROR(unpack_gz(packed, "bomb.gz", int64_t(text.size()) - 1), "bomb.gz: unpacks to more than the limit of");
  EXPECT_ERROR(unpack_gz(packed.substr(0, packed.size() - 9), "cut.gz"), "cut.gz: cut short");
  EXPECT_ERROR(unpack_gz(packed + "rubbish", "r.gz"), "r.gz: damaged gzip: bytes follow that are not gzip");
}

TEST(ArchiveOfRealData, FiftyThousandSmallFilesOpenQuickly) {
  const auto path = test::data_folder() / "cifar10/cifar10-jpg.tar.gz";
  NEEDS_DATA(path);
  const auto start = std::chrono::steady_clock::now();
  const FileTree tree(path);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(tree.size(), 50000);
  EXPECT_LT(seconds.count(), 8);  // 0.5 s on an idle machine
  EXPECT_EQ(tree.path(49999), "val/truck/4999.jpg");
  EXPECT_TRUE(tree.read(0).starts_with("\xFF\xD8"));
}
