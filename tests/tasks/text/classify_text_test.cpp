#include "hadal/tasks/text/classify_text.h"

#include <nlohmann/json.hpp>

#include "hadal/core/random.h"
#include "hadal/data/text/labelled_text.h"
#include "hadal/io/file.h"
#include "hadal/io/weights.h"
#include "hadal/train/trainer.h"

#include "tests/support/support.h"
#include "tests/support/trained.h"

using namespace hadal;

namespace {

/// Whether a text says "good" is its label.
std::string table(int count) {
  static const char* words[] = {"day", "night", "sea", "ship", "fish", "rope"};
  std::string out = "verdict,what\n";
  for (int i = 0; i < count; ++i)
    out += fmt::format("{},{} {} {}\n", i % 2 ? "yes" : "no", words[i % 6], i % 2 ? "good" : "bad", words[i / 6 % 6]);
  return out;
}

Table settings(const test::TemporaryFolder& folder) {
  return {
      {"model", Table{{"name", "text_encoder"}, {"dim", 16}, {"heads", 2}, {"mlp", 32}, {"depth", 1}, {"context", 12}}},
      {"data", Table{{"kind", "table"},
                     {"path", (folder / "train.csv").string()},
                     {"test", (folder / "test.csv").string()},
                     {"text", "what"},
                     {"label", "verdict"}}},
      {"tokenizer", Table{{"name", "bpe"}, {"size", 280}}},
      {"tokens", 256}};
}

/// A token a byte, as tiktoken writes it.
std::string byte_ranks() {
  static constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string ranks;
  for (int byte = 0; byte < 256; ++byte)
    ranks += fmt::format("{}{}== {}\n", digits[byte >> 2], digits[(byte & 3) << 4], byte);
  return ranks;
}

std::unique_ptr<Task> make(const Table& table, const Passport* weights = nullptr, bool learns = true,
                           const Table& learned = {}) {
  TaskContext context;
  context.batch = 8;
  context.workers = 1;
  context.weights = weights;
  context.learns = learns;
  context.learned = learned;
  return tasks().make({"classify_text", table}, context);
}

}  // namespace

TEST(ClassifyText, LearnsATableAndReadsTextsByItsWeightsAlone) {
  test::TemporaryFolder folder;
  write_file(folder / "train.csv", table(120));
  write_file(folder / "test.csv", table(30));
  auto task = make(settings(folder));
  Trainer trainer(*task, {.epochs = 20,
                          .optimizer = {"adam", {{"lr", 1e-2}}},
                          .precision = "fp32",
                          .device = "cpu",
                          .evaluate_every = 20,
                          .checkpoint_seconds = 0});
  trainer.run();
  const auto metrics = task->evaluate("test", 0);
  EXPECT_EQ(metrics[1].first, "accuracy");
  EXPECT_EQ(metrics[1].second, 1);
  EXPECT_EQ(task->figures().size(), 1u);
  const auto weights = folder / "w.safetensors";
  test::save_task(*task, "classify_text", weights);
  const auto loaded = load_text_classifier(weights);
  EXPECT_EQ((*loaded)("ship good rope").at(0).name, "yes");
  const auto json = test::predicted(*loaded, {}, {"ship good rope"}).at(0);
  EXPECT_EQ(json["input"], "text");
  EXPECT_EQ(json["top"][0]["class"], "yes");
  EXPECT_GT(json["top"][0]["score"], 0.9);
  EXPECT_EQ(json["top"].size(), 2u);
}

TEST(ClassifyText, LongTextsAreCutAndEmptyOnesRead) {
  test::TemporaryFolder folder;
  std::string noise;  // what no byte pairs shorten
  for (Random random(1, {}); noise.size() < 500;) noise += static_cast<char>('a' + random.below(26));
  write_file(folder / "train.csv", table(40) + "yes,\nno," + noise + "\n");
  write_file(folder / "test.csv", table(4));
  auto task = make(settings(folder));
  EXPECT_THAT(task->summary(), testing::HasSubstr("(1 cut to 12 tokens)"));
  task->batches().start(0, 0);
  while (task->batches().next()) EXPECT_TRUE(std::isfinite(task->losses({}).total.item<double>()));
}

