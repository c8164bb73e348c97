#include "hadal/data/text/tokenizer.h"

#include "tests/support/support.h"

using namespace hadal;
using Ids = std::vector<int64_t>;

TEST(Characters, LearnsTheTextsCharactersInOrder) {
  const auto made = tokenizers().make({"characters", {}}, "hello, w\xC3\xB6rld");
  EXPECT_EQ(made->size(), 10);
  EXPECT_EQ(made->encode(" ,\xC3\xB6"), (Ids{0, 1, 9}));
  EXPECT_EQ(made->decode(made->encode("hello, w\xC3\xB6rld")), "hello, w\xC3\xB6rld");
}

TEST(Characters, IsMadeAgainFromItsSettings) {
  const auto first = tokenizers().make({"characters", {}}, "banana \xE2\x82\xAC");
  const auto again = tokenizers().make({"characters", first->settings()}, "");
  EXPECT_EQ(again->size(), first->size());
  EXPECT_EQ(again->encode("nab \xE2\x82\xAC"), first->encode("nab \xE2\x82\xAC"));
  const auto ordered = tokenizers().make({"characters", {{"vocabulary", "zyx"}}}, "abc");
  EXPECT_EQ(ordered->encode("xz"), (Ids{2, 0}));
}

TEST(Characters, SaysWhatItCannotDo) {
  const auto made = tokenizers().make({"characters", {}}, "ab");
  EXPECT_ERROR(made->encode("ab\xE2\x82\xAC"),
               "[characters] \"\xE2\x82\xAC\" (U+20AC) at byte 2 is not one of the 2 characters that the model knows");
  EXPECT_ERROR(made->encode("a\xFF"), "the text at byte 1: not UTF-8");
  EXPECT_ERROR(made->decode(Ids{0, 2}), "[tokenizer] there is no token 2; ids are 0 to 1");
  EXPECT_ERROR(made->decode(Ids{-1}), "there is no token -1");
  EXPECT_ERROR(tokenizers().make({"characters", {}}, ""), "[characters] there is no text to take the characters from");
}
