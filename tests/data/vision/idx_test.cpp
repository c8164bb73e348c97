#include "hadal/data/vision/idx.h"

#include "hadal/io/file.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

std::string idx(uint8_t type, const std::vector<uint32_t>& sizes, const std::string& data) {
  std::string out{'\0', '\0', static_cast<char>(type), static_cast<char>(sizes.size())};
  for (const auto size : sizes)
    for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(size >> shift);
  return out + data;
}

std::string counting(int64_t n) {
  std::string out;
  for (int64_t i = 0; i < n; ++i) out += static_cast<char>(i);
  return out;
}

/// Six training pictures of 2 x 2 and two for the test, of three classes.
void write_set(const test::TemporaryFolder& folder) {
  write_file(folder / "train-images-idx3-ubyte", idx(8, {6, 2, 2}, counting(24)));
  write_file(folder / "train-labels-idx1-ubyte", idx(8, {6}, std::string("\0\1\2\0\1\2", 6)));
  write_file(folder / "t10k-images.idx3-ubyte", idx(8, {2, 2, 2}, counting(8)));
  write_file(folder / "t10k-labels.idx1-ubyte", idx(8, {2}, std::string("\2\1", 2)));
}

}  // namespace

TEST(Idx, ReadsEveryTypeBigEndian) {
  EXPECT_TRUE(torch::equal(parse_idx(idx(8, {2, 2}, "\1\2\3\xff"), "x"),
                           torch::tensor({1, 2, 3, 255}, torch::kUInt8).view({2, 2})));
  EXPECT_EQ(parse_idx(idx(9, {1}, "\xff"), "x").item<int>(), -1);
  EXPECT_EQ(parse_idx(idx(11, {1}, "\x01\x02"), "x").item<int>(), 258);
  EXPECT_EQ(parse_idx(idx(12, {1}, "\xff\xff\xff\xfe"), "x").item<int>(), -2);
  EXPECT_EQ(parse_idx(idx(13, {1}, std::string("\x3f\xc0\0\0", 4)), "x").item<float>(), 1.5f);
  EXPECT_EQ(parse_idx(idx(14, {1}, std::string("\xc0\x04\0\0\0\0\0\0", 8)), "x").item<double>(), -2.5);
  EXPECT_EQ(parse_idx(idx(8, {0, 3}, ""), "x").sizes(), (std::vector<int64_t>{0, 3}));
}

TEST(Idx, RefusesWhatTheHeaderDoesNotTell) {
  EXPECT_ERROR(parse_idx("ab", "f"), "f: 2 bytes are too few for an IDX file");
  EXPECT_ERROR(parse_idx("\x89PNG....", "f"), "f: not an IDX file: it begins 89 50 4e 47");
  EXPECT_ERROR(parse_idx(idx(10, {1}, "a"), "f"), "not an IDX file: it begins 00 00 0a 01");
  EXPECT_ERROR(parse_idx(idx(8, {}, "a"), "f"), "IDX header says 0 dimensions, expected 1 to 8");
  EXPECT_ERROR(parse_idx(idx(8, {2, 2}, "").substr(0, 9), "f"), "IDX header is cut off");
  EXPECT_ERROR(parse_idx(idx(8, {2, 2}, "abc"), "f"),
               "says (2, 2) values of 1 bytes, 3 bytes follow it; the file is cut off");
  EXPECT_ERROR(parse_idx(idx(8, {2}, "abc"), "f"), "says (2) values of 1 bytes, 3 bytes follow it");
  const uint32_t huge = 0xffffffff;
  EXPECT_ERROR(parse_idx(idx(14, {huge, huge, huge}, "abc"), "f"), "4294967295");
  EXPECT_ERROR(parse_idx(idx(14, {huge, 0, huge, huge}, ""), "f"), "0 bytes follow it; the file is cut off or damaged");
}