TEST(ClassifyText, NamesAreThoseOfTheWholeTable) {
  test::TemporaryFolder folder;
  std::string rows = "verdict,what\n";
  for (int i = 0; i < 40; ++i) rows += fmt::format("{},text {}\n", i % 2 ? "yes" : "no", i);
  write_file(folder / "train.csv", rows);
  write_file(folder / "test.csv", table(4));
  auto wanted = settings(folder);
  const auto* data = wanted.find("data")->get_if<Table>();
  auto own = *data;
  own.erase("kind");
  const auto held_out = labelled_sources().make({"table", own}).open("val");
  const auto at = rows.find("," + held_out.texts.at(0) + "\n");  // a label that train does not have
  rows.replace(rows.rfind('\n', at) + 1, at - rows.rfind('\n', at) - 1, "rare");
  write_file(folder / "train.csv", rows);
  auto task = make(wanted);
  EXPECT_EQ(task->evaluate("val", 0).size(), task->evaluate("test", 0).size());
  EXPECT_EQ(task->learned().find("names")->text(), "[\"no\", \"rare\", \"yes\"]");
}

TEST(ClassifyText, PutsBertsTokensAroundATextWhereThereAreSome) {
  test::TemporaryFolder folder;
  write_file(folder / "bytes.tiktoken", byte_ranks());
  write_file(folder / "test.csv", table(4));
  write_file(folder / "train.csv", "verdict,what\nyes,abcdefghijk\nno,b\n");  // 11 tokens, the model reads 12
  auto wanted = settings(folder);
  wanted.set_path("data.val_share", 0.0);
  wanted.set("tokenizer", Table{{"name", "tiktoken"}, {"path", (folder / "bytes.tiktoken").string()}});
  EXPECT_THAT(make(wanted)->summary(), testing::Not(testing::HasSubstr("cut to")));
  wanted.set_path("tokenizer.special", List{"[CLS]", "[SEP]"});
  EXPECT_THAT(make(wanted)->summary(), testing::HasSubstr("(1 cut to 12 tokens)"));
}

/// Weights hold the files of their tokenizer: those may have moved since, or changed.
TEST(ClassifyText, WeightsHoldTheFilesOfTheirTokenizer) {
  test::TemporaryFolder folder;
  write_file(folder / "bytes.tiktoken", byte_ranks());
  write_file(folder / "train.csv", table(60));
  write_file(folder / "test.csv", table(4));
  auto wanted = settings(folder);
  const auto file = std::filesystem::relative(folder / "bytes.tiktoken");
  wanted.set("tokenizer", Table{{"name", "tiktoken"}, {"path", file.string()}});
  const auto trained = make(wanted);
  EXPECT_EQ(trained->learned().find_path("tokenizer.path")->text(), "\"" + (folder / "bytes.tiktoken").string() + "\"");
  test::save_task(*trained, "classify_text", folder / "w.safetensors");
  const auto weights = read_passport(folder / "w.safetensors");
  auto plain = settings(folder);  // names no file: the weights' own serves
  EXPECT_NO_THROW(make(plain, &weights, false, weights.learned()));
  EXPECT_EQ(trained->settings().find_path("tokenizer.files")->text(), "{}") << "config.toml says only where they lie";
  std::filesystem::rename(folder / "bytes.tiktoken", folder / "moved.tiktoken");
  EXPECT_EQ(make(wanted, &weights, false, weights.learned())->learned(), trained->learned());
  EXPECT_EQ((*load_text_classifier(folder / "w.safetensors"))("ship good rope").size(), 2);
  write_file(folder / "bytes.tiktoken", "other ranks");
  EXPECT_EQ((*load_text_classifier(folder / "w.safetensors"))("ship good rope").size(), 2);
  wanted.set_path("tokenizer.path", (folder / "moved.tiktoken").string());  // another file: that is read
  EXPECT_NO_THROW(make(wanted, &weights, false, weights.learned()));
  wanted.set_path("tokenizer.path", (folder / "none.tiktoken").string());
  EXPECT_ERROR(make(wanted, &weights, false, weights.learned()), "none.tiktoken");
  // Weights of before know the path alone.
  auto recipe = weights.recipe;
  auto learned = weights.learned();
  auto tokenizer = *learned.find("tokenizer")->get_if<Table>();
  tokenizer.erase("files");
  tokenizer.set("path", (folder / "moved.tiktoken").string());
  learned.set("tokenizer", tokenizer);
  recipe.set("learned", learned);
  recipe.set_path("tokenizer.path", (folder / "moved.tiktoken").string());
  write_weights(folder / "old.safetensors", trained->model(), recipe);
  EXPECT_NO_THROW(load_text_classifier(folder / "old.safetensors"));
  std::filesystem::remove(folder / "moved.tiktoken");
  EXPECT_ERROR(load_text_classifier(folder / "old.safetensors"), "moved.tiktoken");
}

