#include "hadal/data/text/labelled_text.h"

#include "hadal/io/file.h"

#include "tests/support/support.h"

using namespace hadal;
using Texts = std::vector<std::string>;

TEST(LabelledText, ReadsTablesByNameAndNumber) {
  const auto named = parse_labelled_texts("id,label,text\n1,good,\"fine, really\"\n2,bad,no\n", "t", "text", "label");
  EXPECT_EQ(named.texts, (Texts{"fine, really", "no"}));
  EXPECT_EQ(named.labels, (Texts{"good", "bad"}));
  const auto tabs = parse_labelled_texts("1\tsay \"x\"\n0\ty\n", "t", "2", "1");
  EXPECT_EQ(tabs.texts, (Texts{"say \"x\"", "y"}));
  EXPECT_EQ(tabs.labels, (Texts{"1", "0"}));
  const auto numbers = parse_labelled_texts("3\tgood\tfine\n1\tbad\tno\n", "t", "3", "2");
  EXPECT_EQ(numbers.texts, (Texts{"fine", "no"}));
  EXPECT_EQ(numbers.labels, (Texts{"good", "bad"}));
  EXPECT_EQ(parse_labelled_texts("[a] b,x\nc,y\n", "t", "1", "2").texts, (Texts{"[a] b", "c"}));
}

TEST(LabelledText, ReadsJsonLines) {
  const auto made = parse_labelled_texts(
      "{\"text\": \"a\\nb\", \"label\": \"x\"}\n\n{\"label\": 3, \"text\": \"\xC3\xBC\", \"more\": [1]}\n{\"text\": "
      "\"\", "
      "\"label\": true}",
      "t", "text", "label");
  EXPECT_EQ(made.texts, (Texts{"a\nb", "\xC3\xBC", ""}));
  EXPECT_EQ(made.labels, (Texts{"x", "3", "true"}));
}

TEST(LabelledText, MistakesNameTheLine) {
  const auto parse = [](const std::string& bytes) { return parse_labelled_texts(bytes, "t", "text", "label"); };
  EXPECT_ERROR(parse(""), "t: the file is empty; a text with its label at least is needed");
  EXPECT_ERROR(parse(" \n\n"), "t: the file is empty");
  EXPECT_ERROR(parse("text,label\n"), "a record of names, and no text behind it");
  EXPECT_ERROR(parse("text,klass\nx,y\n"), "there is no column \"label\"; the first record has \"text, klass\"");
  EXPECT_ERROR(parse("text,label\nx,\n"), "t line 2: no label in column \"label\"");
  EXPECT_ERROR(parse("text,label\nx\n"), "t line 2");
  EXPECT_ERROR(parse("text,label\ncaf\xE9,x\n"), "t at byte 14: not UTF-8");
  EXPECT_ERROR(parse("[\n {\"text\": \"a\", \"label\": 1}]"), "t: a JSON list; write one object a line");
  EXPECT_ERROR(parse("{\"text\": \"a\"}"), "t line 1: has no \"label\"");
  EXPECT_ERROR(parse("{\"text\": \"a\", \"label\": 1}\n{\"text\": 5, \"label\": 1}"),
               "t line 2: text wants a text, got number");
  EXPECT_ERROR(parse("{\"text\": \"a\", \"label\": null}"), "label wants a text, number or flag, got null");
  EXPECT_ERROR(parse("{\"text\": \"a\", "), "t line 1 at byte ");
  EXPECT_ERROR(parse_labelled_texts("a,b\n", "t", "1", "1"), "text and label are both column 1");
}

TEST(LabelledText, HoldsOutAShareThatNeverChanges) {
  test::TemporaryFolder folder;
  std::string table = "text,label\n";
  for (int i = 0; i < 400; ++i) table += fmt::format("text {},{}\n", i, i % 2);
  write_file(folder / "t.csv", table);
  const auto source = labelled_sources().make({"table", {{"path", (folder / "t.csv").string()}, {"val_share", 0.25}}});
  EXPECT_EQ(source.splits, (Texts{"train", "val"}));
  const auto train = source.open("train"), val = source.open("val");
  EXPECT_EQ(train.size() + val.size(), 400u);
  EXPECT_NEAR(static_cast<double>(val.size()), 100, 30);
  for (const auto& text : val.texts) EXPECT_EQ(std::count(train.texts.begin(), train.texts.end(), text), 0);
  EXPECT_EQ(source.open("val").texts, val.texts);
  const auto whole = labelled_sources().make({"table", {{"path", (folder / "t.csv").string()}, {"val_share", 0.0}}});
  EXPECT_EQ(whole.splits, Texts{"train"});
  EXPECT_EQ(whole.open("train").size(), 400u);
  EXPECT_ERROR(labelled_sources().make({"table", {}}), "data.path is not set: name a table of texts");
}

TEST(LabelledText, ReadsAFileAClass) {
  test::TemporaryFolder folder;
  EXPECT_ERROR(labelled_sources().make({"lines", {{"path", folder.path().string()}}}), "no train.CLASS files are here");
  write_file(folder / "train.en", "one\ntwo\n");
  write_file(folder / "train.de", "eins\n");
  write_file(folder / "test.de", "drei\n");
  const auto source = labelled_sources().make({"lines", {{"path", folder.path().string()}}});
  EXPECT_EQ(source.splits, (Texts{"train", "test"}));
  EXPECT_ERROR(labelled_sources().make({"lines", {{"path", folder.path().string()}, {"test", "typo"}}}),
               "no typo.CLASS files are here");
  EXPECT_EQ(source.open("train").texts, (Texts{"eins", "one", "two"}));
  EXPECT_EQ(source.open("train").labels, (Texts{"de", "en", "en"}));
}
