#include "hadal/core/error.h"

#include "tests/support/support.h"

using namespace hadal;

TEST(Error, SuggestsNamesWithinATypingMistake) {
  const std::vector<std::string> names = {"epochs", "batch", "optimizer", "vit_b_16", "vit_l_32"};
  EXPECT_EQ(suggest("epoch", names), "; nearest: epochs");
  EXPECT_EQ(suggest("optimiser", names), "; nearest: optimizer");
  EXPECT_EQ(suggest("vit", names), "; nearest: vit_b_16, vit_l_32");
  EXPECT_EQ(suggest("something_else", names), "; known: epochs, batch, optimizer, vit_b_16, vit_l_32");
}

TEST(Error, NearestMultipleIsNeverZero) {
  EXPECT_EQ(nearest_multiple(770, 12), 768);
  EXPECT_EQ(nearest_multiple(1, 12), 12);
}