TEST(ClassifyText, OneTextThatIsNotUtf8DoesNotStopTheOthers) {
  test::TemporaryFolder folder;
  write_file(folder / "train.csv", table(60));
  write_file(folder / "test.csv", table(4));
  test::save_task(*make(settings(folder)), "classify_text", folder / "w.safetensors");
  const auto lines = test::predicted(*load_text_classifier(folder / "w.safetensors"), {}, {"\xff", "good"});
  ASSERT_EQ(lines.size(), 2);
  EXPECT_THAT(lines[0]["error"].get<std::string>(), testing::HasSubstr("not UTF-8"));
  EXPECT_EQ(lines[1]["text"], "good");
}

/// As nanoGPT takes them: a character that only a held-out row has is no mistake.
TEST(ClassifyText, TakesTheCharactersOfAllSplits) {
  test::TemporaryFolder folder;
  write_file(folder / "train.csv", table(60));
  write_file(folder / "test.csv", table(4) + "yes,\u00e9 good\n");
  auto characters = settings(folder);
  characters.set("tokenizer", "characters");
  const auto task = make(characters);
  EXPECT_TRUE(std::isfinite(task->evaluate("test", 0)[0].second));
  // One that none has ends its own text alone.
  test::save_task(*task, "classify_text", folder / "w.safetensors");
  const auto lines =
      test::predicted(*load_text_classifier(folder / "w.safetensors"), {}, {"good", "\u65e5\u672c", "bad"});
  ASSERT_EQ(lines.size(), 3);
  EXPECT_EQ(lines[0]["text"], "good");
  EXPECT_THAT(lines[1]["error"].get<std::string>(), testing::HasSubstr("is not one of the"));
  EXPECT_EQ(lines[2]["text"], "bad");
}

