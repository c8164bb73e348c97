#include "hadal/models/detection/mask_regions.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::yolo;
using torch::Tensor;

namespace {

/// Whole masks of all learners, and then the cells alone that lie within: what regions spare.
Tensor of_whole_masks(const Tensor& coefficients, const Tensor& prototypes, const std::vector<MaskRegion>& regions) {
  std::vector<Tensor> parts;
  for (const auto& region : regions) {
    const auto& planes = prototypes[region.picture];
    const auto whole =
        region.rows_of(coefficients).matmul(planes.flatten(1)).view({-1, planes.size(1), planes.size(2)});
    parts.push_back(region.of(whole).flatten());
  }
  return torch::cat(parts);
}

// Two pictures of 6 x 8 cells; of five objects the last three lie off the picture's edge, within one cell, between two.
struct RegionCase {
  Tensor objects = torch::tensor({0, 0, 0, 1, 2, 2, 3, 4});
  Tensor owner = torch::tensor({1, 0, 0, 1, 1});
  Tensor boxes = torch::tensor({1.0, 2.0, 4.0, 5.0, 0.5, 0.0, 8.0, 6.0, -3.0, 4.5,
                                2.2, 9.0, 2.9, 3.9, 3.1, 4.1, 5.2, 1.2, 5.8,  1.8})
                     .view({5, 4});
  std::vector<MaskRegion> regions = mask_regions(objects, boxes, owner, 6, 8);
};

}  // namespace

TEST(MaskRegions, ABoxHoldsTheCellsThatBeginInIt) {
  const auto regions = RegionCase().regions;
  ASSERT_EQ(regions.size(), 5u);
  const std::vector<std::vector<int64_t>> wanted = {{1, 0, 3, 2, 1, 3, 3},
                                                    {0, 3, 1, 0, 1, 6, 7},
                                                    {0, 4, 2, 5, 0, 1, 3},
                                                    {1, 6, 1, 4, 3, 1, 1},
                                                    {1, 7, 1, 2, 6, 0, 0}};
  for (size_t i = 0; i < regions.size(); ++i) {
    const auto& r = regions[i];
    EXPECT_EQ((std::vector{r.picture, r.learner, r.learners, r.top, r.left, r.rows, r.columns}), wanted[i]) << i;
  }
}

TEST(MaskRegions, LogitsAndGradientsAreThoseOfWholeMasks) {
  torch::manual_seed(1);
  const RegionCase some;
  const auto like = torch::TensorOptions(torch::kFloat64).requires_grad(true);
  const auto coefficients = torch::randn({8, 4}, like), prototypes = torch::randn({2, 4, 6, 8}, like);
  const auto logits = logits_within(coefficients, prototypes, some.regions);
  const auto wanted = of_whole_masks(coefficients, prototypes, some.regions);
  ASSERT_TRUE(torch::allclose(logits, wanted, 0, 1e-12));

  const auto weights = torch::randn_like(logits).detach();
  const auto gradients = torch::autograd::grad({(logits * weights).sum()}, {coefficients, prototypes});
  const auto expected = torch::autograd::grad({(wanted * weights).sum()}, {coefficients, prototypes});
  for (size_t i = 0; i < gradients.size(); ++i) EXPECT_TRUE(torch::allclose(gradients[i], expected[i], 0, 1e-12)) << i;
}
