#include "hadal/core/shape.h"

#include "tests/support/support.h"

using namespace hadal;

TEST(Shape, SaysWhatWasWantedAndWhatCame) {
  expect_shape("vit", torch::zeros({2, 3, 4}), {kAny, 3, 4});
  EXPECT_ERROR(expect_shape("vit", torch::zeros({2, 1, 4}), {kAny, 3, 4}), "[vit] wants (any, 3, 4), got (2, 1, 4)");
  EXPECT_ERROR(expect_shape("vit", torch::zeros({3}), {kAny, 3}), "[vit] wants (any, 3), got (3)");
}
