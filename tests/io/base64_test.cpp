#include "hadal/io/base64.h"

#include "tests/support/support.h"

using namespace hadal;

TEST(Base64, ThereAndBack) {
  const std::pair<std::string, std::string> pairs[] = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"\xff\xfe\xfd\x80", "//79gA=="}};
  for (const auto& [bytes, text] : pairs) {
    EXPECT_EQ(to_base64(bytes), text);
    EXPECT_EQ(from_base64(text), bytes);
  }
  std::string all;
  for (int i = 0; i < 1000; ++i) all += static_cast<char>(i * 7);
  EXPECT_EQ(from_base64(to_base64(all)), all);
  EXPECT_EQ(from_base64("Zg"), "f") << "without its end";
}

TEST(Base64, RefusesWhatIsNone) {
  for (const auto* text : {"Z", "Zm9v!", "Zm 9v", "Zg==Zg==", "\xc3\xbc"}) EXPECT_EQ(from_base64(text), std::nullopt);
}
