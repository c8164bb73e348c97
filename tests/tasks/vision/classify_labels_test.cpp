#include "hadal/tasks/vision/classify_labels.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

using Names = std::vector<std::string>;
using Places = std::vector<int64_t>;

const LearnedClasses kPets = learned_classes({{"classes", R"(["cat", "dog", "emu"])"}});

}  // namespace

TEST(ClassifyLabels, AreReadFromMetadata) {
  EXPECT_EQ(kPets.names, (Names{"cat", "dog", "emu"}));
  EXPECT_EQ(kPets.labels, kPets.names);
  const auto both = learned_classes({{"classes", R"(["Katze"])"}, {"labels", R"(["cat"])"}});
  EXPECT_EQ(both.names, Names{"Katze"});
  EXPECT_EQ(both.labels, Names{"cat"});
  for (const auto* other : {"10", "cat, dog", "[1, 2]", "{", ""})
    EXPECT_TRUE(learned_classes({{"classes", other}}).names.empty()) << other;
}

TEST(ClassifyLabels, MatchByNameNotByPlace) {
  EXPECT_EQ(match_classes({"cat", "dog", "emu"}, kPets.names, kPets), (Places{0, 1, 2}));
  EXPECT_EQ(match_classes({"emu", "dog"}, kPets.names, kPets), (Places{2, 1})) << "not all need occur";
  EXPECT_ERROR(match_classes({"ape", "cat", "dog"}, kPets.names, kPets),
               "the data has a class \"ape\" that the model does not know");
  EXPECT_ERROR(match_classes({"cat", "dgo"}, kPets.names, kPets), "does not know; nearest: dog");
}

TEST(ClassifyLabels, TheUsersNamesAreForPeopleOrForTheData) {
  const Names german = {"Katze", "Hund", "Emu"};
  EXPECT_EQ(match_classes({"dog"}, german, kPets), (Places{1})) << "the data's names are those that were learned";
  EXPECT_EQ(match_classes({"Emu", "Hund"}, german, kPets), (Places{2, 1}));
  EXPECT_EQ(match_classes({"x", "y", "z"}, german, kPets), (Places{0, 1, 2})) << "as many, called otherwise";
  EXPECT_ERROR(match_classes({"x", "y"}, german, kPets), "names lists 3 classes and the data has 2, called otherwise");
  EXPECT_ERROR(match_classes({"cat"}, {"Katze"}, kPets), "names lists 1 classes and the model knows 3");
  EXPECT_EQ(match_classes({"n01", "n02"}, {"tench", "goldfish"}, {}), (Places{0, 1})) << "weights that know no names";
  EXPECT_EQ(match_classes({"b"}, {"a", "b"}, {}), (Places{1}));
}
