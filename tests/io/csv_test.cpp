#include "hadal/io/csv.h"

#include "hadal/io/bytes.h"

#include "tests/io/hostile.h"

using namespace hadal;

namespace {

using Rows = std::vector<std::vector<std::string>>;

Rows read_all(std::string_view text, const CsvOptions& options = {}) {
  CsvReader reader(text, "t.csv", options);
  Rows rows;
  std::vector<std::string_view> fields;
  while (reader.next(fields)) rows.emplace_back(fields.begin(), fields.end());
  return rows;
}

}  // namespace

TEST(Csv, ReadsPlainAndQuotedFields) {
  EXPECT_EQ(read_all("a,b\n1,2\n"), (Rows{{"a", "b"}, {"1", "2"}}));
  EXPECT_EQ(read_all("a,b\n1,2"), (Rows{{"a", "b"}, {"1", "2"}}));
  EXPECT_EQ(read_all("a,\n,\n"), (Rows{{"a", ""}, {"", ""}}));
  EXPECT_EQ(read_all("\"a,b\",\"c \"\"d\"\" e\"\n\"\",\"\"\"\"\n"), (Rows{{"a,b", "c \"d\" e"}, {"", "\""}}));
  EXPECT_EQ(read_all("\"two\r\nlines\",x\n"), (Rows{{"two\r\nlines", "x"}}));
  EXPECT_EQ(read_all("5\" pipe,x\n"), (Rows{{"5\" pipe", "x"}}));
}

TEST(Csv, EndsLinesAsEverySystemDoes) {
  const Rows expected = {{"a", "b"}, {"1", "2"}, {"3", "4"}};
  for (const auto* end : {"\n", "\r\n", "\r"})
    EXPECT_EQ(read_all(fmt::format("{1}{1}a,b{0}1,2{0}{0}3,4{0}{0}", end, end)), expected) << shown(end);
  EXPECT_EQ(read_all("\xef\xbb\xbf"
                     "a,b\n1,2\n3,4"),
            expected);
}

TEST(Csv, FindsTheSeparator) {
  EXPECT_EQ(read_all("a;b;c\n1,5;2;3\n"), (Rows{{"a", "b", "c"}, {"1,5", "2", "3"}}));
  EXPECT_EQ(read_all("a\tb\n1\t2\n"), (Rows{{"a", "b"}, {"1", "2"}}));
  EXPECT_EQ(read_all("\"x;y;z\"|b\n1|2\n"), (Rows{{"x;y;z", "b"}, {"1", "2"}}));
  EXPECT_EQ(read_all("alone\nrow\n"), (Rows{{"alone"}, {"row"}}));
  EXPECT_EQ(read_all("a;b,c\n", {.separator = ','}), (Rows{{"a;b", "c"}}));
  EXPECT_EQ(read_all("say \"hi\tthere\"\n", {.separator = '\t', .quotes = false}), (Rows{{"say \"hi", "there\""}}));
  EXPECT_EQ(read_all("\"\tx\n", {.quotes = false}), (Rows{{"\"", "x"}}));
}

TEST(Csv, KnowsItsLine) {
  CsvReader reader("a,b\n\"x\ny\",2\n\n3,4\n", "t.csv");
  std::vector<std::string_view> fields;
  std::vector<int64_t> lines;
  while (reader.next(fields)) lines.push_back(reader.line());
  EXPECT_EQ(lines, (std::vector<int64_t>{1, 2, 5}));
  EXPECT_EQ(reader.place(), "t.csv line 5");
}

TEST(Csv, SaysWhatIsWrongAndWhere) {
  EXPECT_ERROR(read_all("a,b\n1,2\n1,2,3\n"), "t.csv line 3: 3 fields, the first line has 2");
  EXPECT_ERROR(read_all("a,b\n1\n"), "t.csv line 2: 1 field, the first line has 2");
  EXPECT_ERROR(read_all("a,b\n\"1,2\n3,4\n"), "t.csv line 2: a quote is opened here and never closed");
  EXPECT_ERROR(read_all("a,b\n\"1\n\" x,2\n"), "t.csv line 3: \" x,2\" stands behind a closing quote");
  EXPECT_ERROR(read_all(std::string_view("a\0b\n", 4)), "t.csv line 1: holds a NUL byte");
  EXPECT_ERROR(read_all(std::string_view("a\n\"b\n\0\"\n", 8)), "t.csv line 3: holds a NUL byte");
  EXPECT_EQ(read_all(""), Rows{});
  EXPECT_EQ(read_all("\n\r\n"), Rows{});
}

TEST(Csv, SurvivesDamage) {
  const auto read = [](std::span<const std::byte> bytes) {
    read_all({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  };
  test::damage_everywhere(read,
                          "\xef\xbb\xbf"
                          "date;\"a\"\"b\";c\r\n2020-01-01;\"1\n2\";3\r\n\"x\";;\"\"\"\"\n",
                          false);
}

TEST(Csv, WritesWhatItReads) {
  const std::vector<std::string> awkward = {"plain", "a,b", "\"", "two\nlines", "", "a\"b\r"};
  std::string text;
  for (size_t i = 0; i < awkward.size(); ++i) text += (i ? "," : "") + csv_field(awkward[i]);
  EXPECT_EQ(read_all(text), Rows{awkward});
  EXPECT_EQ(csv_field("a,b", ';'), "a,b");
}

TEST(Csv, OfTwoSeparatorsTheSecondLineTells) {
  EXPECT_EQ(CsvReader("date;Temp, C\n2020-01-01;10\n", "a").separator(), ';');
  EXPECT_EQ(CsvReader("date,Temp; C\n2020-01-01,10\n", "a").separator(), ',');
  EXPECT_EQ(CsvReader("date;Temp, C\n2020-01-01;10,5\n", "a").separator(), ';');
  EXPECT_EQ(CsvReader("alone\n1;2\n", "a").separator(), ',');
}
