#include <nlohmann/json.hpp>

#include "hadal/data/text/bpe_tokenizer.h"
#include "hadal/data/text/huggingface.h"
#include "hadal/data/text/text_split.h"
#include "hadal/io/file.h"

#include "tests/support/support.h"

using namespace hadal;
using Ids = std::vector<int64_t>;

namespace {

std::vector<std::string> pieces(std::string_view text) {
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    const auto end = gpt2_piece_end(text, at);
    out.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return out;
}
using Pieces = std::vector<std::string>;

const nlohmann::json& golden() {
  static const auto json = nlohmann::json::parse(read_file(test::golden("text/tokenizers.json")));
  return json;
}

/// Every byte's rank, then "he", "ll", "hell".
std::string small_ranks() {
  std::string out;
  static constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (int byte = 0; byte < 256; ++byte)
    out += fmt::format("{}{}== {}\n", digits[byte >> 2], digits[(byte & 3) << 4], byte);
  return out + "aGU= 256\nbGw= 257\naGVsbA== 258\n";
}

}  // namespace

TEST(TextSplit, FollowsGpt2sPattern) {
  EXPECT_EQ(pieces("Hello  world's 42nd  "), (Pieces{"Hello", " ", " world", "'s", " 42", "nd", "  "}));
  EXPECT_EQ(pieces("we'll 'tis 'S\n\n x"), (Pieces{"we", "'ll", " '", "tis", " '", "S", "\n\n", " x"}));
  EXPECT_EQ(pieces("\u00fcber\u00a0\u3000\u65e5\u672c\u00bd!?"),
            (Pieces{"\u00fcber", "\u00a0", "\u3000", "\u65e5\u672c", "\u00bd", "!?"}));
  EXPECT_EQ(pieces("a\xff\xfe b\xc3"), (Pieces{"a", "\xff\xfe", " b", "\xc3"}));
  EXPECT_EQ(pieces(" "), Pieces{" "});
}

TEST(Bpe, GivesHuggingFacesIds) {
  if (!has_unicode_library()) GTEST_SKIP() << "a core-only build has no regular expressions";
  for (const auto& item : golden()["cases"]) {
    const auto name = item["name"].get<std::string>();
    const auto made = parse_huggingface(item["tokenizer"].get<std::string>(), name);
    for (const auto& row : item["rows"]) {
      const auto text = row["text"].get<std::string>();
      const auto ids = made->encode(text);
      EXPECT_EQ(ids, row["ids"].get<Ids>()) << name << ": " << text;
      EXPECT_EQ(made->decode(ids), row["decoded"].get<std::string>()) << name << ": " << text;
    }
  }
}

TEST(Bpe, LearnsWhatHuggingFacesTrainerLearns) {
  // The reference cuts each text by itself; here no piece may cross from one into the next.
  std::map<std::string, int64_t> counts;
  for (const auto& line : golden()["corpus"])
    for (const auto& piece : pieces(line.get<std::string>())) ++counts[piece];
  const std::vector<std::pair<std::string, int64_t>> words(counts.begin(), counts.end());
  const auto learned = train_bpe(words, 400, 0);
  const auto expected = golden()["merges"].get<std::vector<std::string>>();
  const auto same = bpe_from_merges(expected);
  EXPECT_EQ(learned.tokens, same.tokens);
  ASSERT_EQ(learned.merges.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(learned.merges[i].left, same.merges[i].left) << i;
    EXPECT_EQ(learned.merges[i].right, same.merges[i].right) << i;
  }
}

TEST(Bpe, IsMadeAgainFromItsSettings) {
  const auto first = tokenizers().make({"bpe", {{"size", 300}}}, "the theme of the thesis, the the\xff");
  EXPECT_LE(first->size(), 300);
  const auto again = tokenizers().make({"bpe", first->settings()}, "");
  const std::string text = "the other \xc3\xbc\xff\x00 the";
  EXPECT_EQ(again->size(), first->size());
  EXPECT_EQ(again->encode(text), first->encode(text));
  EXPECT_LT(first->encode(" the").size(), 4u);
  EXPECT_EQ(again->decode(again->encode(text)), text);
  EXPECT_ERROR(first->decode(Ids{first->size()}), "[tokenizer] there is no token");
  EXPECT_ERROR(tokenizers().make({"bpe", {{"size", 100}}}, "x"), "at least 256");
  EXPECT_ERROR(tokenizers().make({"bpe", {{"merges", List{"a b", "ab x", "zz q"}}}}, ""),
               "[bpe] merge 2 (\"zz q\") is no pair of tokens");
  EXPECT_ERROR(tokenizers().make({"bpe", {{"merges", List{"ab"}}}}, ""), "merge 0 (\"ab\")");
}