/// Hidden words first, then classes: the tokenizer comes with the weights, only the head is new.
TEST(ClassifyText, GoesOnFromHiddenWords) {
  test::TemporaryFolder folder;
  write_file(folder / "train.csv", table(60));
  write_file(folder / "test.csv", table(4));
  write_file(folder / "text.txt", table(400));
  const Table sizes{{"context", 12}, {"dim", 16}, {"depth", 1}, {"heads", 2}, {"mlp", 16}};
  auto bert = sizes;
  bert.set("name", "bert");
  TaskContext context;
  context.batch = 4, context.workers = 0, context.learns = true;
  const auto words = tasks().make({"language",
                                   {{"model", bert},
                                    {"data", Table{{"kind", "text"}, {"path", (folder / "text.txt").string()}}},
                                    {"tokenizer", Table{{"name", "bpe"}, {"size", 290}}}}},
                                  context);
  const auto vocabulary = state_dict(words->model()).at("bert.embeddings.word_embeddings.weight").size(0);
  test::save_task(*words, "language", folder / "w.safetensors");
  const auto weights = read_passport(folder / "w.safetensors");
  auto wanted = settings(folder);
  auto classifier = sizes;
  classifier.set("name", "bert_classifier");
  classifier.set("vocabulary", vocabulary);  // one more than the tokenizer has, for what is hidden
  wanted.set("model", classifier);
  const auto task = make(wanted, &weights);
  EXPECT_EQ(*task->learned().find("tokenizer"), *words->learned().find("tokenizer"));
  EXPECT_TRUE(torch::equal(state_dict(task->model()).at("net.bert.embeddings.word_embeddings.weight"),
                           state_dict(words->model()).at("bert.embeddings.word_embeddings.weight")));
  task->batches().start(0, 0);
  ASSERT_TRUE(task->batches().next());
  EXPECT_TRUE(std::isfinite(task->losses({}).total.item<double>()));
  wanted.set_path("model.vocabulary", vocabulary - 2);
  EXPECT_ERROR(make(wanted, &weights), "and the tokenizer has");
}

TEST(ClassifyText, MistakesSayTheWayOut) {
  test::TemporaryFolder folder;
  write_file(folder / "train.csv", table(40));
  write_file(folder / "test.csv", "what,verdict\nx,yse\n");
  EXPECT_ERROR(make(settings(folder)), "[classify_text] the test text 1 has the label \"yse\"; nearest: yes");
  write_file(folder / "test.csv", table(4));
  auto other = settings(folder);
  other.set_path("model.classes", 3);
  EXPECT_ERROR(make(other), "model.classes is 3 and the classes are 2");
  write_file(folder / "train.csv", "what,verdict\nx,yes\ny,yes\n");
  other = settings(folder);
  other.set_path("data.val_share", 0.0);
  EXPECT_ERROR(make(other), "all labels are \"yes\"; two classes at least are needed");
}

TEST(ClassifyText, SomeTextsAreSomeOfEveryClass) {
  test::TemporaryFolder folder;
  write_file(folder / "train.csv", table(40));
  std::string sorted = "verdict,what\n";
  for (int i = 0; i < 40; ++i) sorted += fmt::format("{},text {}\n", i < 20 ? "yes" : "no", i % 20);
  write_file(folder / "test.csv", sorted);
  auto task = make(settings(folder));
  task->evaluate("test", 10);
  const auto figures = task->figures();
  const auto matrix = std::find_if(figures.begin(), figures.end(),
                                   [](const Figure& figure) { return std::holds_alternative<MatrixFigure>(figure); });
  ASSERT_NE(matrix, figures.end());
  EXPECT_TRUE(torch::equal(std::get<MatrixFigure>(*matrix).counts.sum(1), torch::tensor({5, 5}, torch::kInt64)));
  std::vector<std::string> names;
  for (const auto& [name, value] : task->evaluate("test", 0)) names.push_back(name);
  std::vector<std::string> said;
  for (const auto& score : task->scores()) said.push_back(score.name);
  EXPECT_THAT(names, testing::UnorderedElementsAreArray(said));
}

TEST(ClassifyText, WhatARunLearnedIsNotLearnedAnew) {
  test::TemporaryFolder folder;
  write_file(folder / "train.csv", table(40));
  write_file(folder / "test.csv", table(4));
  const auto task = make(settings(folder));
  write_file(
      folder / "train.csv", std::string("verdict,what\n") + [] {
        std::string other;
        for (int i = 0; i < 40; ++i) other += fmt::format("{},quite other words\n", i % 2 ? "yes" : "no");
        return other;
      }());
  EXPECT_NE(make(task->settings())->learned(), task->learned());
  EXPECT_EQ(make(task->settings(), nullptr, true, task->learned())->learned(), task->learned());
}
