// Distances between sets of features: SciPy's and NumPy's numbers.
#include "hadal/metrics/generative.h"

#include "tests/models/generative/golden.h"

using namespace hadal;
using namespace hadal::test;

namespace {

const GoldenFile& reference() {
  static const GoldenFile file("generative_scores");
  return file;
}

constexpr auto kDouble = torch::kFloat64;

Tensor real() { return noise("real", {90, 8}, kDouble); }
Tensor made() { return (noise("made", {70, 8}, kDouble) * 0.8 + 0.3) * torch::linspace(0.5, 1.5, 8, kDouble); }

FeatureMoments moments(const Tensor& x, int64_t batch) {
  FeatureMoments out;
  for (const auto& part : x.split(batch)) out.add(part);
  return out;
}

}  // namespace

TEST(FrechetDistance, IsScipys) {
  const auto ours = frechet_distance(moments(real(), 17), moments(made(), 70));
  const auto theirs = reference().about("frechet").get<double>();
  EXPECT_NEAR(ours, theirs, 1e-8 * theirs);
  const auto scale = torch::logspace(std::log10(0.05), std::log10(3.0), 32, 10, kDouble);
  const auto wide = noise("wide", {400, 32}, kDouble) * scale;
  const auto other = noise("other", {300, 32}, kDouble).mm(noise("mix", {32, 32}, kDouble));
  const auto far = reference().about("frechet_wide").get<double>();
  EXPECT_NEAR(frechet_distance(moments(wide, 64), moments(other, 300)), far, 1e-8 * far);
}

TEST(FrechetDistance, OfTheSameIsZeroAlsoFarFromZero) {
  const auto far = real() + 1e6;  // where a sum of squares would have no digits left
  EXPECT_NEAR(frechet_distance(moments(far, 13), moments(far, 90)), 0, 1e-7);
  EXPECT_NEAR(frechet_distance(moments(real(), 90), moments(real() + 2, 90)), 4 * 8, 1e-9);
  const auto flat = real().select(1, 0).unsqueeze(1).expand({90, 4}).contiguous();  // a singular covariance
  EXPECT_NEAR(frechet_distance(moments(flat, 90), moments(flat, 90)), 0, 1e-6);
}

TEST(FrechetDistance, SaysWhatIsMissing) {
  FeatureMoments one;
  EXPECT_ERROR(one.mean(), "no sample");
  one.add(torch::zeros({1, 4}));
  EXPECT_ERROR(one.covariance(), "1 sample(s): a covariance wants at least 2");
  EXPECT_ERROR(one.add(torch::zeros({1, 5})), "5 numbers a sample, but 4 before");
  EXPECT_ERROR(one.add(torch::full({1, 4}, NAN)), "not finite");
}

TEST(KernelDistance, IsTheFormula) {
  const auto x = real().slice(0, 0, 70);
  const auto all = kernel_distance(x, made(), 3, 70, 1);  // subsets of everything are all the same
  const auto wanted = reference().about("kernel").get<double>();
  EXPECT_NEAR(all.mean, wanted, 1e-9 * std::abs(wanted));
  EXPECT_NEAR(all.deviation, 0, 1e-9);
  const auto some = kernel_distance(x, made(), 20, 30, 1);
  EXPECT_NEAR(some.mean, wanted, 3 * some.deviation);
  EXPECT_GT(some.deviation, 0);
  EXPECT_EQ(some.mean, kernel_distance(x, made(), 20, 30, 1).mean);
  EXPECT_NE(some.mean, kernel_distance(x, made(), 20, 30, 2).mean);
  EXPECT_ERROR(kernel_distance(x, made(), 2, 71, 1), "take at most 70");
  EXPECT_ERROR(kernel_distance(x, made().slice(1, 0, 7), 2, 10, 1), "take them from one net");
}

TEST(Fidelity, IsNumpys) {
  for (const int64_t k : {1, 3}) {
    const auto ours = fidelity(real(), made(), k);
    const auto wanted = reference().about(fmt::format("fidelity{}", k)).get<std::vector<double>>();
    EXPECT_NEAR(ours.precision, wanted[0], 1e-12);
    EXPECT_NEAR(ours.recall, wanted[1], 1e-12);
    EXPECT_NEAR(ours.density, wanted[2], 1e-12);
    EXPECT_NEAR(ours.coverage, wanted[3], 1e-12);
  }
  const auto same = fidelity(real(), real());
  EXPECT_EQ(same.precision, 1);
  EXPECT_EQ(same.recall, 1);
  EXPECT_EQ(fidelity(real(), real() + 100).precision, 0);
  EXPECT_ERROR(fidelity(real().slice(0, 0, 3), made()), "wants more than 3 samples of each");
}

TEST(Neighbours, AreTheNearest) {
  const auto among = noise("among", {3000, 5}, kDouble);
  const auto found = nearest_neighbours(among.slice(0, 0, 2100) + 1e-6, among, 2);  // more than a piece
  EXPECT_TRUE(torch::equal(found.index.select(1, 0), torch::arange(2100)));
  EXPECT_TRUE((found.distance.select(1, 0) <= found.distance.select(1, 1)).all().item<bool>());
  const auto other = found.index[7][1].item<int64_t>();
  EXPECT_NEAR(found.distance[7][1].item<double>(), (among[7] + 1e-6 - among[other]).norm().item<double>(), 1e-6);
  EXPECT_ERROR(nearest_neighbours(among, among, 0), "cannot be found among 3000 samples");
}

TEST(ClassCoverage, CountsClassesAndConfidence) {
  const auto logits = torch::tensor({{9.f, 0.f, 0.f}, {9.f, 0.f, 0.f}, {0.f, 1.f, 0.f}, {9.f, 0.f, 0.f}});
  const auto ours = class_coverage(logits);
  EXPECT_EQ(ours.shares, (std::vector<double>{0.75, 0.25, 0}));
  EXPECT_EQ(ours.least, 0);
  EXPECT_EQ(ours.found, 2);
  EXPECT_EQ(ours.confident, 0.75);
  EXPECT_ERROR(class_coverage(torch::zeros({0, 3})), "no sample to look at");
}
