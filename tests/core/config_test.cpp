#include "hadal/core/config.h"

#include <cmath>

#include "hadal/core/catalog.h"
#include "hadal/core/utf8.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

struct Inner {
  double rate = 0.5;
  std::vector<std::string> names;
  static Fields<Inner> fields() {
    return {{"rate", &Inner::rate, "how fast", above(0)}, {"names", &Inner::names, "class names"}};
  }
};

struct SgdLike {
  double lr = 0.1;
  int64_t steps = 4;
  static Fields<SgdLike> fields() {
    return {{"lr", &SgdLike::lr, "rate", above(0)}, {"steps", &SgdLike::steps, "steps", at_least(1)}};
  }
  void validate() const { require(steps * lr < 10, "[sgd] lr ({}) x steps ({}) must stay below 10", lr, steps); }
};

const Catalog<double>& optimizers() {
  static const auto catalog = [] {
    Catalog<double> made("optimizer");
    made.add("sgd", "plain", SgdLike{}, [](const SgdLike& c) { return c.lr * static_cast<double>(c.steps); });
    made.add("slow", "slow", SgdLike{.lr = 0.01}, [](const SgdLike& c) { return c.lr; });
    return made;
  }();
  return catalog;
}

struct Outer {
  int64_t epochs = 3;
  bool fast = false;
  std::optional<bool> first;
  std::string mode = "plain";
  std::vector<int64_t> sizes = {1, 2};
  Inner inner;
  Part optimizer{"sgd", {}};
  static Fields<Outer> fields() {
    return {{"epochs", &Outer::epochs, "passes over the data", between(1, 100)},
            {"fast", &Outer::fast, "hurry"},
            {"first", &Outer::first, "which end"},
            {"mode", &Outer::mode, "how", one_of({"plain", "fancy"})},
            {"sizes", &Outer::sizes, "widths", at_least(1)},
            {"inner", &Outer::inner, "nested"},
            {"optimizer", &Outer::optimizer, "what moves the weights", optimizers().kinds()}};
  }
};

Outer read(const std::string& toml) {
  Outer config;
  read_config(config, parse_toml(toml, "test.toml"));
  return config;
}

Outer words(std::vector<std::pair<std::string, std::string>> given) {
  Table table;
  for (const auto& [path, text] : given) table.set_path(path, Word{text});
  Outer config;
  read_config(config, table);
  return config;
}

}  // namespace

TEST(Config, AFlagMayBeFoundOut) {
  EXPECT_EQ(read("first = 'auto'").first, std::nullopt);
  EXPECT_EQ(read("first = false").first, false);
  EXPECT_EQ(words({{"first", "yes"}}).first, true);
  EXPECT_EQ(words({{"first", "auto"}}).first, std::nullopt);
  EXPECT_EQ(write_config(Outer{}).find("first")->text(), "\"auto\"");
  EXPECT_ERROR(read_integer(Word{"0"}, "n", between(1, 10'000'000)), "got \"0\"; example: n=10");
  EXPECT_ERROR(words({{"first", "maybe"}}), "first wants true, false or auto, got \"maybe\"; example: first=auto");
}

TEST(Config, ReadsTomlWithSectionsAndParts) {
  const auto config =
      read("epochs = 7\nfast = true\nsizes = [3]\noptimizer = 'slow'\n[inner]\nrate = 2\nnames = ['a', 'b']\n");
  EXPECT_EQ(config.epochs, 7);
  EXPECT_TRUE(config.fast);
  EXPECT_EQ(config.sizes, std::vector<int64_t>{3});
  EXPECT_EQ(config.inner.rate, 2);
  EXPECT_EQ(config.inner.names.at(1), "b");
  EXPECT_EQ(optimizers().make(config.optimizer), 0.01);
}

TEST(Config, ReadsWordsByTheTypeOfTheirSetting) {
  const auto config = words({{"epochs", "9"},
                             {"mode", "fancy"},
                             {"inner.names", "1,true"},
                             {"inner.rate", "1e-3"},
                             {"sizes", "[4, 5]"},
                             {"optimizer", "sgd"},
                             {"optimizer.lr", "0.25"}});
  EXPECT_EQ(config.epochs, 9);
  EXPECT_EQ(config.inner.names, (std::vector<std::string>{"1", "true"}));
  EXPECT_EQ(config.inner.rate, 1e-3);
  EXPECT_EQ(config.sizes.at(1), 5);
  EXPECT_EQ(optimizers().make(config.optimizer), 1.0);
}

