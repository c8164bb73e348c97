#include "hadal/tasks/text/language.h"

#include <cmath>

#include <nlohmann/json.hpp>

#include "hadal/core/utf8.h"
#include "hadal/data/text/huggingface.h"
#include "hadal/data/text/text.h"
#include "hadal/io/file.h"
#include "hadal/models/text/generate.h"

#include "tests/support/support.h"
#include "tests/support/trained.h"

using namespace hadal;
using namespace hadal::test;

namespace {

std::string long_text() {
  std::string text;
  for (int i = 0; i < 60; ++i) text += "the quick brown fox jumps over the lazy dog\n";
  return text;
}

class LanguageTask : public testing::Test {
 protected:
  /// The task that trains, from these weights and this seed.
  std::unique_ptr<Task> make(const Table& more = {}, const Passport* weights = nullptr, uint64_t seed = 0) {
    if (!std::filesystem::exists(folder_ / "text.txt")) write_file(folder_ / "text.txt", long_text());
    Table settings{
        {"model", Table{{"name", "gpt"}, {"context", 8}, {"dim", 16}, {"depth", 1}, {"heads", 2}, {"mlp", 16}}},
        {"data", Table{{"kind", "text"}, {"path", (folder_ / "text.txt").string()}}}};
    settings.merge(more);
    TaskContext context;
    context.batch = 4;
    context.workers = 0;
    context.seed = seed;
    context.weights = weights;
    context.learns = true;
    return tasks().make({"language", settings}, context);
  }
  /// What it has trained so far, to be used.
  std::unique_ptr<TrainedWriter> writer(Task& task) {
    save_task(task, "language", folder_ / "w.safetensors");
    return load_writer(folder_ / "w.safetensors", {.batch = 4});
  }
  static std::vector<std::string> generated(TrainedWriter& writer, const std::vector<std::string>& prompts,
                                            const WriteOptions& options, const Told& told = {}) {
    std::vector<Input> inputs;
    for (const auto& prompt : prompts) inputs.push_back({"prompt", prompt, {}});
    std::vector<std::string> texts(prompts.size() * static_cast<size_t>(options.count));
    writer.generate(inputs, write_config(options), [&](const Piece& piece) {
      if (piece.made) texts.at(piece.index) = piece.made->json["text"].get<std::string>();
      return told ? told(piece) : true;
    });
    return texts;
  }
  void write(const std::string& text) { write_file(folder_ / "text.txt", text); }
  TemporaryFolder folder_;
};

double find(const Metrics& metrics, const std::string& name) {
  for (const auto& [key, value] : metrics)
    if (key == name) return value;
  return NAN;
}

/// A tokenizer as Llama's: a space before each text that decoding takes off again, bytes for what has no token. Line
/// ends at a text's ends are stripped.
std::string llama_tokenizer() {
  auto json = nlohmann::ordered_json::parse(R"({
    "added_tokens": [{"content": "<s>", "id": 1}, {"content": "</s>", "id": 2}],
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "Strip", "strip_left": true, "strip_right": true},
      {"type": "Prepend", "prepend": "_"}, {"type": "Replace", "pattern": {"String": " "}, "content": "_"}]},
    "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "_"}, "content": " "},
      {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
    "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": true, "merges": [],
      "vocab": {"<unk>": 0, "<s>": 1, "</s>": 2}}})");
  auto &vocab = json["model"]["vocab"], &merges = json["model"]["merges"];
  const auto add = [&](const std::string& token) { vocab[token] = vocab.size(); };
  for (int byte = 0; byte < 256; ++byte) add(fmt::format("<0x{:02X}>", byte));
  add("_");
  for (char c = 'a'; c <= 'z'; ++c) {
    add(std::string(1, c));
    add(std::string("_") + c);
    merges.push_back(std::string("_ ") + c);
  }
  return json.dump();
}

std::shared_ptr<LanguageModel> small_model(const std::string& name, const Tokenizer& tokenizer) {
  torch::manual_seed(0);
  return language_models().make(
      {name,
       {{"vocabulary", tokenizer.size()}, {"context", 64}, {"dim", 16}, {"depth", 1}, {"heads", 2}, {"mlp", 16}}});
}

}  // namespace

