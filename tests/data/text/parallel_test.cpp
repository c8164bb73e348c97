#include "hadal/data/text/parallel.h"

#include <set>

#include "hadal/data/text/buckets.h"
#include "hadal/io/file.h"

#include "tests/support/support.h"

using namespace hadal;
using Texts = std::vector<std::string>;

TEST(Parallel, ReadsTwoFilesLineByLine) {
  test::TemporaryFolder folder;
  write_file(folder / "train.en", "one\ntwo \xC3\xBC\r\n\nlast");
  write_file(folder / "train.de", "eins\nzwei\n\nletzte\n");
  write_file(folder / "test.en", "x\n");
  const auto source = parallel_sources().make({"files", {{"path", folder.path().string()}}});
  EXPECT_EQ(source.splits, (Texts{"train", "test"}));
  const auto pairs = source.open("train");
  EXPECT_EQ(pairs.source, (Texts{"one", "two \xC3\xBC", "", "last"}));
  EXPECT_EQ(pairs.target, (Texts{"eins", "zwei", "", "letzte"}));
  EXPECT_ERROR(source.open("test"), "test.de: no such file, with or without .gz");
  write_file(folder / "train.de", "eins\nzwei\n");
  EXPECT_ERROR(source.open("train"), "train.en: 4 lines, and ");
  EXPECT_ERROR(source.open("train"), "train.de has 2: line i of one is to be the translation of line i of the other");
  write_file(folder / "train.de", "");
  EXPECT_ERROR(source.open("train"), "train.de: the file is empty");
  write_file(folder / "train.de", "a\nb\xFF\n");
  EXPECT_ERROR(source.open("train"), "train.de at byte 3: not UTF-8");
  EXPECT_ERROR(parallel_sources().make({"files", {{"path", (folder / "none").string()}}}),
               "neither train.en nor train.de is here");
  EXPECT_ERROR(parallel_sources().make({"files", {{"path", folder.path().string()}, {"val", "typo"}}}),
               "neither typo.en nor typo.de is here");
  EXPECT_ERROR(parallel_sources().make({"files", {}}), "data.path is not set");
  EXPECT_ERROR(parallel_sources().make({"files", {{"path", "x"}, {"source", "de"}}}), "are both \"de\"");
}

TEST(Parallel, ReadsTables) {
  test::TemporaryFolder folder;
  const auto read = [&](const std::string& text, const std::string& from, const std::string& to) {
    write_file(folder / "t", text);
    return read_pair_table(folder / "t", from, to);
  };
  const auto named = read("id\tde\ten\n1\tHund \"Rex\"\tdog\n2\tKatze\tcat\n", "en", "de");
  EXPECT_EQ(named.source, (Texts{"dog", "cat"}));
  EXPECT_EQ(named.target, (Texts{"Hund \"Rex\"", "Katze"}));
  const auto plain = read("dog,\"der, Hund\"\ncat,Katze\n", "1", "2");
  EXPECT_EQ(plain.source, (Texts{"dog", "cat"}));
  EXPECT_EQ(plain.target, (Texts{"der, Hund", "Katze"}));
  // A number is a column's number, whatever the first record holds.
  const auto numbers = read("3,dog,Hund\n1,cat,Katze\n", "2", "3");
  EXPECT_EQ(numbers.source, (Texts{"dog", "cat"}));
  EXPECT_EQ(numbers.target, (Texts{"Hund", "Katze"}));
  EXPECT_EQ(read("1,x\n2,y\n", "1", "2").source, (Texts{"1", "2"}));
  EXPECT_EQ(read("2019,2020\nx,y\n", "2019", "2020").source, Texts{"x"});
  EXPECT_EQ(read("en,de\nx,y\n", "en", "2").source, Texts{"x"});
  EXPECT_ERROR(read("", "1", "2"), "t: the file is empty");
  EXPECT_ERROR(read("a,b\n", "en", "de"), "there is no column \"en\"; the first record has \"a, b\"");
  EXPECT_ERROR(read("a,b\n", "3", "1"), "there is no column \"3\"");
  EXPECT_ERROR(read("en,en,de\na,b,c\n", "en", "de"), "t: has more than one column called \"en\"; its number");
  EXPECT_ERROR(read("a,b\n", "1", "1"), "source and target are both column 1");
  EXPECT_ERROR(read("en,de\n", "en", "de"), "a record of names, and no text behind it");
  EXPECT_ERROR(read("a,b\nc\n", "1", "2"), "line 2");
}

TEST(Parallel, RecordsOfJsonAreNoTable) {
  const test::TemporaryFolder folder;
  write_file(folder / "t.jsonl", "{\"en\": \"a man\", \"de\": \"ein Mann\"}\n");
  EXPECT_ERROR(read_pair_table(folder / "t.jsonl", "1", "2"), "looks like JSON, a record a line");
}

TEST(Buckets, KeepToTheirTokensAndVisitEveryTextOnce) {
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < 500; ++i) lengths.push_back(1 + i * 7919 % 37);
  lengths.push_back(500);  // longer than a batch may be
  const Buckets buckets(lengths, 100, 3), same(lengths, 100, 3), other(lengths, 100, 4);
  int64_t filled = 0;
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    std::set<int64_t> seen;
    for (int64_t i = 0; i < buckets.batches(); ++i) {
      const auto batch = buckets.batch(epoch, i);
      EXPECT_EQ(batch, same.batch(epoch, i));
      int64_t longest = 0;
      for (const auto sample : batch) {
        EXPECT_TRUE(seen.insert(sample).second);
        longest = std::max(longest, lengths[static_cast<size_t>(sample)]);
        filled += lengths[static_cast<size_t>(sample)];
      }
      EXPECT_TRUE(longest * static_cast<int64_t>(batch.size()) <= 100 || batch.size() == 1);
    }
    EXPECT_EQ(seen.size(), lengths.size());
  }
  EXPECT_GT(filled, buckets.batches() * 3 * 85) << "too much padding";
  EXPECT_NE(buckets.batch(0, 5), buckets.batch(1, 5));
  EXPECT_NE(buckets.batch(0, 5), other.batch(0, 5));
  EXPECT_EQ(Buckets({}, 10, 0).batches(), 0);
  EXPECT_ERROR(Buckets({1}, 0, 0), "a batch of 0 tokens holds nothing");
}

TEST(Buckets, PadBehindTheEnd) {
  const std::vector<std::vector<int64_t>> rows = {{1, 2, 3}, {4}, {}};
  EXPECT_TRUE(torch::equal(padded(rows, 9), torch::tensor({{1, 2, 3}, {4, 9, 9}, {9, 9, 9}})));
}
