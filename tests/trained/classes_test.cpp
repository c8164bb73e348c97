#include "hadal/trained/classes.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

using Names = std::vector<std::string>;
using Places = std::vector<int64_t>;

const LearnedClasses kPets = LearnedClasses::from({{"names", List{"cat", "dog", "emu"}}});

}  // namespace

TEST(Classes, AreWhatWasLearned) {
  EXPECT_EQ(kPets.names, (Names{"cat", "dog", "emu"}));
  EXPECT_EQ(kPets.labels, kPets.names);
  const auto both = LearnedClasses::from({{"names", List{"Katze"}}, {"labels", List{"cat"}}, {"tokenizer", Table{}}});
  EXPECT_EQ(both.names, Names{"Katze"});
  EXPECT_EQ(both.labels, Names{"cat"});
}

TEST(Classes, TheLikeliestComeFirst) {
  const auto top = top_classes(torch::tensor({0.25f, 0.5f, 0.25f}), {"cat", "dog", "emu"}, 2);
  ASSERT_EQ(top.size(), 2u);
  EXPECT_EQ(as_json(top)[0].dump(), R"({"class":"dog","score":0.5})");
  EXPECT_EQ(top_classes(torch::ones(3), {"cat", "dog", "emu"}, 5).size(), 3u);
}

TEST(Classes, MatchByNameNotByPlace) {
  EXPECT_EQ(match_classes({"cat", "dog", "emu"}, kPets.names, kPets), (Places{0, 1, 2}));
  EXPECT_EQ(match_classes({"emu", "dog"}, kPets.names, kPets), (Places{2, 1})) << "not all need occur";
  EXPECT_ERROR(match_classes({"ape", "cat", "dog"}, kPets.names, kPets),
               "the data has a class \"ape\" that the model does not know");
  EXPECT_ERROR(match_classes({"cat", "dgo"}, kPets.names, kPets), "does not know; nearest: dog");
}

TEST(Classes, TheUsersNamesAreForPeopleOrForTheData) {
  const Names german = {"Katze", "Hund", "Emu"};
  EXPECT_EQ(match_classes({"dog"}, german, kPets), (Places{1})) << "the data's names are those that were learned";
  EXPECT_EQ(match_classes({"Emu", "Hund"}, german, kPets), (Places{2, 1}));
  EXPECT_EQ(match_classes({"x", "y", "z"}, german, kPets), (Places{0, 1, 2})) << "as many, called otherwise";
  EXPECT_ERROR(match_classes({"x", "y"}, german, kPets), "names lists 3 classes and the data has 2, called otherwise");
  EXPECT_ERROR(match_classes({"cat"}, {"Katze"}, kPets), "names lists 1 classes and the model knows 3");
  EXPECT_EQ(match_classes({"n01", "n02"}, {"tench", "goldfish"}, {}), (Places{0, 1})) << "weights that know no names";
  EXPECT_EQ(match_classes({"b"}, {"a", "b"}, {}), (Places{1}));
}
