#include "hadal/io/json.h"

#include "tests/io/hostile.h"

using namespace hadal;

TEST(Json, MistakesNameTheFileAndThePlace) {
  EXPECT_EQ(parse_json("{\"a\": [1, 2.5]}", "t.json").at("a").size(), 2);
  EXPECT_ERROR(parse_json("{\"a\": [1, 2", "t.json"), "t.json at byte 12: this is no JSON, or the file is cut off");
  EXPECT_ERROR(parse_json("", "t.json"), "t.json at byte 1: this is no JSON");
  EXPECT_ERROR(parse_json("\"\xff\"", "t.json"), "t.json at byte 2: this is no JSON");
  EXPECT_ERROR(parse_json("{\"a\": 4e81297}", "t.json"), "t.json: a number in this JSON is too large");
}

TEST(Json, HalvesOfCharactersBecomeTheReplacement) {
  const auto read = [](const std::string& text) { return parse_json("[\"" + text + "\"]", "t")[0].get<std::string>(); };
  const std::string lost = "\xef\xbf\xbd", whole = "\xf0\x9f\x98\x80";
  EXPECT_EQ(read(R"(half \ud83d here)"), "half " + lost + " here");
  EXPECT_EQ(read(R"(\ud83d)"), lost);
  EXPECT_EQ(read(R"(\uDE00\uD83D)"), lost + lost) << "the wrong way round";
  EXPECT_EQ(read(R"(\ud83d\ud83d\ude00\ude00)"), lost + whole + lost);
  EXPECT_EQ(read(R"(\ud83d\n\udc00x)"), lost + "\n" + lost + "x");
  EXPECT_EQ(read(R"(\\ud83d \ud7ff\ue000)"), "\\ud83d \xed\x9f\xbf\xee\x80\x80") << "an escaped backslash";
  EXPECT_EQ(parse_json(R"({"\udc00": 1})", "t").begin().key(), lost);
  EXPECT_ERROR(parse_json("[\"\\ud83d\", 1", "t.json"), "t.json at byte 13: this is no JSON");
  EXPECT_ERROR(parse_json("[\"\\ud83", "t.json"), "this is no JSON");
  EXPECT_ERROR(parse_json("[\"\\ud83z\"]", "t.json"), "this is no JSON");
}
