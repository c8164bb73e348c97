#include "hadal/metrics/translation.h"

#include <nlohmann/json.hpp>

#include "hadal/data/text/text_split.h"
#include "hadal/io/file.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

nlohmann::json golden_bleu() { return nlohmann::json::parse(read_file(test::golden("text/translation_scores.json"))); }

template <class Score>
double corpus(const nlohmann::json& pairs, Score score) {
  for (const auto& pair : pairs) score.add(pair[0].get<std::string>(), pair[1].get<std::string>());
  return score.score();
}

}  // namespace

TEST(Translation, EqualsSacreBleu) {
  const auto golden = golden_bleu();
  EXPECT_NEAR(corpus(golden["pairs"], Bleu()), golden["bleu"].get<double>(), 1e-6);
  EXPECT_NEAR(corpus(golden["pairs"], Chrf()), golden["chrf"].get<double>(), 1e-6);
  if (has_unicode_library()) EXPECT_NEAR(corpus(golden["pairs"], Bleu(true)), golden["bleu_lower"].get<double>(), 1e-6);
  for (size_t i = 0; i < golden["pairs"].size(); ++i) {
    const auto one = nlohmann::json::array({golden["pairs"][i]});
    const auto& expected = golden["single"][i];
    EXPECT_NEAR(corpus(one, Bleu()), expected["bleu"].get<double>(), 1e-6) << one;
    EXPECT_NEAR(corpus(one, Chrf()), expected["chrf"].get<double>(), 1e-6) << one;
    EXPECT_EQ(words_13a(one[0][0].get<std::string>()), expected["words"].get<std::vector<std::string>>());
  }
}

TEST(Translation, NothingScoresNothing) {
  EXPECT_EQ(Bleu().score(), 0);
  EXPECT_EQ(Chrf().score(), 0);
}
