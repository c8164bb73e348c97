#include "hadal/io/file.h"
#include "hadal/io/video.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

constexpr int64_t kFrames = 30, kHeight = 48, kWidth = 64;

/// A green ground, and a red square that goes two pixels to the right with each frame.
Tensor frame_of(int64_t i) {
  auto image = torch::zeros({kHeight, kWidth, 3}, torch::kUInt8);
  image.select(2, 1).fill_(128);
  auto square = image.slice(0, 16, 32).slice(1, 2 * (i % 24), 2 * (i % 24) + 16);
  square.select(2, 0).fill_(230);
  square.select(2, 1).fill_(20);
  return image;
}

void write_clip(const std::filesystem::path& path, double rate = 25, int64_t frames = kFrames) {
  VideoWriter writer(path, rate);
  for (int64_t i = 0; i < frames; ++i) writer.add(frame_of(i));
  EXPECT_FALSE(std::filesystem::exists(path));
  writer.close();
}

std::array<int64_t, 3> colour(const Tensor& image, int64_t y, int64_t x) {
  return {image[y][x][0].item<int64_t>(), image[y][x][1].item<int64_t>(), image[y][x][2].item<int64_t>()};
}

void expect_colour(const Tensor& image, int64_t y, int64_t x, std::array<int64_t, 3> wanted) {
  const auto got = colour(image, y, x);
  for (size_t k = 0; k < 3; ++k) EXPECT_NEAR(got[k], wanted[k], 14) << y << " " << x << " " << k;
}

/// How many frames come, and what is said at the end.
std::pair<int64_t, std::string> read_all(const std::filesystem::path& path) {
  int64_t count = 0;
  try {
    VideoReader reader(path);
    while (reader.next()) ++count;
    EXPECT_FALSE(reader.next());
  } catch (const Error& error) {
    return {count, error.what()};
  }
  return {count, ""};
}

}  // namespace

TEST(Video, ComesBackAsItWasWritten) {
  const test::TemporaryFolder folder;
  for (const auto* name : {"a.mp4", "a.mkv", "a.mov", "a.avi"}) {
    write_clip(folder / name, 30000 / 1001.0);
    EXPECT_TRUE(looks_like_video(folder / name));
    VideoReader reader(folder / name);
    EXPECT_NEAR(reader.rate(), 29.97, 0.01) << name;
    int64_t count = 0;
    while (auto frame = reader.next()) {
      ASSERT_EQ(frame->image.sizes(), (std::vector<int64_t>{kHeight, kWidth, 3}));
      EXPECT_TRUE(frame->image.is_contiguous());
      EXPECT_EQ(frame->index, count);
      EXPECT_NEAR(frame->time, static_cast<double>(count) * 1001 / 30000, 2e-3) << name;
      const auto x = 2 * (count % 24) + 8;
      expect_colour(frame->image, 24, x, {230, 20, 0});
      expect_colour(frame->image, 4, x, {0, 128, 0});
      expect_colour(frame->image, 44, 60, {0, 128, 0});
      ++count;
    }
    EXPECT_EQ(count, kFrames) << name;
  }
}

TEST(Video, TakesOddSidesGreyFramesAndOtherSizes) {
  const test::TemporaryFolder folder;
  VideoWriter writer(folder / "a.mp4", 10);
  writer.add(torch::full({33, 47, 1}, 200, torch::kUInt8));
  writer.add(torch::full({60, 20, 3}, 90, torch::kUInt8));
  writer.close();
  VideoReader reader(folder / "a.mp4");
  const auto first = reader.next(), second = reader.next();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->image.sizes(), (std::vector<int64_t>{34, 48, 3}));
  expect_colour(first->image, 16, 24, {200, 200, 200});
  expect_colour(second->image, 16, 24, {90, 90, 90});
  EXPECT_FALSE(reader.next());
  EXPECT_ERROR(VideoWriter(folder / "a.gif", 10), "videos are written as .mp4, .mov, .mkv or .avi");
  EXPECT_ERROR(VideoWriter(folder / "a.mp4", 0), "0 frames a second; a video has 0.1 to 1000");
  EXPECT_ERROR(writer.add(torch::zeros({4, 4, 3})), "a frame is (H, W, 3 or 1) uint8");
}