TEST(Config, WritesWhatItReads) {
  auto config = read(
      "epochs = 7\n[inner]\nrate = 1e-5\nnames = ['quote \" and \\\\']\n[optimizer]\nname = 'sgd'\nlr = 3\nsteps = 2");
  config.optimizer = optimizers().resolve(config.optimizer);
  const auto text = to_toml(write_config(config));
  EXPECT_THAT(text, testing::HasSubstr("[optimizer]\nname = \"sgd\"\nlr = 3.0\nsteps = 2\n"));
  auto again = read(text);
  again.optimizer = optimizers().resolve(again.optimizer);
  EXPECT_EQ(to_toml(write_config(again)), text);
}

TEST(Config, MistakesSayWhatWouldBeRight) {
  EXPECT_ERROR(read("epoch = 3"), "unknown setting epoch; nearest: epochs");
  EXPECT_ERROR(read("[inner]\nrte = 3"), "unknown setting inner.rte; nearest: rate");
  EXPECT_ERROR(read("epochs = 'many'"), "epochs wants an integer from 1 to 100, got \"many\"; example: epochs=51");
  EXPECT_ERROR(words({{"epochs", "3.5"}}), "epochs wants an integer from 1 to 100, got \"3.5\"");
  EXPECT_ERROR(words({{"epochs", "101"}}), "epochs wants an integer from 1 to 100, got \"101\"");
  EXPECT_ERROR(words({{"inner.rate", "0"}}), "inner.rate wants a number above 0, got \"0\"; example: inner.rate=1");
  for (const auto* none : {"nan", "inf"})
    EXPECT_ERROR(words({{"inner.rate", none}}), "inner.rate wants a number above 0");
  EXPECT_ERROR(read("[inner]\nrate = inf"), "inner.rate wants a number above 0, got inf");
  EXPECT_ERROR(words({{"fast", "maybe"}}), "fast wants true or false, got \"maybe\"");
  EXPECT_ERROR(words({{"mode", "fanci"}}), "mode = \"fanci\" is not known; nearest: fancy");
  EXPECT_ERROR(words({{"sizes", "1,x"}}), "sizes wants an integer of at least 1, got \"x\"");
  EXPECT_ERROR(words({{"optimizer", "sdg"}}), "optimizer \"sdg\" is not known; nearest: sgd");
  EXPECT_ERROR(words({{"optimizer", "sgd"}, {"optimizer.rl", "1"}}),
               "unknown setting optimizer.rl of \"sgd\"; nearest: lr");
  EXPECT_ERROR(words({{"inner", "3"}}), "inner wants a section with settings");
  EXPECT_ERROR(read("epochs = = 3"), "test.toml:1:10:");
  EXPECT_ERROR(optimizers().make({"sgd", Table{{"lr", 8.0}}}), "[sgd] lr (8) x steps (4) must stay below 10");
  EXPECT_ERROR(optimizers().make({"sgd", Table{{"lr", -1.0}}}), "sgd.lr wants a number above 0, got -1.0");
  EXPECT_ERROR(optimizers().at("sgdd"), "unknown optimizer \"sgdd\"; nearest: sgd");
}

TEST(Config, HelpNamesEverySettingWithItsDefault) {
  const auto help = Schema::of(Outer{}).help();
  for (const auto* line :
       {"epochs=3", "inner.rate=0.5", "optimizer=\"sgd\"", "sgd | slow", "plain | fancy", "from 1 to 100"})
    EXPECT_THAT(help, testing::HasSubstr(line));
}

TEST(Config, HelpShowsTheSettingsOfChosenParts) {
  const auto schema = Schema::of(Outer{});
  EXPECT_THAT(schema.help(), testing::Not(testing::HasSubstr("optimizer.lr")));
  const Table none, slow = {{"optimizer", "slow"}}, whole = {{"optimizer", Table{{"name", "slow"}, {"lr", 3.0}}}};
  EXPECT_THAT(schema.help("", &none), testing::HasSubstr("optimizer.lr=0.1\n      rate. number above 0"));
  for (const auto& chosen : {slow, whole}) {
    const auto help = schema.help("", &chosen);
    EXPECT_THAT(help, testing::HasSubstr("optimizer=\"slow\""));
    EXPECT_THAT(help, testing::HasSubstr("optimizer.lr=0.01"));
    EXPECT_THAT(help, testing::HasSubstr("optimizer.steps=4"));
  }
}

