#include <nlohmann/json.hpp>

#include "hadal/data/text/bert_text.h"
#include "hadal/data/text/huggingface.h"
#include "hadal/data/text/text_split.h"
#include "hadal/io/file.h"

#include "tests/support/support.h"

using namespace hadal;
using Ids = std::vector<int64_t>;
using Json = nlohmann::json;

namespace {

const Json& golden_file() {
  static const auto json = Json::parse(read_file(test::golden("text/wordpiece.json")));
  return json;
}

const Json& golden_case(const std::string& name) {
  for (const auto& item : golden_file()["cases"])
    if (item["name"] == name) return item;
  fail("no case {}", name);
}

Json json_of(const std::string& name) { return Json::parse(golden_case(name)["tokenizer"].get<std::string>()); }

void expect_rows(const Tokenizer& made, const std::string& name) {
  const auto& texts = golden_file()["texts"];
  const auto& rows = golden_case(name)["rows"];
  ASSERT_EQ(texts.size(), rows.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto text = texts[i].get<std::string>();
    const auto ids = made.encode(text);
    EXPECT_EQ(ids, rows[i][0].get<Ids>()) << name << ": " << text;
    EXPECT_EQ(made.decode(ids), rows[i][1].get<std::string>()) << name << ": " << text;
  }
}

/// The vocabulary of a case as lines by id.
std::string lines_of(const std::string& name) {
  std::map<int64_t, std::string> tokens;
  const auto json = json_of(name);
  for (const auto& [token, id] : json["model"]["vocab"].items()) tokens[id.get<int64_t>()] = token;
  std::string out;
  for (const auto& [id, token] : tokens) out += token + "\n";
  return out;
}

constexpr auto kFew = "[UNK]\n[CLS]\n[SEP]\nthe\nwalk\n##ing\nü\n";

}  // namespace

TEST(WordPiece, GivesHuggingFacesIds) {
  if (!has_unicode_library()) GTEST_SKIP() << "a core-only build has no Unicode library";
  for (const auto& item : golden_file()["cases"])
    expect_rows(*parse_huggingface(item["tokenizer"].get<std::string>(), "t.json"), item["name"]);
}

TEST(WordPiece, CasedTextsNeedNoUnicodeLibrary) {
  expect_rows(*parse_huggingface(golden_case("cased")["tokenizer"].get<std::string>(), "t.json"), "cased");
}

TEST(WordPiece, KnowsItsTokensByName) {
  if (!has_unicode_library()) GTEST_SKIP() << "a core-only build has no Unicode library";
  for (const auto* name : {"uncased", "accents"}) {  // a template, and BertProcessing
    const auto made = parse_huggingface(golden_case(name)["tokenizer"].get<std::string>(), "t.json");
    EXPECT_EQ(made->begin(), 2);
    EXPECT_EQ(made->special("[SEP]"), 3);
    EXPECT_EQ(made->special("[MASK]"), 4);
    EXPECT_EQ(made->special("the"), std::nullopt);
  }
  const auto made = parse_huggingface(golden_case("accents")["tokenizer"].get<std::string>(), "t.json");
  EXPECT_EQ(made->size(), 801);
  EXPECT_ERROR(made->decode(Ids{801}), "[tokenizer] there is no token 801; ids are 0 to 800");
}

TEST(WordPiece, ReadsVocabTxtWithWhatLiesBesideIt) {
  if (!has_unicode_library()) GTEST_SKIP() << "a core-only build has no Unicode library";
  const test::TemporaryFolder folder;
  write_file(folder / "vocab.txt", lines_of("uncased"));
  const auto make = [&] { return tokenizers().make({"huggingface", {{"path", folder.path().string()}}}, ""); };
  write_file(folder / "tokenizer_config.json", R"({"do_lower_case": true, "strip_accents": null})");
  expect_rows(*make(), "uncased");
  EXPECT_EQ(make()->begin(), 2);
  EXPECT_EQ(make()->special("[MASK]"), 4);
  EXPECT_EQ(make()->settings().find("path")->text(), "\"" + folder.path().string() + "\"");
  // Windows' ends of lines, no settings at all.
  std::filesystem::remove(folder / "tokenizer_config.json");
  auto lines = lines_of("cased");
  for (size_t at = 0; (at = lines.find('\n', at)) != std::string::npos; at += 2) lines.replace(at, 1, "\r\n");
  write_file(folder / "vocab.txt", lines);
  expect_rows(*make(), "cased");
  // A tokenizer.json counts before it.
  write_file(folder / "tokenizer.json", golden_case("uncased")["tokenizer"].get<std::string>());
  expect_rows(*make(), "uncased");
}