TEST(Video, StandsUpright) {
  const test::TemporaryFolder folder;
  write_clip(folder / "a.mp4");
  auto bytes = read_file(folder / "a.mp4");
  const auto track = bytes.find("tkhd");
  ASSERT_NE(track, std::string::npos);
  // What a telephone held upright writes: turned clockwise by a quarter to be looked at.
  const std::array<uint32_t, 9> matrix{0, 0x10000, 0, 0xFFFF0000, 0, 0, kHeight << 16, 0, 0x40000000};
  for (size_t i = 0; i < 36; ++i) bytes[track + 44 + i] = static_cast<char>(matrix[i / 4] >> (24 - 8 * (i % 4)));
  write_file(folder / "b.mp4", bytes);
  VideoReader straight(folder / "a.mp4"), turned(folder / "b.mp4");
  const auto before = straight.next(), after = turned.next();
  ASSERT_TRUE(before && after);
  EXPECT_EQ(after->image.sizes(), (std::vector<int64_t>{kWidth, kHeight, 3}));
  EXPECT_TRUE(after->image.equal(before->image.rot90(-1)));
}

TEST(Video, CutShortGivesWhatDecodesThenAWord) {
  const test::TemporaryFolder folder;
  for (const auto* name : {"a.mkv", "a.avi"}) {
    write_clip(folder / name, 25, 100);
    const auto bytes = read_file(folder / name);
    write_file(folder / "cut" / name, bytes.substr(0, bytes.size() / 2));
    const auto [count, said] = read_all(folder / "cut" / name);
    EXPECT_GT(count, 5) << name;
    EXPECT_LT(count, 95) << name;
    EXPECT_THAT(said, testing::HasSubstr("cut short")) << name;
  }
  write_clip(folder / "a.mp4");
  const auto bytes = read_file(folder / "a.mp4");
  write_file(folder / "cut/a.mp4", bytes.substr(0, bytes.size() / 2));
  EXPECT_TRUE(looks_like_video(folder / "cut/a.mp4"));
  EXPECT_ERROR(VideoReader(folder / "cut/a.mp4"), "cut short before its index");
}

TEST(Video, RefusesWhatIsNone) {
  const test::TemporaryFolder folder;
  write_file(folder / "a.mp4", "no video at all, but a text");
  write_file(folder / "b.mp4", "");
  write_file(folder / "list.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n");
  write_file(folder / "c.txt", "a text");
  EXPECT_ERROR(VideoReader(folder / "a.mp4"), "a.mp4: not a video that can be read");
  EXPECT_ERROR(VideoReader(folder / "b.mp4"), "an empty file, not a video");
  EXPECT_ERROR(VideoReader(folder / "list.mp4"), "not a video that can be read");
  EXPECT_ERROR(VideoReader(folder / "none.mp4"), "No such file");
  EXPECT_TRUE(looks_like_video(folder / "a.mp4"));
  EXPECT_FALSE(looks_like_video(folder / "c.txt"));
  write_clip(folder / "d.mkv");
  EXPECT_ERROR(VideoReader(folder / "d.mkv", {.max_pixels = 1000}), "64 x 48 pixels are more than the limit of 1000");
  std::filesystem::copy_file(folder / "d.mkv", folder / "unnamed");
  EXPECT_TRUE(looks_like_video(folder / "unnamed"));
}

TEST(Video, BrokenBytesNeverBreakTheReader) {
  const test::TemporaryFolder folder;
  write_clip(folder / "a.mp4");
  const auto whole = read_file(folder / "a.mp4");
  uint64_t seed = 1;
  for (int turn = 0; turn < 40; ++turn) {
    auto bytes = whole;
    for (int i = 0; i < 20; ++i) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      bytes[(seed >> 33) % bytes.size()] = static_cast<char>(seed >> 25);
    }
    write_file(folder / "broken.mp4", bytes);
    EXPECT_LE(read_all(folder / "broken.mp4").first, 200);
  }
}

TEST(Video, AWriterThatIsNotClosedLeavesNothing) {
  const test::TemporaryFolder folder;
  {
    VideoWriter writer(folder / "a.mp4", 25);
    writer.add(frame_of(0));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}