TEST_F(LanguageTask, TellsEveryTokenOfTheSplitOnce) {
  write("abcdefghijklmnopqrstuvwxyz" + long_text().substr(0, 374));  // 400 bytes, val is the last 40
  auto task = make();
  const auto metrics = task->evaluate("val", 0);
  const auto text = (std::string("abcdefghijklmnopqrstuvwxyz") + long_text().substr(0, 374)).substr(360);
  const auto learned = task->learned();
  const auto tokenizer =
      tokenizers().make({"characters", {{"vocabulary", *learned.find_path("tokenizer.vocabulary")}}}, "");
  const auto ids = torch::tensor(tokenizer->encode(text));
  auto& model = dynamic_cast<LanguageModel&>(task->model());
  const torch::NoGradGuard no_grad;
  double nats = 0;
  for (int64_t i = 1; i < 40; ++i) {
    const auto begin = (i - 1) / 8 * 8;
    const auto logits = model.forward(ids.slice(0, begin, i).unsqueeze(0))[0][-1];
    nats -= logits.log_softmax(0)[ids[i].item<int64_t>()].item<double>();
  }
  EXPECT_NEAR(find(metrics, "loss"), nats / 39, 1e-4);
  EXPECT_NEAR(find(metrics, "perplexity"), std::exp(nats / 39), 1e-2);
  EXPECT_NEAR(find(metrics, "bits_per_byte"), nats / 39 / std::log(2.0), 1e-4);
  std::vector<std::string> names;
  for (const auto& [name, value] : metrics) names.push_back(name);
  std::vector<std::string> said;
  for (const auto& score : task->scores()) said.push_back(score.name);
  EXPECT_THAT(names, testing::UnorderedElementsAreArray(said));
}

TEST_F(LanguageTask, CountsBytesNotCharacters) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "\xC3\xA4\xC3\xB6\xC3\xBC\xE2\x82\xAC";
  write(text);
  const auto metrics = make()->evaluate("val", 0);
  EXPECT_NEAR(find(metrics, "bits_per_byte") / find(metrics, "loss"), 1 / std::log(2.0) / 2.25, 0.05);
}

/// A tokenizer may lose bytes or add some; those of the text are what counts.
TEST(ScoreText, CountsTheBytesOfTheText) {
  const torch::NoGradGuard no_grad;
  const auto tokenizer = parse_huggingface(llama_tokenizer(), "t.json");
  const auto model = small_model("gpt2", *tokenizer);
  TokenWindows windows(tokenizer->encode("once upon a time"), 8);
  const auto bits = [&] {
    return find(score_text(*model, *tokenizer, windows, nullptr, 4, 0, torch::kCPU), "bits_per_byte");
  };
  const auto plain = bits();
  windows.text_share = 2;
  EXPECT_NEAR(2 * bits(), plain, 1e-9);
}

TEST_F(LanguageTask, DrawsWindowsBySeedAndEpochAlone) {
  const auto walk = [&](const Table& more, uint64_t seed) {
    auto task = make(more, nullptr, seed);
    task->batches().start(1, 2);
    std::vector<double> out;
    for (int i = 0; i < 5 && task->batches().next(); ++i) out.push_back(task->losses({}).total.item<double>());
    return out;
  };
  for (const char* windows : {"random", "strided"}) {
    const Table more{{"windows", windows}};
    EXPECT_EQ(walk(more, 1), walk(more, 1)) << windows;
    EXPECT_NE(walk(more, 1), walk(more, 2)) << windows;
  }
}

TEST_F(LanguageTask, LearnsAText) {
  auto task = make({}, nullptr, 1);
  double first = 0, last = 0;
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    task->batches().start(epoch, 0);
    while (task->batches().next()) {
      const auto loss = task->losses({}).total;
      last = loss.item<double>();
      if (first == 0) first = last;
      task->model().zero_grad();
      loss.backward();
      const torch::NoGradGuard no_grad;
      for (auto& parameter : task->model().parameters()) parameter -= 0.5 * parameter.grad();
    }
  }
  EXPECT_NEAR(first, std::log(28.0), 0.3);
  EXPECT_LT(last, 2.3);
}