/// The scan for short words and the queue for long ones are two ways to one result.
TEST(Bpe, LongWordsMergeAsShortOnesDo) {
  const auto made = tokenizers().make({"bpe", {{"size", 320}, {"least", 1}}},
                                      "abcabcabcabc abababab aaaaaaa bcbcbcaabb aabbccaabbcc abcaabbabc");
  std::string word;
  uint64_t state = 7;
  for (int i = 0; i < 4000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    word += static_cast<char>('a' + (state >> 33) % 3);
  }
  const auto whole = made->encode(word);
  EXPECT_LT(whole.size(), 3000u);
  EXPECT_EQ(made->decode(whole), word);
  // Greedy by hand: apply every merge in its order.
  BpeTrainingConfig learned;
  read_config(learned, made->settings());
  const auto vocabulary = bpe_from_merges(learned.merges);
  for (const size_t length : {20, 95, 96, 97, 500, 4000}) {
    Ids symbols;
    for (const auto c : word.substr(0, length))
      symbols.push_back(std::find(vocabulary.tokens.begin(), vocabulary.tokens.end(), std::string(1, c)) -
                        vocabulary.tokens.begin());
    for (const auto& merge : vocabulary.merges)
      for (size_t i = 0; i + 1 < symbols.size(); ++i)
        if (symbols[i] == merge.left && symbols[i + 1] == merge.right) {
          symbols[i] = merge.into;
          symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        }
    EXPECT_EQ(made->encode(std::string_view(word).substr(0, length)), symbols) << length;
  }
}

TEST(Bpe, Gpt2sTextsGiveTheirIds) {
  const auto folder = test::data_folder() / "gpt2-bpe";
  NEEDS_DATA(folder);
  const auto made = tokenizers().make(
      {"tiktoken", {{"path", (folder / "gpt2.tiktoken").string()}, {"special", List{"<|endoftext|>"}}}}, "");
  EXPECT_EQ(made->size(), 50257);
  EXPECT_EQ(made->special("<|endoftext|>"), 50256);
  const auto expected = read_file(folder / "expected-ids.txt");
  int64_t texts = 0;
  for (size_t at = 0; at < expected.size();) {
    const auto end = std::min(expected.find('\n', at), expected.size());
    const auto line = expected.substr(at, end - at);
    at = end + 1;
    const auto arrow = line.find(" => ");
    if (arrow == std::string::npos) continue;
    const auto text = line.substr(0, arrow);
    Ids ids;
    for (const auto& id : nlohmann::json::parse("[" + line.substr(arrow + 4) + "]")) ids.push_back(id.get<int64_t>());
    EXPECT_EQ(made->encode(text), ids) << text;
    EXPECT_EQ(made->decode(ids), text);
    ++texts;
  }
  EXPECT_EQ(texts, 50);
}

TEST(Bpe, TiktokensMistakesNameTheLine) {
  const auto ranks = small_ranks();
  const auto made = parse_tiktoken(ranks, "gpt2", {"<|end|>"}, "r");
  EXPECT_EQ(made->size(), 260);
  EXPECT_EQ(made->encode("hello<|end|>hell"), (Ids{258, 'o', 259, 258}));
  EXPECT_EQ(made->decode(Ids{258, 259}), "hell<|end|>");
  EXPECT_ERROR(parse_tiktoken(ranks.substr(0, ranks.size() - 6), "gpt2", {}, "r"), "r line 259: ");
  EXPECT_ERROR(parse_tiktoken("IQ== 0\nI*== 1\n", "gpt2", {}, "r"), "r line 2: \"I*== 1\" is no token in base64");
  EXPECT_ERROR(parse_tiktoken("IQ== 0\nIg== 700\n", "gpt2", {}, "r"),
               "the rank is \"700\", expected 1 or a little more");
  EXPECT_ERROR(parse_tiktoken("IQ== 3\nIg== 3\n", "gpt2", {}, "r"), "the rank is \"3\", expected 4 or a little more");
  EXPECT_ERROR(parse_tiktoken("IQ== 0\n", "gpt2", {}, "r"), "the vocabulary has no token for the byte 0x00");
  EXPECT_ERROR(parse_tiktoken(std::string(4000, 'A') + " 0\n", "gpt2", {}, "r"), "a token of 3000 bytes");
  if (has_unicode_library()) EXPECT_ERROR(parse_tiktoken(ranks, "(a", {}, "r"), "is no regular expression: missing");
  EXPECT_ERROR(tokenizers().make({"tiktoken", {}}, ""), "tokenizer.path is not set");
}