TEST(IdxData, SplitsTheTrainFile) {
  test::TemporaryFolder folder;
  write_set(folder);
  const IdxData train(folder.path(), "train", 2), val(folder.path(), "val", 2), test(folder.path(), "test", 2);
  EXPECT_EQ(train.size(), 4);
  EXPECT_EQ(val.size(), 2);
  EXPECT_EQ(test.size(), 2);
  EXPECT_EQ(IdxData(folder.path(), "train", 0).size(), 6);
  const auto second = val.get(1);
  EXPECT_EQ(second.label, 2);
  EXPECT_EQ(second.image.sizes(), (std::vector<int64_t>{2, 2, 1}));
  EXPECT_TRUE(second.image.is_contiguous());
  EXPECT_EQ(second.image.flatten()[3].item<int>(), 23);
  EXPECT_EQ(val.name(1), "train-images-idx3-ubyte[5]");
  EXPECT_EQ(test.name(1), "t10k-images.idx3-ubyte[1]");
  EXPECT_EQ(test.classes(), (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_EQ(test.get(0).image.data_ptr(), test.get(0).image.data_ptr()) << "get() must not copy";
}

TEST(IdxData, MistakesNameTheFiles) {
  test::TemporaryFolder folder;
  EXPECT_ERROR(IdxData(folder / "none", "train"), "none: no such folder");
  EXPECT_ERROR(IdxData(folder.path(), "train"), "no train-images-idx3-ubyte here, with or without .gz");
  write_set(folder);
  EXPECT_ERROR(IdxData(folder.path(), "trian"), "unknown split \"trian\"");
  EXPECT_ERROR(IdxData(folder.path(), "train"), "val (5000) must be from 0 to 5");
  EXPECT_ERROR(IdxData(folder.path(), "val", 0), "has no val split with val=0");
  EXPECT_ERROR(IdxData(folder.path(), "train", 0, {"a", "b"}), "label 2 of picture 2 of ");
  write_file(folder / "t10k-labels.idx1-ubyte", idx(8, {2}, "\1\3"));
  EXPECT_ERROR(IdxData(folder.path(), "test"), "t10k-labels.idx1-ubyte: label 3 of picture 1 of ");
  EXPECT_ERROR(IdxData(folder.path(), "test"), "t10k-images.idx3-ubyte is beyond the 3 classes");
  write_file(folder / "t10k-labels.idx1-ubyte", idx(8, {3}, "\1\1\1"));
  EXPECT_ERROR(IdxData(folder.path(), "test"), "t10k-labels.idx1-ubyte: 3 labels for the 2 pictures of ");
  write_file(folder / "t10k-labels.idx1-ubyte", idx(8, {1, 2}, "\1\1"));
  EXPECT_ERROR(IdxData(folder.path(), "test"), "labels must be integers of 1 dimension, got 2 dimensions");
  write_file(folder / "t10k-labels.idx1-ubyte", idx(12, {2}, std::string("\x7f\0\0\0\0\0\0\1", 8)));
  EXPECT_ERROR(IdxData(folder.path(), "test"), "label 2130706432 of picture 0 is no class");
  write_file(folder / "t10k-images.idx3-ubyte", idx(8, {2, 4}, counting(8)));
  EXPECT_ERROR(IdxData(folder.path(), "test"), "pictures must be unsigned bytes of 3 dimensions");
}

TEST(IdxData, OnePartAloneWillDo) {
  test::TemporaryFolder folder;
  EXPECT_ERROR(idx_splits(folder.path(), 2), "no train-images-idx3-ubyte here");
  write_set(folder);
  EXPECT_THAT(idx_splits(folder.path(), 2), testing::ElementsAre("train", "val", "test"));
  EXPECT_THAT(idx_splits(folder.path(), 0), testing::ElementsAre("train", "test"));
  std::filesystem::remove(folder / "train-images-idx3-ubyte");
  std::filesystem::remove(folder / "train-labels-idx1-ubyte");
  EXPECT_THAT(idx_splits(folder.path(), 2), testing::ElementsAre("test"));
  const IdxData test(folder.path(), "test");
  EXPECT_EQ(test.size(), 2);
  EXPECT_EQ(test.classes(), (std::vector<std::string>{"0", "1", "2"})) << "up to t10k's own largest label";
}

TEST(IdxData, AFolderOfAFilesNameIsNoFile) {
  test::TemporaryFolder folder;
  write_set(folder);
  std::filesystem::create_directory(folder / "t10k-images-idx3-ubyte");
  std::filesystem::create_directory(folder / "t10k-labels-idx1-ubyte");
  EXPECT_EQ(IdxData(folder.path(), "test").size(), 2);
}

TEST(IdxData, ReadsMnist) {
  const auto folder = test::data_folder() / "mnist";
  NEEDS_DATA(folder);
  const IdxData train(folder, "train"), val(folder, "val"), test(folder, "test");
  EXPECT_EQ(train.size(), 55000);
  EXPECT_EQ(val.size(), 5000);
  EXPECT_EQ(test.size(), 10000);
  EXPECT_EQ(train.classes().size(), 10u);
  EXPECT_EQ(train.get(0).label, 5);  // the first digits of both files, well known
  EXPECT_EQ(test.get(0).label, 7);
  EXPECT_NEAR(test.images().to(torch::kFloat32).mean().item<double>() / 255, 0.1325, 1e-4);
}
