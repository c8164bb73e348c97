#include "hadal/io/pickle.h"

#include "hadal/io/file.h"

#include "tests/io/hostile.h"

using namespace hadal;

TEST(Pickle, ReadsEveryProtocol) {
  for (int protocol = 0; protocol <= 5; ++protocol) {
    const auto text = read_file(test::golden(fmt::format("io/protocol{}.pkl", protocol)));
    const Pickle pickle(text, "x.pkl");
    const auto& top = pickle.root();
    ASSERT_EQ(top.kind, PickleNode::kDict) << protocol;
    EXPECT_EQ(pickle.length(), text.size());
    EXPECT_EQ(pickle.get(top, "none")->kind, PickleNode::kNone);
    EXPECT_EQ(pickle.get(top, "yes")->number, 1);
    EXPECT_EQ(pickle.get(top, "int")->number, -5);
    EXPECT_EQ(pickle.get(top, "big")->kind, PickleNode::kInt);
    EXPECT_FALSE(pickle.get(top, "big")->text.empty());
    EXPECT_EQ(pickle.get(top, "float")->real, 1.25);
    EXPECT_EQ(pickle.get(top, "text")->text, "\u00e9\n'") << protocol;
    const auto& list = *pickle.get(top, "list");
    ASSERT_EQ(list.items.size(), 2);
    EXPECT_EQ(pickle[pickle[list.items[1]].items[1]].number, 3);
    EXPECT_EQ(pickle.class_of(*pickle.get(top, "object")), "collections OrderedDict");
  }
}

TEST(Pickle, RefusesCodeAndNamesItWithItsPlace) {
  EXPECT_ERROR(Pickle("cos\nsystem\n(S'ls'\ntR.", "x", 100), "x: pickle at byte 100: refused: it names \"os.system\"");
  EXPECT_ERROR(Pickle("(S'ls'\nios\nsystem\n.", "x"), "os.system");
  EXPECT_ERROR(Pickle("\x80\x04\x8c\x08"
                      "builtins\x8c\x04"
                      "eval\x93.",
                      "x"),
               "pickle at byte 18: refused: it names "
               "\"builtins.eval\"");
  for (const auto* name : {"builtins\nexec", "__builtin__\ngetattr", "builtins\n__import__", "posix\nsystem",
                           "nt\nsystem", "subprocess\nPopen", "sys\nexit", "shutil\nrmtree", "socket\nsocket",
                           "runpy\nrun_path", "os.path\njoin", "importlib\nimport_module"})
    EXPECT_ERROR(Pickle(fmt::format("c{}\n.", name), "x"), "run code");
  EXPECT_EQ(Pickle("cbuiltins\nset\n.", "x").root().text, "builtins set");
}

// Whole models hold them: norm_layer = partial(LayerNorm, eps=1e-6).
TEST(Pickle, PartialsAndNamespacesAreData) {
  const Pickle partial("cfunctools\npartial\n(ctorch.nn\nLayerNorm\ntR(ctorch.nn\nLayerNorm\n(tNNtb.", "x");
  EXPECT_EQ(partial.class_of(partial.root()), "functools partial");
  EXPECT_EQ(Pickle("ctypes\nSimpleNamespace\n)R.", "x").root().kind, PickleNode::kObject);
  EXPECT_ERROR(Pickle("cfunctools\npartial\n(cos\nsystem\nS'ls'\ntR)R.", "x"), "refused: it names \"os.system\"");
  EXPECT_ERROR(Pickle("ctypes\nFunctionType\n.", "x"), "refused: it names \"types.FunctionType\"");
}

TEST(Pickle, RefusesNonsense) {
  const auto refuse = [](std::string text, const char* why) { EXPECT_ERROR(Pickle(text, "x"), why); };
  refuse("", "cut off");
  refuse(".", "takes more than there is");
  refuse("\x80\x07N.", "protocol 7");
  refuse(
      "X\xff\xff\xff\xff"
      "abc.",
      "cut off");
  refuse("h\x01.", "nothing was remembered as 1");
  refuse("K\x01]R.", "calls what is no class or function");
  refuse(
      "K\x01K\x02"
      "a.",
      "no container");
  refuse(
      "(K\x01"
      "a.",
      "takes more than there is");
  refuse("t.", "no mark");
  refuse("}(K\x01u.", "a key without a value");
  refuse("\x82\x01.", "unknown opcode 0x82");
  refuse("Iabc\n.", "not a whole number");
  refuse("c" + std::string(2000, 'a') + "\nb\n.", "thousand letters");
}

TEST(Pickle, DepthCyclesAndBombsCostLittle) {
  std::string deep(1000000, ']');
  deep += std::string(999999, 'a') + ".";
  EXPECT_EQ(Pickle(deep, "x").root().items.size(), 1);
  const Pickle cycle(std::string("]q\0h\0a.", 7), "x");
  EXPECT_EQ(&cycle[cycle.root().items[0]], &cycle.root());
  EXPECT_EQ(Pickle(std::string("Nr\xff\xff\xff\xff.", 7), "x").root().kind, PickleNode::kNone);
  EXPECT_ERROR(Pickle(std::string(size_t{9} << 20, 'N'), "x"), "opcodes");
}

TEST(Pickle, DamageNeverCrashes) {
  for (int protocol = 0; protocol <= 5; ++protocol)
    test::damage_everywhere(
        [](auto bytes) { Pickle({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "damaged"); },
        read_file(test::golden(fmt::format("io/protocol{}.pkl", protocol))), true);
}
