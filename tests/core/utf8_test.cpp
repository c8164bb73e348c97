#include "hadal/core/utf8.h"

#include "tests/support/support.h"

using namespace hadal;

TEST(Utf8, WalksOverCharacters) {
  const std::string text = "a\xC3\xBC\xE2\x82\xAC\xF0\x9F\x90\x9F";
  std::vector<std::pair<char32_t, size_t>> seen;
  for (size_t at = 0; at < text.size(); at += seen.back().second) {
    const auto [code, length] = character_at(text, at);
    ASSERT_GT(length, 0);
    EXPECT_EQ(to_utf8(code), text.substr(at, length));
    seen.emplace_back(code, length);
  }
  EXPECT_EQ(seen, (std::vector<std::pair<char32_t, size_t>>{{'a', 1}, {0xFC, 2}, {0x20AC, 3}, {0x1F41F, 4}}));
  EXPECT_EQ(find_bad_utf8(text), std::string::npos);
}

TEST(Utf8, RefusesWhatIsNone) {
  for (const std::string bad : {"\x80", "\xC3", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF",
                                "\xF5\x80\x80\x80", "\xE2\x82", "\xC3("})
    EXPECT_EQ(find_bad_utf8("ab" + bad), 2) << bad;
  EXPECT_ERROR(check_utf8("abc\xFFz", "book.txt"), "book.txt at byte 3: not UTF-8 (byte 0xff)");
}

TEST(Utf8, CutsBetweenCharacters) {
  const std::string fish = "x\xF0\x9F\x90\x9F";
  EXPECT_EQ(whole_characters(fish), 5);
  for (size_t cut = 2; cut < 5; ++cut) EXPECT_EQ(whole_characters(std::string_view(fish).substr(0, cut)), 1) << cut;
  EXPECT_EQ(whole_characters("\x80\x80"), 2);  // no beginning to wait for
  EXPECT_EQ(whole_characters(""), 0);
  EXPECT_EQ(without_mark("\xEF\xBB\xBF"
                         "a"),
            "a");
  EXPECT_EQ(without_mark("\xEF\xBB"
                         "a"),
            "\xEF\xBB"
            "a");
  EXPECT_EQ(repaired_utf8("a\xFFz\xE2\x82"), "a\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD");
}
