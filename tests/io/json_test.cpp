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