TEST_F(LanguageTask, HidesWordsForBert) {
  auto task =
      make({{"model", Table{{"name", "bert"}, {"context", 20}, {"dim", 16}, {"depth", 1}, {"heads", 2}, {"mlp", 16}}}});
  EXPECT_EQ(dynamic_cast<LanguageModel&>(task->model()).vocabulary(), 29);  // one more id, for what is hidden
  task->batches().start(0, 0);
  ASSERT_TRUE(task->batches().next());
  EXPECT_NEAR(task->losses({}).total.item<double>(), std::log(29.0), 0.4);
  const auto metrics = task->evaluate("val", 0);
  EXPECT_EQ(find(metrics, "loss"), find(task->evaluate("val", 0), "loss"));
  EXPECT_TRUE(std::isnan(find(metrics, "bits_per_byte")));
  EXPECT_TRUE(task->figures().empty());
}

TEST_F(LanguageTask, PredictScoresFilesAndTextsAsTheyAre) {
  const auto task = make();
  write_file(folder_ / "fox.txt", "the quick brown fox");
  const auto made = writer(*task);
  const auto lines = predicted(*made, {(folder_ / "fox.txt").string()}, {"the quick brown fox"});
  ASSERT_EQ(lines.size(), 2);
  EXPECT_EQ(lines[1]["input"], "the quick brown fox");
  EXPECT_EQ(lines[1]["tokens"], 19);
  EXPECT_EQ(lines[1]["loss"], lines[0]["loss"]);
  EXPECT_THAT(predicted(*made, {}, {"\xff"}).at(0)["error"].get<std::string>(), testing::HasSubstr("UTF-8"));
}

TEST(LearnFrom, HidesAsThePaperSays) {
  const auto window = torch::full({10001}, 3, torch::kInt64);
  const Hiding hiding{0.15, 9, 8};
  Random random(1);
  const auto batch = learn_from(window, &hiding, random);
  const auto told = batch.targets.ne(-100);
  EXPECT_EQ(told.sum().item<int64_t>(), 1500);
  EXPECT_TRUE(batch.targets.masked_select(told).eq(3).all().item<bool>());
  const auto there = batch.inputs.masked_select(told);
  EXPECT_NEAR(there.eq(9).sum().item<double>() / 1500, 0.8, 0.04);
  EXPECT_NEAR(there.eq(3).sum().item<double>() / 1500, 0.1 + 0.1 / 8, 0.03);
  EXPECT_TRUE(batch.inputs.masked_select(~told).eq(3).all().item<bool>());
  const auto next = learn_from(torch::arange(5), nullptr, random);
  EXPECT_TRUE(torch::equal(next.inputs, torch::arange(4)));
  EXPECT_TRUE(torch::equal(next.targets, torch::arange(1, 5)));
}

TEST_F(LanguageTask, WritesWholeCharactersAndEndsBeforeStopWords) {
  const auto made = writer(*make());
  WriteOptions options{.tokens = 60, .count = 2, .seed = 5};
  std::vector<std::string> pieces(2);
  std::vector<int> ends(2);
  const auto texts = generated(*made, {"the "}, options, [&](const Piece& piece) {
    pieces[piece.index] += piece.text;
    ends[piece.index] += piece.made != nullptr;
    return true;
  });
  EXPECT_EQ(pieces, texts);
  EXPECT_EQ(ends, (std::vector<int>{1, 1}));
  EXPECT_EQ(texts[0].size(), 60);
  EXPECT_NE(texts[0], texts[1]);
  options.stop = {texts[0].substr(20, 3)};
  options.count = 1;
  pieces.assign(2, "");
  const auto stopped = generated(*made, {"the "}, options, [&](const Piece& piece) {
    pieces[piece.index] += piece.text;
    return true;
  });
  EXPECT_EQ(stopped[0], texts[0].substr(0, texts[0].find(options.stop[0])));
  EXPECT_EQ(pieces[0], stopped[0]);
  // Of two that end at the same place the one that begins first counts, in any order.
  const auto longer = texts[0].substr(19, 4), shorter = texts[0].substr(22, 1);
  const auto before = texts[0].substr(0, std::min(texts[0].find(longer), texts[0].find(shorter)));
  for (const auto& stop : {std::vector{longer, shorter}, std::vector{shorter, longer}}) {
    options.stop = stop;
    EXPECT_EQ(generated(*made, {"the "}, options)[0], before);
  }
  // Whoever has enough ends it.
  options.stop = {};
  int64_t heard = 0;
  generated(*made, {"the "}, options, [&](const Piece&) { return ++heard < 5; });
  EXPECT_LE(heard, 6);
}

