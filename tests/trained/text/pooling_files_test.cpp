#include "hadal/trained/text/pooling_files.h"

#include "hadal/io/file.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

std::string module(const std::string& type, const std::string& path = "") {
  return R"({"idx": 0, "name": "0", "path": ")" + path + R"(", "type": "sentence_transformers.models.)" + type + "\"}";
}

Pooling parsed(const std::string& config) {
  Pooling pooling;
  parse_pooling(config, "c.json", pooling);
  return pooling;
}

}  // namespace

TEST(PoolingFiles, AreReadAsTheyLieInAFolder) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(read_pooling(folder.path()).mode, PoolingMode::mean);
  EXPECT_TRUE(read_pooling(folder.path()).normalize);
  write_file(folder / "1_Pooling" / "config.json", R"({"word_embedding_dimension": 384, "pooling_mode_cls_token": true,
    "pooling_mode_mean_tokens": false, "pooling_mode_max_tokens": false})");
  EXPECT_EQ(read_pooling(folder.path()).mode, PoolingMode::cls);
  EXPECT_TRUE(read_pooling(folder.path()).normalize);

  write_file(folder / "modules.json", "[" + module("Transformer") + "," + module("Pooling", "1_Pooling") + "]");
  write_file(folder / "sentence_bert_config.json", R"({"max_seq_length": 256, "do_lower_case": false})");
  const auto plain = read_pooling(folder.path());
  EXPECT_EQ(plain.mode, PoolingMode::cls);
  EXPECT_FALSE(plain.normalize);
  EXPECT_EQ(plain.dim, 384);
  EXPECT_EQ(plain.longest, 256);
  write_file(folder / "modules.json", "[" + module("Transformer") + "," + module("Pooling", "1_Pooling") + "," +
                                          module("Normalize", "2_Normalize") + "]");
  EXPECT_TRUE(read_pooling(folder.path()).normalize);
  std::filesystem::remove(folder / "1_Pooling" / "config.json");
  EXPECT_ERROR(read_pooling(folder.path()), "1_Pooling/config.json");
}

TEST(PoolingFiles, EveryKindHasItsName) {
  EXPECT_EQ(parsed(R"({"pooling_mode_mean_tokens": true})").mode, PoolingMode::mean);
  EXPECT_EQ(parsed(R"({"pooling_mode_max_tokens": true})").mode, PoolingMode::max);
  EXPECT_EQ(parsed(R"({"pooling_mode_lasttoken": true})").mode, PoolingMode::last);
  EXPECT_EQ(parsed(R"({"pooling_mode_mean_sqrt_len_tokens": true})").mode, PoolingMode::root_mean);
  EXPECT_EQ(parsed(R"({"pooling_mode": "cls"})").mode, PoolingMode::cls);
}

TEST(PoolingFiles, MistakesSayWhere) {
  EXPECT_ERROR(parsed("{"), "c.json at byte");
  EXPECT_ERROR(parsed("[]"), "c.json: wants a table, got array");
  EXPECT_ERROR(parsed("{}"), "names 0 kinds of pooling (), expected one");
  EXPECT_ERROR(parsed(R"({"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true})"),
               "names 2 kinds of pooling (cls, mean), expected one");
  EXPECT_ERROR(parsed(R"({"pooling_mode_weightedmean_tokens": true})"),
               "wants the pooling \"weightedmean\", which Hadal does not have");
  EXPECT_ERROR(parsed(R"({"pooling_mode_mean_tokens": 1})"), "pooling_mode_mean_tokens wants true or false");
  EXPECT_ERROR(parsed(R"({"word_embedding_dimension": -4})"), "word_embedding_dimension is -4, expected 1 to");

  const auto steps = [](const std::string& list) { return parse_pooling_steps("[" + list + "]", "m.json"); };
  EXPECT_ERROR(parse_pooling_steps("{}", "m.json"), "m.json: wants a list");
  EXPECT_ERROR(steps(""), "m.json: has no Pooling behind its Transformer");
  EXPECT_ERROR(steps(module("Transformer")), "has no Pooling behind its Transformer");
  EXPECT_ERROR(steps(module("Pooling")), "\"sentence_transformers.models.Pooling\" is no step that Hadal has there");
  EXPECT_ERROR(steps(module("Transformer") + "," + module("Pooling") + "," + module("Dense")),
               "\"sentence_transformers.models.Dense\" is no step that Hadal has there");
  for (const auto* path : {"../other", "/etc", "a/../../b"})
    EXPECT_ERROR(steps(module("Transformer") + "," + module("Pooling", path)), "leads out of the folder");
}