TEST(Bpe, ReadsPatternsAsTheLibrariesBehindTokenizersDo) {
  if (!has_unicode_library()) return;
  auto syntax = PatternSyntax::oniguruma;
  const auto pieces = [&](const std::string& pattern, const std::string& text) {
    std::vector<std::string> out;
    TextPattern(pattern, syntax, "p").find_all(text, [&](const auto& match) {
      out.push_back(text.substr(match.begin, match.end - match.begin));
    });
    return out;
  };
  using Texts = std::vector<std::string>;
  EXPECT_EQ(pieces("[\\p{L}&&[^t]]+|t+", "attic"), (Texts{"a", "tt", "ic"}));
  EXPECT_EQ(pieces("[\\p{Lu}\\p{Ll}&&[^\\p{Han}]]*", "Hi\u4e2d"), Texts{"Hi"});
  EXPECT_EQ(pieces("[\\u4e00-\\u9fff]+|\\u0061", "a\u4e2d\u6587b"), (Texts{"a", "\u4e2d\u6587"}));
  EXPECT_EQ(pieces("[]&]+|\\[&&", "&]x[&&"), (Texts{"&]", "[&&"}));
  EXPECT_EQ(pieces("[[:digit:]&]+", "1&2"), Texts{"1&2"});
  EXPECT_EQ(pieces("[^a&&[^b]]+", "xxabcc"), (Texts{"xx", "bcc"}));  // all but an a that is no b
  EXPECT_EQ(pieces("[abc&&[bcd]]+", "abcd"), Texts{"bc"});
  EXPECT_EQ(pieces("[a-z[0-9]]+", "ab12 c]"), (Texts{"ab12", "c"}));
  EXPECT_EQ(pieces(" ?[^(\\s|[.,!?\u2026])]+", "Hi there, (you)"), (Texts{"Hi", " there", "you"}));  // BLOOM's
  EXPECT_EQ(pieces("[^\\W\\d]+", "ab1 c_"), (Texts{"ab", "c_"}));
  EXPECT_EQ(pieces("\\p{Han}+", "\u4ed6\uff1a\u4f60\u3002"), (Texts{"\u4ed6", "\u4f60"}));  // the script, no more
  EXPECT_EQ(pieces("\\P{Han}+|[^\\p{Han}]", "\u4ed6a\u3002"), Texts{"a\u3002"});
  EXPECT_EQ(pieces("\\w+", "\u0939\u093f x_\u00bd"), (Texts{"\u0939\u093f", "x_\u00bd"}));
  EXPECT_EQ(pieces("\\p{N}{1,3}+", "1234567 8"), (Texts{"1234567", "8"}));
  EXPECT_EQ(pieces("(a|b){,2}+c", "ababc"), Texts{"ababc"});
  EXPECT_EQ(pieces("^\\S+", "ab cd\nef gh"), (Texts{"ab", "ef"}));
  EXPECT_EQ(pieces("\\h+", "cafe g0"), (Texts{"cafe", "0"}));
  EXPECT_EQ(pieces("\\p{Letter}+|\\p{^Number}", "ab1 "), (Texts{"ab", " "}));
  syntax = PatternSyntax::rust;
  EXPECT_EQ(pieces("\\w+", "\u0939\u093f x_\u00bd"), (Texts{"\u0939\u093f", "x_"}));
  EXPECT_EQ(pieces("\\p{N}{1,3}+", "1234567"), (Texts{"123", "456", "7"}));
  EXPECT_EQ(pieces("^\\S+|\\s+$", "ab cd\nef \n"), (Texts{"ab", " \n"}));
  EXPECT_EQ(pieces("a$", "a\n"), Texts{});
  // Longer than the stack of compiled patterns, or with more ways back than a short text has.
  EXPECT_EQ(pieces("(?:[a-z]|\u00e9)+", std::string(200000, 'a')).size(), 1);
  EXPECT_EQ(pieces("\\s+(?!\\S)|\\s+|b", std::string(1200000, ' ') + "b").size(), 3);
  for (const auto* bad : {"[a&&[^b]", "[a&&", "[a[b]"}) EXPECT_ERROR(TextPattern(bad, syntax, "p"), "is no regular");
}

