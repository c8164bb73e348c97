// Masks into pictures and out of them, against torchvision.
#include "hadal/ops/instance_masks.h"

#include "hadal/io/safetensors.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

TEST(InstanceMasks, ArePastedAsTorchvisionDoes) {
  const auto file = read_safetensors(golden("boxes.safetensors"));
  const auto picture = paste_masks(file.at("paste/masks"), file.at("paste/boxes"), 40, 53);
  EXPECT_LT((picture - file.at("paste/picture")).abs().max().item<double>(), 1e-5);
  EXPECT_GT(picture.sum().item<double>(), 100);
}

TEST(InstanceMasks, GiveTheirBoxes) {
  const auto file = read_safetensors(golden("boxes.safetensors"));
  const auto whole_pixels = file.at("find/boxes") + torch::tensor({0, 0, 1, 1});
  EXPECT_TRUE(torch::equal(masks_to_boxes(file.at("find/masks")), whole_pixels));
  EXPECT_TRUE(torch::equal(masks_to_boxes(torch::zeros({1, 5, 5})), torch::zeros({1, 4})));
}

TEST(InstanceMasks, TakeAnyBoxAndRefuseOtherShapes) {
  const auto boxes = torch::tensor({{NAN, 0.0F, 5.0F, 5.0F}, {-1e30F, -1e30F, 1e30F, 1e30F}, {5.0F, 5.0F, 1.0F, 1.0F}});
  EXPECT_TRUE(paste_masks(torch::ones({3, 4, 4}), boxes, 8, 8).isfinite().all().item<bool>());
  EXPECT_EQ(paste_masks(torch::ones({0, 4, 4}), boxes.slice(0, 0, 0), 8, 8).sizes(), (std::vector<int64_t>{0, 8, 8}));
  EXPECT_ERROR(paste_masks(torch::ones({2, 4, 4}), boxes, 8, 8), "got (2, 4, 4), (3, 4) and 8 x 8");
}
