#include "hadal/io/zip.h"

#include "tests/io/hostile.h"

using namespace hadal;

namespace {

std::string make(const std::filesystem::path& path, bool zip64) {
  StoredZipWriter writer(path, zip64);
  writer.add("top/one", "first");
  writer.add("top/two", "");
  writer.add("three", std::string(1000, 'x'));
  writer.commit();
  return read_file(path);
}

void read_zip(const std::string& text) { read_stored_zip(std::as_bytes(std::span(text)), "x.zip"); }

}  // namespace

TEST(StoredZip, RoundTripWithAndWithoutZip64) {
  test::TemporaryFolder folder;
  for (const bool zip64 : {false, true}) {
    const auto text = make(folder / "a.zip", zip64);
    const auto entries = read_stored_zip(std::as_bytes(std::span(text)), "a.zip");
    ASSERT_EQ(entries.size(), 3);
    EXPECT_EQ(entries[0].name, "top/one");
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(entries[0].bytes.data()), entries[0].bytes.size()), "first");
    EXPECT_EQ(entries[1].bytes.size(), 0);
    EXPECT_EQ(entries[2].bytes.size(), 1000);
    for (const auto& entry : entries)
      EXPECT_EQ((reinterpret_cast<const char*>(entry.bytes.data()) - text.data()) % 64, 0) << entry.name;
    test::damage_everywhere([](auto bytes) { read_stored_zip(bytes, "damaged"); }, text, true);
  }
}

TEST(StoredZip, Mistakes) {
  test::TemporaryFolder folder;
  EXPECT_ERROR(read_zip("PK\3\4"), "x.zip: a zip archive without its directory at the end");
  auto text = make(folder / "a.zip", false);
  const auto entry = text.find("PK\1\2");
  auto packed = text;
  packed[entry + 10] = 8;
  const auto entries = read_stored_zip(std::as_bytes(std::span(packed)), "x.zip");
  EXPECT_ERROR(entries.at(0).content("x.zip"), "x.zip: entry \"top/one\" is compressed (method 8)");
  EXPECT_EQ(entries.at(2).content("x.zip").size(), 1000);
  auto two_sizes = text;
  two_sizes[entry + 24] ^= 1;
  EXPECT_ERROR(read_zip(two_sizes), "entry \"top/one\" is stored and has two sizes");
  auto locked = text;
  locked[entry + 8] |= 1;
  EXPECT_ERROR(read_zip(locked), "encrypted");
  auto twice = text;
  const auto second = text.find("PK\1\2", entry + 1);
  twice.replace(second + 46, 7, "top/one");
  EXPECT_ERROR(read_zip(twice), "two entries \"top/one\"");
}