TEST_F(LanguageTask, SearchesWithBeams) {
  const auto made = writer(*make());
  const std::vector<std::string> prompts = {"the ", "dog"};
  WriteOptions options{.tokens = 6, .count = 2, .beams = 3};
  const auto texts = generated(*made, prompts, options);
  ASSERT_EQ(texts.size(), 4);
  EXPECT_NE(texts[0], texts[1]);
  EXPECT_EQ(texts, generated(*made, prompts, options));
  options.stop = {texts[0].substr(2, 1)};
  EXPECT_EQ(generated(*made, prompts, options)[0], texts[0].substr(0, texts[0].find(options.stop[0])));
  options.count = 4;
  EXPECT_ERROR(generated(*made, prompts, options), "count (4) can be at most beams (3)");
  options = {.tokens = 1, .count = 500, .beams = 500};
  EXPECT_ERROR(generated(*made, {"the "}, options), "of 1 tokens behind prompt 1, and no more");
}

// Ids that another text makes mean other tokens.
TEST_F(LanguageTask, WeightsBringTheTokenizerThatMadeTheirTokens) {
  const auto first = make();
  const auto path = folder_ / "first.safetensors";
  save_task(*first, "language", path);
  auto weights = read_passport(path);
  auto other = long_text();
  std::replace(other.begin(), other.end(), 'z', 'Z');
  write(other);
  EXPECT_ERROR(make({}, &weights), "\"Z\" (U+005A) at byte");
  std::replace(other.begin(), other.end(), 'Z', 'a');  // a character less: by itself it would be another tokenizer
  write(other);
  EXPECT_NE(make()->learned(), first->learned());
  EXPECT_EQ(make({}, &weights)->learned(), first->learned());
  EXPECT_EQ(task_of_weights(path)->learned(), first->learned());
  write_weights(path, first->model(), {});
  weights = read_passport(path);
  EXPECT_ERROR(make({}, &weights), "first.safetensors brings no tokenizer");
}

// A run that goes on has what it learned in its config.toml, whatever became of the text.
TEST_F(LanguageTask, WhatARunLearnedIsNotLearnedAnew) {
  const auto first = make();
  write(std::string(400, 'a') + "b" + long_text());
  TaskContext context;
  context.workers = 0;
  context.learns = true;
  context.learned = parse_toml(to_toml(first->learned()), "config.toml");
  EXPECT_EQ(tasks().make({"language", first->settings()}, context)->learned(), first->learned());
}

TEST_F(LanguageTask, ABadTextDoesNotEndTheOthers) {
  const auto lines = predicted(*writer(*make()), {}, {"the dog", "t", "\xC3\xA4", "a fox"});
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_THAT(lines[1]["error"].get<std::string>(), testing::HasSubstr("[language] the text has 1 token"));
  EXPECT_TRUE(lines[2].contains("error"));
  EXPECT_TRUE(lines[3].contains("loss"));
}

TEST_F(LanguageTask, SaysWhatIsWrongWithAText) {
  write("");
  EXPECT_ERROR(make(), "text.txt: is empty");
  write("abc\xFF" + long_text());
  EXPECT_ERROR(make(), "text.txt at byte 3: not UTF-8 (byte 0xff)");
  write("short");
  EXPECT_ERROR(make(), "the training text has 4 tokens and a window takes 9: use more text or a smaller model.context");
  EXPECT_ERROR(make({{"data", Table{{"path", (folder_ / "none.txt").string()}}}}), "none.txt: No such file");
  write(long_text() + std::string(200, 'Q'));
  EXPECT_TRUE(std::isfinite(find(make()->evaluate("val", 0), "loss")));  // train's characters are not all there are
  EXPECT_ERROR(make({{"tokenizer", Table{{"name", "characters"}, {"vocabulary", "\n abcdefghijklmnopqrstuvwxyz"}}}}),
               "\"Q\" (U+0051) at byte");
  write(long_text());
  EXPECT_ERROR(make({{"model", Table{{"vocabulary", 5}}}}), "model.vocabulary is 5 and the tokenizer wants 28 tokens");
  EXPECT_ERROR(generated(*writer(*make()), {"the \xE2\x82\xAC"}, {}),
               "(U+20AC) at byte 4 is not one of the 28 characters");
  EXPECT_ERROR(generated(*writer(*make()), {""}, {}), "the prompt \"\" has no token");
}

