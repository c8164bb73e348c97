#include "hadal/models/vision/cnn.h"

#include "tests/support/support.h"

using namespace hadal;

TEST(Cnn, RefusesPicturesThatItCannotHalve) {
  Cnn cnn(CnnConfig{.widths = {2, 2, 2}});
  cnn->eval();
  EXPECT_EQ(cnn(torch::zeros({1, 1, 4, 5})).sizes(), (std::vector<int64_t>{1, 10}));
  EXPECT_ERROR(cnn(torch::zeros({1, 1, 3, 9})), "a picture of 3 x 9 is too small; sides of at least 4 are wanted");
  EXPECT_ERROR(CnnConfig{.widths = {}}.validate(), "widths must name 1 to 12 convolutions");
  EXPECT_ERROR(Cnn(CnnConfig{.widths = {}}), "widths must name 1 to 12 convolutions");
}
