#include "hadal/io/yaml.h"

#include "tests/support/support.h"

using namespace hadal;

TEST(Yaml, ReadsWhatDataSetsWrite) {
  const auto data = parse_yaml(
      "# COCO8\npath: ../datasets/coco8 # root\ntrain: images/train\nval: 'images/it''s'\ntest:\nnc: 3\n"
      "names:\n  0: person\n  1: \"traffic: light\" # two\n  2: null\nkpt_shape: [17, 3]\nflip_idx: [0, 2,\n   1]\n"
      "download: |\n  from x import y\n  a: [\nshare: .5\nurl: http://a.b/c#d\nlist:\n- a\n- b: 1\n  c: {x: 1, y: [2, "
      "z]}\n"
      "-\n  - s\n  - t\n- - u\n  - -3\nflags: [true, 'true', 1.5e3, '']\n",
      "data.yaml");
  EXPECT_EQ(data["path"], "../datasets/coco8");
  EXPECT_EQ(data["val"], "images/it's");
  EXPECT_TRUE(data["test"].is_null());
  EXPECT_EQ(data["nc"], 3);
  EXPECT_EQ(data["names"]["1"], "traffic: light");
  EXPECT_TRUE(data["names"]["2"].is_null());
  EXPECT_EQ(data["kpt_shape"], nlohmann::json({17, 3}));
  EXPECT_EQ(data["flip_idx"], nlohmann::json({0, 2, 1}));
  EXPECT_EQ(data["download"], "from x import y\na: [\n");
  EXPECT_EQ(data["share"], 0.5);
  EXPECT_EQ(data["url"], "http://a.b/c#d");
  EXPECT_EQ(data["list"].dump(), R"(["a",{"b":1,"c":{"x":1,"y":[2,"z"]}},["s","t"],["u",-3]])");
  EXPECT_EQ(data["flags"].dump(), R"([true,"true",1500.0,""])");
  EXPECT_TRUE(parse_yaml("# nothing\n", "f").is_null());
  EXPECT_EQ(parse_yaml("---\n- a\n", "f").dump(), R"(["a"])");
  EXPECT_EQ(parse_yaml("\xEF\xBB\xBF"
                       "a: 1\n",
                       "f")
                .dump(),
            R"({"a":1})");
}

TEST(Yaml, MistakesSayTheirLine) {
  EXPECT_ERROR(parse_yaml("a: 1\na: 2\n", "d.yaml"), "d.yaml line 2: the key \"a\" stands here twice");
  EXPECT_ERROR(parse_yaml("a:\n\tb: 1\n", "d.yaml"), "d.yaml line 2: a tab indents");
  EXPECT_ERROR(parse_yaml("a: [1, 2\n", "d.yaml"), "a bracket is never closed");
  EXPECT_ERROR(parse_yaml("a: 'x\n", "d.yaml"), "a quote is never closed");
  EXPECT_ERROR(parse_yaml("a: *b\n", "d.yaml"), "anchors and tags (\"*b\") are not read");
  EXPECT_ERROR(parse_yaml("a: 1\n  b: 2\n", "d.yaml"), "d.yaml line 2: is indented by 2, which fits nothing above");
  EXPECT_ERROR(parse_yaml("a: 1\nb\n", "d.yaml"), "line 2: \"b\" is no \"key: value\"");
  EXPECT_ERROR(parse_yaml("a: [1] 2\n", "d.yaml"), "\"2\" stands behind the value");
  EXPECT_ERROR(parse_yaml("a: {b}\n", "d.yaml"), "\"b\" wants a value");
  EXPECT_ERROR(parse_yaml(std::string(200, '['), "d.yaml"), "never closed");
  EXPECT_ERROR(parse_yaml(std::string(100, '[') + std::string(100, ']'), "d.yaml"), "deeper than 64");
  std::string dashes;
  for (int i = 0; i < 100; ++i) dashes += "- ";
  EXPECT_ERROR(parse_yaml(dashes + "x", "d.yaml"), "deeper than 64");
}