TEST(WordPiece, SettingsBesideVocabTxtCount) {
  const auto made = [](const std::string& config, const std::string& special = "") {
    return parse_bert_vocabulary(kFew, "v.txt", {.config = config, .special = special});
  };
  if (has_unicode_library()) {
    EXPECT_EQ(made("")->encode("The walking \u00dc"), (Ids{3, 4, 5, 0}));
    EXPECT_EQ(made(R"({"strip_accents": false})")->encode("The \u00dc"), (Ids{3, 6}));
  }
  const auto cased = made(R"({"do_lower_case": false})");
  EXPECT_EQ(cased->encode("The the \u00fc[SEP]"), (Ids{0, 3, 6, 2}));
  EXPECT_EQ(cased->special("[MASK]"), std::nullopt);
  const auto named = made(R"({"do_lower_case": false, "cls_token": {"content": "walk"}})", R"({"sep_token": "the"})");
  EXPECT_EQ(named->begin(), 4);
  EXPECT_EQ(named->special("the"), 3);
  const auto added = made(R"({"do_lower_case": false, "added_tokens_decoder": {"1": {"content": "[CLS]"},
      "9": {"content": "<x>", "lstrip": true}}})");
  EXPECT_EQ(added->encode("the  <x>"), (Ids{3, 9}));
  EXPECT_EQ(added->size(), 10);
  EXPECT_EQ(added->begin(), 1);
  const auto beside = parse_bert_vocabulary(kFew, "v.txt",
                                            {R"({"<y>": 7, "[SEP]": 2})", R"({"do_lower_case": false})",
                                             R"({"additional_special_tokens": ["walk", "<nowhere>"]})"});
  EXPECT_EQ(beside->encode("the<y>walk[SEP]"), (Ids{3, 7, 4, 2}));
  EXPECT_EQ(beside->size(), 8);
  EXPECT_EQ(beside->special("walk"), 4);
}

TEST(WordPiece, BrokenUtf8GoesWithTheControlCharacters) {
  const auto made = parse_bert_vocabulary(kFew, "v.txt", {.config = R"({"do_lower_case": false})"});
  EXPECT_EQ(made->encode("wa\xfflk\xc3 the"), (Ids{4, 3}));
  EXPECT_EQ(bert_clean("a\x80\u4e2dB", {.strip_accents = false, .lower = false}), "a \u4e2d B");
}

TEST(WordPiece, AVeryLongWordIsOneUnknown) {
  auto json = json_of("cased");
  json["model"]["max_input_chars_per_word"] = int64_t{1} << 40;
  const auto made = parse_huggingface(json.dump(), "t.json");
  // Quadratic in the word's length this would take minutes.
  const std::string word(1'000'000, 'x');
  EXPECT_EQ(made->decode(made->encode(word)).size(), word.size());
  EXPECT_EQ(made->encode(word + "\u0f00"), Ids{1});
}

TEST(WordPiece, MistakesSayWhere) {
  const auto refuse = [](const std::string& pointer, const Json& value, const std::string& text) {
    auto json = json_of("cased");
    json[Json::json_pointer(pointer)] = value;
    EXPECT_ERROR(parse_huggingface(json.dump(), "t.json"), text);
  };
  refuse("/model/vocab/zz", -1, "is -1, expected 0 to ");
  refuse("/model/max_input_chars_per_word", "x", "t.json: model.max_input_chars_per_word wants a whole number");
  refuse("/model/continuing_subword_prefix", 3, "model.continuing_subword_prefix wants a text");
  refuse("/normalizer/lowercase", "yes", "normalizer.lowercase wants true or false");
  refuse("/post_processor", {{"type", "BertProcessing"}}, "post_processor has no \"cls\"");
  refuse("/post_processor", {{"type", "BertProcessing"}, {"cls", Json::array()}}, "post_processor.cls has 0 entries");
  auto json = json_of("cased");
  json["model"]["unk_token"] = "<none>";
  EXPECT_ERROR(parse_huggingface(json.dump(), "t.json")->encode("\u0f00"),
               "the vocabulary of t.json has no token for \"\u0f00\"");

  EXPECT_ERROR(parse_bert_vocabulary("the\nwalk\n", "v.txt"),
               "v.txt: no line is \"[UNK]\", the token for what is unknown");
  EXPECT_ERROR(parse_bert_vocabulary("[UNK]\n\xff\n", "v.txt"), "v.txt at byte 6: not UTF-8");
  const auto beside = [](const std::string& config) {
    return parse_bert_vocabulary(kFew, "v.txt", {.config = config});
  };
  EXPECT_ERROR(beside("{"), "tokenizer_config.json beside v.txt at byte");
  EXPECT_ERROR(beside("[]"), "tokenizer_config.json beside v.txt: wants a table, got array");
  EXPECT_ERROR(beside(R"({"do_lower_case": 1})"),
               "tokenizer_config.json beside v.txt: do_lower_case wants true or false");
  EXPECT_ERROR(beside(R"({"cls_token": 1})"), "tokenizer_config.json beside v.txt: cls_token wants a text");
  EXPECT_ERROR(beside(R"({"added_tokens_decoder": {"x": {}}})"),
               "tokenizer_config.json beside v.txt: added_tokens_decoder has \"x\" for the number of a token");
  EXPECT_ERROR(beside(R"({"added_tokens_decoder": {"99999999999": {"content": "x"}}})"), "is 99999999999, expected 0");
  EXPECT_ERROR(parse_bert_vocabulary(kFew, "v.txt", {.added = R"({"the": 9})"}),
               "added_tokens.json beside v.txt: gives \"the\" the number 9, and the vocabulary 3");
}