/// Published files lack the 13 bytes that UTF-8 never has; small ones lack more.
TEST(Bpe, NotEveryByteNeedsAToken) {
  const auto made = [](const std::string& model) {
    return parse_huggingface(R"({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false},
      "decoder": {"type": "ByteLevel"}, "model": {"type": "BPE", )" +
                                 model + "}}",
                             "t.json");
  };
  const auto some = made(R"("vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"])");
  EXPECT_EQ(some->encode("abb"), (Ids{2, 1}));
  EXPECT_ERROR(some->encode("abc"), "has no token for the byte 0x63 (and none for what is unknown)");
  EXPECT_EQ(made(R"("unk_token": "?", "vocab": {"a": 0, "?": 1}, "merges": [])")->encode("ba"), (Ids{1, 0}));
  // Characters are spelled in bytes where all of these have tokens.
  const auto spelled = parse_huggingface(R"({"model": {"type": "BPE", "byte_fallback": true, "unk_token": "?",
    "vocab": {"a": 0, "?": 1, "<0xC3>": 2, "<0xA9>": 3}, "merges": []}})",
                                         "t.json");
  EXPECT_EQ(spelled->encode("a\u00e9\u00e8"), (Ids{0, 2, 3, 1}));
}

TEST(Bpe, OfAddedTokensTheLongestIsFound) {
  std::string added;
  for (int i = 0; i < 300; ++i) added += fmt::format(R"({}{{"content": "<u{}>", "id": {}}})", i ? "," : "", i, 10 + i);
  const auto made = parse_huggingface(R"({"added_tokens": [)" + added + R"(, {"content": "<u1", "id": 2}],
    "model": {"type": "BPE", "unk_token": "?", "vocab": {"?": 0, "a": 1}, "merges": []}})",
                                      "t.json");
  EXPECT_EQ(made->encode("<u12>a<u1a<u299>"), (Ids{22, 1, 2, 1, 309}));
}

TEST(Bpe, WordsHoldTheirMarks) {
  if (!has_unicode_library()) return;
  EXPECT_EQ(unicode_form("\u0130STANBUL", "lower"), "i\u0307stanbul");
  const auto made =
      parse_huggingface(R"({"pre_tokenizer": {"type": "Whitespace"}, "model": {"type": "BPE", "unk_token": "?",
    "vocab": {"?": 0, "\u0915": 1, "\u093f": 2, "\u0915\u093f": 3, "x": 4}, "merges": ["\u0915 \u093f"]}})",
                        "t.json");
  EXPECT_EQ(made->encode("\u0915\u093f x"), (Ids{3, 4}));  // one word, as the tokenizers library has it
}

/// cl100k's first special token is not the next id behind its ranks; p50k's ranks leave that of one out.
TEST(Bpe, TiktokensIdsMayLeaveGaps) {
  const auto ranks = small_ranks() + "aGVsbG8= 262\n";  // hello
  const auto made = parse_tiktoken(ranks, "gpt2", {"<|end|>=260", "<|next|>", "<|far|>=300"}, "r");
  EXPECT_EQ(made->size(), 301);
  EXPECT_EQ(made->special("<|next|>"), 263);
  EXPECT_EQ(made->special("<|far|>"), 300);
  EXPECT_EQ(made->encode("hello<|end|>hell"), (Ids{262, 260, 258}));
  EXPECT_EQ(made->decode(Ids{262, 259, 260}), "hello<|end|>");
  EXPECT_ERROR(parse_tiktoken(ranks, "gpt2", {"<|end|>=258"}, "r"),
               "gives <|end|> the id 258, which another token has");
  EXPECT_ERROR(parse_tiktoken(ranks, "gpt2", {"<|a|>=300", "<|b|>=300"}, "r"), "gives <|b|> the id 300, which another");
  EXPECT_ERROR(parse_tiktoken(ranks, "gpt2", {"<|end|>=99999999"}, "r"), "the id 99999999; there are 263 ranks");
}

