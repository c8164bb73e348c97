#include "hadal/io/json_scan.h"

#include <cmath>

#include "tests/support/support.h"

using namespace hadal;

namespace {

double number(const std::string& text) {
  JsonScanner json(text, "f.json");
  const auto value = json.number();
  json.end();
  return value;
}

std::string text(const std::string& quoted) { return JsonScanner(quoted, "f.json").text(); }

}  // namespace

TEST(JsonScan, NumbersAreRoundedAsStrtodDoes) {
  for (const auto* word : {"0",
                           "-0",
                           "7",
                           "-12",
                           "0.1",
                           "-3.25",
                           "258.15",
                           "123456789012345",
                           "1234567890123456",
                           "0.123456789012345",
                           "0.1234567890123456789",
                           "12345678901234567890",
                           "1e5",
                           "-2.5E-3",
                           "1e308",
                           "4.9e-324",
                           "0.30000000000000004",
                           "9007199254740993",
                           "123456.7890123456",
                           "1e-400"})
    EXPECT_EQ(number(word), std::strtod(word, nullptr)) << word;
  EXPECT_TRUE(std::signbit(number("-0")));
  for (const auto* word : {"-", "1e", "1.2.3", "--1", "1-1", "0x1", "+1", ".5"}) EXPECT_ERROR(number(word), "f.json");
  EXPECT_ERROR(number("1e999"), "this number is too large");
  EXPECT_ERROR(number("-Infinity"), "this is no number");
  EXPECT_ERROR(number("NaN"), "expected a number, got NaN or Infinity, which JSON does not have");
}

TEST(JsonScan, TextsAndKeys) {
  EXPECT_EQ(text(R"("a\"\\\/\b\n\u00e4\ud83d\ude00 \u0041")"), "a\"\\/\b\n\xc3\xa4\xf0\x9f\x98\x80 A");
  EXPECT_ERROR(text("\"\xff\""), "a text is not UTF-8");
  EXPECT_ERROR(text(R"("\ud83d")"), "half a character");
  EXPECT_ERROR(text(R"("\x")"), "unknown escape");
  EXPECT_ERROR(text("\"a\nb\""), "control character");
  EXPECT_ERROR(text("\"ab"), "f.json at byte 3: the file is cut off in a text");
  std::vector<std::string> keys;
  JsonScanner json(R"({"plain": 1, "a\u00e4": [true, null, {"x": "y"}], "": -1.5e3})", "f.json");
  json.table([&](std::string_view key) {
    keys.emplace_back(key);
    json.skip();
  });
  EXPECT_EQ(keys, (std::vector<std::string>{"plain", "a\xc3\xa4", ""}));
}

TEST(JsonScan, WholeNumbersAndFlags) {
  EXPECT_EQ(JsonScanner("9223372036854775807", "f").integer(), INT64_MAX);
  EXPECT_EQ(JsonScanner("-3.0", "f").integer(), -3);
  EXPECT_EQ(JsonScanner("2e3", "f").integer(), 2000);
  EXPECT_ERROR(JsonScanner("1e17", "f").integer(), "expected a whole number, got 1e17");
  EXPECT_TRUE(JsonScanner("1", "f").flag());
  EXPECT_FALSE(JsonScanner("false", "f").flag());
  EXPECT_ERROR(JsonScanner("2", "f").flag(), "expected true, false, 0 or 1");
}