/// Decoded by themselves, new tokens would lose their first space, and bytes of a character come one by one.
TEST(WriteTexts, PiecesAreWhatFollowsThePrompt) {
  const auto tokenizer = parse_huggingface(llama_tokenizer(), "t.json");
  const auto model = small_model("gpt", *tokenizer);
  const auto prompt = prompt_tokens(*tokenizer, "once upon", true);
  EXPECT_EQ(prompt[0], 1);
  const auto told = tokenizer->decode(prompt).size();
  int spaces = 0, bytes = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    auto whole = prompt;
    const auto made =
        generate(*model, {prompt}, {.tokens = 8, .seed = seed, .vocabulary = tokenizer->size(), .stop = {1, 2}})[0];
    whole.insert(whole.end(), made.begin(), made.end());
    const auto expected = repaired_utf8(tokenizer->decode(whole).substr(told));
    std::string pieces;
    const auto texts = write_texts(*model, *tokenizer, {prompt}, {.tokens = 8, .seed = static_cast<int64_t>(seed)}, {},
                                   [&](size_t, const std::string& piece, bool) { return pieces += piece, true; });
    EXPECT_EQ(texts[0], expected) << seed;
    EXPECT_EQ(pieces, expected) << seed;
    spaces += expected.starts_with(' ');
    bytes += expected.find("\xEF\xBF\xBD") != std::string::npos;
  }
  EXPECT_GT(spaces, 0);
  EXPECT_GT(bytes, 0);
}

TEST(WriteTexts, AnotherTextsBeginningEndsThisOne) {
  const torch::NoGradGuard no_grad;
  const auto tokenizer = parse_huggingface(llama_tokenizer(), "t.json");
  const auto model = small_model("gpt2", *tokenizer);
  for (auto& parameter : model->named_parameters()) {  // always says <s>
    if (parameter.key() == "decoder.norm.weight") parameter.value().zero_();
    if (parameter.key() == "decoder.norm.bias") parameter.value().fill_(1);
    if (parameter.key() == "wte.weight") parameter.value()[1].fill_(1);
  }
  const auto prompt = prompt_tokens(*tokenizer, "", true);
  EXPECT_EQ(prompt, std::vector<int64_t>{1});
  EXPECT_EQ(write_texts(*model, *tokenizer, {prompt}, {.tokens = 5, .temperature = 0})[0], "");
  EXPECT_EQ(write_texts(*model, *tokenizer, {prompt}, {.tokens = 5, .beams = 2})[0], "");
  EXPECT_ERROR(prompt_tokens(*tokenizer, "", false), "the prompt \"\" has no token");
}

TEST(ScoreText, CountsTheSpacesBetweenWindows) {
  const auto tokenizer = parse_huggingface(llama_tokenizer(), "t.json");
  const auto model = small_model("gpt", *tokenizer);
  const auto ids = tokenizer->encode("a b c d e f g h i j k l m n");
  ASSERT_EQ(ids.size(), 14);
  const auto metrics = score_text(*model, *tokenizer, TokenWindows(ids, 4), nullptr, 2, 0, torch::kCPU);
  // 13 tokens are told, each a letter and the space before it.
  EXPECT_NEAR(find(metrics, "bits_per_byte"), find(metrics, "loss") * 13 / std::log(2.0) / 26, 1e-6);
}

TEST_F(LanguageTask, WeightsWriteWithoutTheirTokenizersFile) {
  const auto file = folder_ / "tokenizer.json";
  write_file(file, llama_tokenizer());
  const auto task = make({{"tokenizer", Table{{"name", "huggingface"}, {"path", file.string()}}}});
  save_task(*task, "language", folder_ / "w.safetensors");
  const auto before = generated(*load_writer(folder_ / "w.safetensors"), {"the"}, {.tokens = 8});
  std::filesystem::remove(file);
  EXPECT_EQ(generated(*load_writer(folder_ / "w.safetensors"), {"the"}, {.tokens = 8}), before);
  EXPECT_EQ(task_of_weights(folder_ / "w.safetensors")->learned(), task->learned());
}