TEST(Bpe, KnowsTheTokenBeforeATextAndPutsItNowhere) {
  auto json = nlohmann::json::parse(golden()["cases"][0]["tokenizer"].get<std::string>());
  const auto begin = [&] { return parse_huggingface(json.dump(), "t.json")->begin(); };
  json["added_tokens"] = nlohmann::json::parse(R"([{"content": "<s>", "id": 1000}, {"content": "[B]", "id": 1001}])");
  json["post_processor"] = nullptr;
  EXPECT_EQ(begin(), 1000);
  json["post_processor"] = nlohmann::json::parse(R"({"type": "Sequence", "processors": [{"type": "ByteLevel"}, {
    "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[B]"}}, {"Sequence": {"id": "A"}}]}]})");
  EXPECT_EQ(begin(), 1001);
  json["post_processor"]["processors"][1]["single"].erase(size_t{0});
  EXPECT_EQ(begin(), std::nullopt);
  json["added_tokens"] = nlohmann::json::array();
  json["post_processor"] = nullptr;
  EXPECT_EQ(begin(), std::nullopt);
}

TEST(Bpe, ReadsGpt2sTwoFiles) {
  const auto whole = nlohmann::json::parse(golden()["cases"][0]["tokenizer"].get<std::string>())["model"];
  auto vocabulary = whole["vocab"];
  vocabulary["<|endoftext|>"] = vocabulary.size();
  std::string merges = "#version: 0.2\n";
  for (const auto& merge : golden()["merges"]) merges += merge.get<std::string>() + "\n";
  test::TemporaryFolder folder;
  write_file(folder / "vocab.json", vocabulary.dump());
  EXPECT_ERROR(make_huggingface(read_huggingface_files(folder.path())),
               "neither tokenizer.json, vocab.txt nor vocab.json and merges.txt is here");
  write_file(folder / "merges.txt", merges);
  const auto made = tokenizers().make({"huggingface", {{"path", folder.path().string()}}}, "");
  for (const auto& row : golden()["cases"][0]["rows"])
    EXPECT_EQ(made->encode(row["text"].get<std::string>()), row["ids"].get<Ids>());
  EXPECT_EQ(made->special("<|endoftext|>"), made->size() - 1);
  EXPECT_EQ(made->encode("<|endoftext|>"), Ids{made->size() - 1});
  EXPECT_EQ(made->settings().find("path")->text(), "\"" + folder.path().string() + "\"");
}

TEST(Bpe, FilesBesideATokenizerAddTokens) {
  const auto whole = nlohmann::json::parse(golden()["cases"][0]["tokenizer"].get<std::string>());
  auto vocabulary = whole["model"]["vocab"];
  const auto count = static_cast<int64_t>(vocabulary.size());
  vocabulary["<pad>"] = count;
  std::string merges;
  for (const auto& merge : golden()["merges"]) merges += merge.get<std::string>() + "\n";
  test::TemporaryFolder folder;
  write_file(folder / "vocab.json", vocabulary.dump());
  write_file(folder / "merges.txt", merges);
  const auto read = [&] { return make_huggingface(read_huggingface_files(folder.path())); };
  EXPECT_GT(read()->encode("<pad>").size(), 1);
  EXPECT_EQ(read()->size(), count + 1);
  write_file(folder / "special_tokens_map.json",
             R"({"pad_token": {"content": "<pad>", "lstrip": true}, "bos_token": "<nowhere>",
                 "additional_special_tokens": ["<user>"]})");
  EXPECT_EQ(read()->encode("  <pad>"), Ids{count}) << "stripped";
  EXPECT_EQ(read()->size(), count + 1) << "<nowhere> has no number";
  write_file(folder / "added_tokens.json",
             fmt::format(R"({{"<user>": {}, "<bot>": {}, "<pad>": {}}})", count + 1, count + 2, count));
  EXPECT_EQ(read()->size(), count + 3);
  EXPECT_EQ(read()->encode("<user><bot>"), (Ids{count + 1, count + 2}));
  EXPECT_EQ(read()->decode(Ids{count + 2, count + 1}), "<bot><user>");
  write_file(folder / "tokenizer_config.json",
             fmt::format(R"({{"eos_token": "<bot>", "added_tokens_decoder": {{"{}": {{"content": "<more>"}},
               "{}": {{"content": "<bot>", "rstrip": true, "special": true}}}}}})",
                         count + 5, count + 2));
  EXPECT_EQ(read()->size(), count + 6);
  EXPECT_EQ(read()->encode("<bot> <more>"), (Ids{count + 2, count + 5}));

  auto one = whole;  // tokenizer.json's own word counts first
  one["added_tokens"] = nlohmann::json::parse(fmt::format(R"([{{"content": "<bot>", "id": {}}}])", count + 2));
  write_file(folder / "tokenizer.json", one.dump());
  EXPECT_EQ(read()->size(), count + 6);
  EXPECT_GT(read()->encode("<bot> <more>").size(), 2) << "the space stays";

  std::filesystem::remove(folder / "tokenizer.json");
  write_file(folder / "added_tokens.json", R"({"<pad>": 3})");
  EXPECT_ERROR(read(), fmt::format("added_tokens.json beside {}: gives \"<pad>\" the number 3, and the vocabulary {}",
                                   (folder / "vocab.json").string(), count));
  write_file(folder / "added_tokens.json", R"({"<a>": "3"})");
  EXPECT_ERROR(read(), "<a> wants a whole number, got string");
  write_file(folder / "added_tokens.json", R"({"<a>": 90000000})");
  EXPECT_ERROR(read(), "added_tokens[");
  write_file(folder / "added_tokens.json", "[1");
  EXPECT_ERROR(read(), "this is no JSON");
  write_file(folder / "added_tokens.json", "{}");
  write_file(folder / "tokenizer_config.json", R"({"added_tokens_decoder": {"4x": {"content": "<a>"}}})");
  EXPECT_ERROR(read(), "added_tokens_decoder has \"4x\" for the number of a token");
  write_file(folder / "tokenizer_config.json", R"({"added_tokens_decoder": {"4": "<a>"}})");
  EXPECT_ERROR(read(), "added_tokens_decoder.4 wants a table");
  write_file(folder / "tokenizer_config.json", R"({"eos_token": 5})");
  EXPECT_ERROR(read(), "tokenizer_config.json beside");
}

