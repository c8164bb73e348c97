#include <sentencepiece_trainer.h>

#include "hadal/data/text/sentencepiece.h"
#include "hadal/io/file.h"

#include "tests/support/support.h"

using namespace hadal;
using Ids = std::vector<int64_t>;

namespace {

class Lines : public sentencepiece::SentenceIterator {
 public:
  bool done() const override { return at_ == 60; }
  void Next() override { ++at_; }
  const std::string& value() const override {
    static const std::string lines[] = {"the quick brown fox jumps over the lazy dog",
                                        "\u00fcber die Stra\u00dfe l\u00e4uft ein Hund mit einem Mann",
                                        "these and those, this and that"};
    return lines[at_ % 3];
  }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  int at_ = 0;
};

/// A model that the library itself learns from a few lines.
std::string model(const std::string& kind) {
  std::string out;
  Lines lines;
  const auto status = sentencepiece::SentencePieceTrainer::Train(
      "--model_type=" + kind + " --vocab_size=" + (kind == "bpe" ? "330" : "310") +
          " --byte_fallback=true --normalization_rule_name=identity --hard_vocab_limit=false --minloglevel=3",
      &lines, &out);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return out;
}

}  // namespace

TEST(SentencePiece, EncodesAsItsLibraryDoes) {
  for (const auto* kind : {"bpe", "unigram"}) {
    test::TemporaryFolder folder;
    const auto bytes = model(kind);
    write_file(folder / "tokenizer.model", bytes);
    const auto made = tokenizers().make({"sentencepiece", {{"path", (folder / "tokenizer.model").string()}}}, "");
    sentencepiece::SentencePieceProcessor reference;
    ASSERT_TRUE(reference.LoadFromSerializedProto(bytes).ok());
    EXPECT_EQ(made->size(), reference.GetPieceSize());
    for (const std::string text : {"the lazy fox", "\u00fcber \u65e5\u672c \U0001F642", "", "these those"}) {
      std::vector<int> ids;
      ASSERT_TRUE(reference.Encode(text, &ids).ok());
      EXPECT_EQ(made->encode(text), Ids(ids.begin(), ids.end()));
      EXPECT_EQ(made->decode(made->encode(text)), text);
    }
    EXPECT_EQ(made->special("<s>"), 1);
    EXPECT_EQ(made->special("the"), std::nullopt);
    EXPECT_ERROR(made->decode(Ids{made->size()}), "[tokenizer] there is no token");
  }
}

/// What is decoded of the first ids is where the whole text begins: bytes of a character stay bytes until it is whole.
TEST(SentencePiece, DecodesAsATextGrows) {
  for (const auto* kind : {"bpe", "unigram"}) {
    const auto bytes = model(kind);
    const auto made = parse_sentencepiece(bytes, "m");
    sentencepiece::SentencePieceProcessor reference;
    ASSERT_TRUE(reference.LoadFromSerializedProto(bytes).ok());
    const std::string text = "the lazy \u65e5\u672c \U0001F642 fox";
    const auto ids = made->encode(text);
    for (size_t count = 0; count <= ids.size(); ++count) {
      const auto begun = made->decode(std::span(ids).first(count));
      EXPECT_TRUE(text.starts_with(begun)) << kind << " " << begun;
    }
    EXPECT_EQ(made->decode(Ids{1, made->encode("fox")[0]}), made->decode(Ids{made->encode("fox")[0]}));
    EXPECT_EQ(made->decode(Ids{reference.unk_id()}), " \u2047 ");
    EXPECT_EQ(made->begin(), reference.bos_id());
  }
}

TEST(SentencePiece, RefusesWhatIsNoModel) {
  EXPECT_ERROR(parse_sentencepiece("not a model", "m"), "m: no SentencePiece model");
  EXPECT_ERROR(parse_sentencepiece("", "m"), "m: ");
  const auto whole = model("unigram");
  EXPECT_ERROR(parse_sentencepiece(std::string_view(whole).substr(0, whole.size() / 2), "m"), "m: ");
  EXPECT_ERROR(tokenizers().make({"sentencepiece", {{"path", "/nowhere/m"}}}, ""), "/nowhere/m");
}

TEST(SentencePiece, IsMadeAgainWithoutItsFile) {
  const test::TemporaryFolder folder;
  write_file(folder / "t.model", model("unigram"));
  const auto made = tokenizers().make({"sentencepiece", {{"path", (folder / "t.model").string()}}}, "");
  const auto settings = parse_toml(to_toml(made->settings()), "t");
  std::filesystem::remove(folder / "t.model");
  const auto again = tokenizers().make({"sentencepiece", settings}, "");
  EXPECT_EQ(again->encode("the quick Hund"), made->encode("the quick Hund"));
  EXPECT_EQ(again->settings(), made->settings());
}