TEST_F(LanguageTask, WritesSamplesWhereThePromptHasNoTokens) {
  write_file(folder_ / "tokenizer.json", llama_tokenizer());
  const Table more{{"tokenizer", Table{{"name", "huggingface"}, {"path", (folder_ / "tokenizer.json").string()}}},
                   {"sample_tokens", 4}};
  auto task = make(more);
  EXPECT_EQ(task->figures().size(), 1);
  // What is trained here saw no <s>; weights from elsewhere did.
  EXPECT_ERROR(generated(*writer(*task), {""}, {.tokens = 2}), "the prompt \"\" has no token");
  save_task(*task, "language", folder_ / "w.safetensors");
  auto recipe = read_passport(folder_ / "w.safetensors").recipe;
  recipe.set("begin", "auto");
  write_weights(folder_ / "w.safetensors", task->model(), recipe);
  EXPECT_EQ(generated(*load_writer(folder_ / "w.safetensors"), {""}, {.tokens = 2}).size(), 1);
}

TEST_F(LanguageTask, BeamSearchRefusesWhatDraws) {
  const auto made = writer(*make());
  const auto refused = [&](WriteOptions options, const std::string& key) {
    options.beams = 2;
    EXPECT_ERROR(generated(*made, {"the "}, options), key + " does nothing with beams=2");
  };
  refused({.temperature = 0.5}, "temperature");
  refused({.top_p = 0.5}, "top_p");
  refused({.repetition_penalty = 1.5}, "repetition_penalty");
  refused({.top_k = 3}, "top_k");
}

TEST(TextSource, LeavesOutAByteOrderMark) {
  const TemporaryFolder folder;
  write_file(folder / "one.txt",
             "\xEF\xBB\xBF"
             "abc");
  EXPECT_EQ(open_text({(folder / "one.txt").string(), 0}).open("train"), "abc");
  write_file(folder / "one.txt", "\xEF\xBB\xBF");
  EXPECT_ERROR(open_text({(folder / "one.txt").string(), 0}).open("train"), "one.txt: is empty");
}

TEST(TextSource, CutsBetweenCharactersAndTakesAFileASplit) {
  const TemporaryFolder folder;
  write_file(folder / "one.txt", "aaaaaaaaa\xE2\x82\xAC");
  const auto one = open_text({(folder / "one.txt").string(), 0.1});
  EXPECT_EQ(one.open("train"), "aaaaaaaaa");
  EXPECT_EQ(one.open("val"), "\xE2\x82\xAC");
  EXPECT_EQ(open_text({(folder / "one.txt").string(), 0}).open("test"), "aaaaaaaaa\xE2\x82\xAC");
  write_file(folder / "many/train.txt", "0123456789");
  write_file(folder / "many/test.txt", "test");
  const auto many = open_text({(folder / "many").string(), 0.2});
  EXPECT_THAT(many.splits, testing::ElementsAre("train", "val", "test"));
  EXPECT_EQ(many.open("train"), "01234567");
  EXPECT_EQ(many.open("val"), "89");
  EXPECT_EQ(many.open("test"), "test");
  write_file(folder / "many/val.txt", "own");
  EXPECT_EQ(open_text({(folder / "many").string(), 0.2}).open("train"), "0123456789");
  EXPECT_EQ(open_text({(folder / "many").string(), 0.2}).open("val"), "own");
  EXPECT_ERROR(open_text({folder.path().string(), 0.1}), "holds no train.txt, val.txt or test.txt");
  // The name says what is looked for; the content whether it is packed.
  std::filesystem::rename(folder / "many/val.txt", folder / "many/val.txt.gz");
  EXPECT_EQ(open_text({(folder / "many").string(), 0.2}).open("val"), "own");
}

TEST(TokenWindows, LieSideBySide) {
  const TokenWindows windows({0, 1, 2, 3, 4, 5, 6, 7}, 3);
  EXPECT_EQ(windows.count(), 3);
  EXPECT_TRUE(torch::equal(windows.strided(0), torch::arange(0, 4)));
  EXPECT_TRUE(torch::equal(windows.strided(2), torch::arange(6, 8)));
  Random random(1);
  std::set<int64_t> begins;
  for (int i = 0; i < 200; ++i) {
    const auto window = windows.random(random);
    ASSERT_EQ(window.size(0), 4);
    begins.insert(window[0].item<int64_t>());
  }
  EXPECT_EQ(begins, (std::set<int64_t>{0, 1, 2, 3, 4}));
}