TEST(Bpe, TokenizerJsonsMistakesSayWhere) {
  const auto with = [](const std::string& pointer, const nlohmann::json& value) {
    auto json = nlohmann::json::parse(golden()["cases"][0]["tokenizer"].get<std::string>());
    json[nlohmann::json::json_pointer(pointer)] = value;
    return json.dump();
  };
  const auto refuse = [&](const std::string& pointer, const nlohmann::json& value, const std::string& text) {
    EXPECT_ERROR(parse_huggingface(with(pointer, value), "t.json"), text);
  };
  EXPECT_ERROR(parse_huggingface("{\"model\": ", "t.json"),
               "t.json at byte 11: this is no JSON, or the file is cut off");
  EXPECT_ERROR(parse_huggingface("[]", "t.json"), "t.json: wants a table, got array");
  EXPECT_ERROR(parse_huggingface("{}", "t.json"), "t.json: has no \"model\"");
  refuse("/model/type", "Unigram", "model.type = \"Unigram\"; Hadal reads byte-pair encodings (BPE) and WordPiece");
  refuse("/model/vocab", 3, "model.vocab wants a table, got number");
  refuse("/model/vocab/zz", "x", "wants a whole number, got string");
  refuse("/model/vocab/zz", 999999999, "is 999999999, expected 0 to ");
  refuse("/model/vocab/zz", 5, "gives the id 5 twice");
  refuse("/model/merges/3", "ab", "model.merges[3] is no pair: it has no space");
  refuse("/model/merges/3", {"a"}, "model.merges[3] has 1 parts, expected 2");
  refuse("/model/merges/3", "qqq x", "makes or takes \"qqq\", which the vocabulary does not have");
  refuse("/model/end_of_word_suffix", "</w>", "is a setting that Hadal does not have");
  refuse("/pre_tokenizer", {{"type", "UnicodeScripts"}},
         "is a pre-tokenizer that Hadal does not have; it has ByteLevel");
  refuse("/normalizer", {{"type", "Precompiled"}}, "is a normalizer that Hadal does not have");
  refuse("/decoder", {{"type", "CTC"}}, "is a decoder that Hadal does not have");
  refuse("/added_tokens", {{{"content", "<s>"}, {"id", -1}}}, "added_tokens[0].id is -1, expected 0 to ");
  refuse("/added_tokens", {{{"content", ""}, {"id", 1}}}, "added_tokens[0] is an empty token");
}
