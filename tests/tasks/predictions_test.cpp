#include "hadal/tasks/predictions.h"

#include "tests/support/support.h"

using namespace hadal;

TEST(Predictions, AreLinesInAFileThatIsThereOnceAllAre) {
  test::TemporaryFolder folder;
  const auto file = folder / "out/predictions.jsonl";
  std::vector<std::string> told;
  Predictions predictions({.out = folder / "out"}, [&](const std::string& line) { told.push_back(line); });
  predictions.add({{"input", "a.png"}, {"top", 1}});
  predictions.add({{"input", "caf\xE9.png"}});
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_EQ(predictions.finish(2, "pictures could not be read"), 2);
  EXPECT_EQ(told, (std::vector<std::string>{R"({"input":"a.png","top":1})", "{\"input\":\"caf\xEF\xBF\xBD.png\"}"}));
  EXPECT_EQ(read_file(file), told[0] + "\n" + told[1] + "\n");
}

TEST(Predictions, OfFilesThatFailedAreLinesTooAndSaidAtTheEnd) {
  test::TemporaryFolder folder;
  const auto ignore = [](const std::string&) {};
  Predictions one({.out = folder.path()}, ignore), many({.out = folder.path()}, ignore);
  one.fail("a.png", "a.png at byte 3: cut off");
  EXPECT_ERROR(one.finish(1, "pictures could not be read"), "a.png at byte 3: cut off");
  many.fail("a.png", "a.png at byte 3: cut off");
  many.add({{"input", "b.png"}});
  many.fail("c.png", "c.png: empty");
  EXPECT_ERROR(many.finish(3, "pictures could not be read"),
               "2 of 3 pictures could not be read, the first: a.png at byte 3: cut off; the others are in ");
  EXPECT_EQ(read_file(folder / "predictions.jsonl"),
            "{\"input\":\"a.png\",\"error\":\"a.png at byte 3: cut off\"}\n"
            "{\"input\":\"b.png\"}\n"
            "{\"input\":\"c.png\",\"error\":\"c.png: empty\"}\n");
}

TEST(Predictions, KeepTheLineAtWhichTheListenerStops) {
  test::TemporaryFolder folder;
  struct Stop {};
  const auto stop_at_once = [&] {
    Predictions predictions({.out = folder.path()}, [](const std::string&) { throw Stop(); });
    predictions.add({{"input", "a.png"}});
  };
  EXPECT_THROW(stop_at_once(), Stop);
  EXPECT_EQ(read_file(folder / "predictions.jsonl"), "{\"input\":\"a.png\"}\n");
}

TEST(Predictions, NameTheLikeliestClassesFirst) {
  const auto top = top_classes(torch::tensor({0.25f, 0.5f, 0.25f}), {"cat", "dog", "emu"}, 2);
  ASSERT_EQ(top.size(), 2u);
  EXPECT_EQ(top[0].dump(), R"({"class":"dog","score":0.5})");
  EXPECT_EQ(top_classes(torch::ones(3), {"cat", "dog", "emu"}, 5).size(), 3u);
}