TEST(Config, FindsASettingByItsLastName) {
  const auto schema = Schema::of(Outer{});
  EXPECT_EQ(schema.paths_to("rate", {}), std::vector<std::string>{"inner.rate"});
  EXPECT_EQ(schema.paths_to("lr", {}), std::vector<std::string>{"optimizer.lr"});
  EXPECT_TRUE(schema.paths_to("nothing", {}).empty());
  // Through a section into the part that is usual there.
  struct Whole {
    Outer train;
    static Fields<Whole> fields() { return {{"train", &Whole::train, "how to train"}}; }
  };
  EXPECT_EQ(Schema::of(Whole{}).paths_to("lr", {}), std::vector<std::string>{"train.optimizer.lr"});
}

TEST(Config, OfSeveralSettingsTheOutermostIsMeant) {
  EXPECT_EQ(outermost({"a.b.lr"}), "a.b.lr");
  EXPECT_EQ(outermost({"a.b.lr", "a.b.c.lr"}), "a.b.lr");
  EXPECT_EQ(outermost({"a.b.c.lr", "a.b.lr"}), "a.b.lr");
  EXPECT_EQ(outermost({"a.lr", "b.c.lr"}), std::nullopt);
  EXPECT_EQ(outermost({"a.b.lr", "a.c.lr"}), std::nullopt);
  EXPECT_EQ(outermost({}), std::nullopt);
}

TEST(Value, TextsComeBackFromToml) {
  std::string all;
  for (char32_t code = 0; code < 0x300; ++code) all += to_utf8(code);
  for (const char32_t code : {0x2028, 0x2029, 0xFEFF, 0xFFFD, 0xFFFE, 0x1F600, 0x10FFFF}) all += to_utf8(code);
  std::string plain;  // nothing that wants an escape
  for (char32_t code = 0; code < 0x300; ++code)
    if (code == '\t' || code == '\n' || (code >= 0x20 && code != 0x7F)) plain += to_utf8(code);
  const std::string json = "{\"a\\n\": \"\\\"\U0001F600\u2028'\",\n\n\t\"b\": ''}\n";
  std::vector<std::string> texts = {"", "\n", all, plain, json, "'''", "\r\n", "a\\\nb"};
  for (const auto& piece : {all, plain, json}) {
    std::string text;
    while (text.size() < 5000) text += piece;
    texts.insert(texts.end(),
                 {text, "\n" + text, text + "'", "'" + text, text + "'''" + text, text + "\\", text + "\r"});
  }
  for (const auto& text : texts) {
    const Table table{{"before", 1}, {"text", text}, {"below", Table{{text, text}, {"list", List{text}}}}};
    EXPECT_TRUE(parse_toml(to_toml(table), "t") == table) << text.substr(0, 40) << " of " << text.size();
  }
  std::string quotes;
  for (int i = 0; i < 1000; ++i) quotes += "\"\\";
  EXPECT_LT(to_toml({{"text", quotes}}).size(), quotes.size() + 30) << "no escapes";
}

TEST(Value, AnEmptyTableIsNoSection) {
  const Table table{{"a", Table{}}, {"b", Table{{"c", Table{}}}}};
  EXPECT_EQ(to_toml(table), "a = {}\n\n[b]\nc = {}\n");
  EXPECT_EQ(parse_toml(to_toml(table), "t"), table);
}

TEST(Value, TablesMergeAndKeepTheirOrder) {
  auto table = parse_toml("b = 1\na = 2\n[c]\nx = 1\ny = 2", "t");
  table.merge(parse_toml("a = 3\n[c]\ny = 5", "t"));
  EXPECT_EQ(to_toml(table), "b = 1\na = 3\n\n[c]\nx = 1\ny = 5\n");
  EXPECT_EQ(*table.find_path("c.y")->get_if<int64_t>(), 5);
  table.set_path("d", Word{"adam"});
  table.set_path("d.lr", 0.5);
  EXPECT_EQ(table.find("d")->text(), "{ name = \"adam\", lr = 0.5 }");
  EXPECT_ERROR(table.set_path("a.b", 1), "a = 3 is a value");
}

TEST(Config, APartWithoutItsNameKeepsTheOneItHas) {
  const auto config = words({{"optimizer.lr", "0.5"}});
  EXPECT_EQ(config.optimizer.name, "sgd");
  EXPECT_EQ(optimizers().make(config.optimizer), 2.0);
}

TEST(Config, WhatAProgramHasSetIsHeldAgainstTheLimits) {
  EXPECT_NO_THROW(validate_config(SgdLike{}));
  EXPECT_ERROR(validate_config(SgdLike{.steps = 0}, "sgd"), "sgd.steps wants an integer of at least 1, got 0");
  EXPECT_ERROR(validate_config(SgdLike{.lr = 3}, "sgd"), "[sgd] lr (3) x steps (4) must stay below 10");
}
