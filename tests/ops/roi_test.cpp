// Regions' features, forward and back, against torchvision's.
#include "hadal/ops/roi.h"

#include "hadal/io/safetensors.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {

const NamedTensors& roi_reference() {
  static const auto file = read_safetensors(golden("boxes.safetensors"));
  return file;
}

template <class Run>
void expect_case(const std::string& name, const Run& run) {
  const auto& boxes = roi_reference().at("roi/boxes");
  const auto line = [](const Tensor& like) {
    return torch::linspace(-1, 1, like.numel(), torch::kFloat64).to(like.scalar_type()).view(like.sizes());
  };
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    const auto x = roi_reference().at("roi/features").to(type).detach().clone().requires_grad_();
    const auto out = run(x, boxes.to(type));
    const auto weighed = (out * line(out)).sum();
    weighed.backward();
    EXPECT_LT((out - roi_reference().at(name)).abs().max().template item<double>(), 1e-5) << name;
    EXPECT_LT((x.grad() - roi_reference().at(name + "/gradient")).abs().max().template item<double>(), 1e-5) << name;
    if (type != torch::kFloat64) continue;
    const auto exact = torch::stack({weighed.detach(), (x.grad() * line(x)).sum()});
    EXPECT_LT(relative_error(exact, roi_reference().at(name + "/exact")), 1e-10) << name;
  }
}

}  // namespace

TEST(Roi, AlignIsTorchvisions) {
  for (const int64_t samples : {0, 2})
    for (const bool aligned : {false, true})
      expect_case(fmt::format("roi/align/{}/{}", samples, aligned ? 1 : 0), [&](const Tensor& x, const Tensor& boxes) {
        return roi_align(x, boxes, {.height = 3, .width = 4, .scale = 0.25, .samples = samples, .aligned = aligned});
      });
}

TEST(Roi, PoolIsTorchvisions) {
  expect_case("roi/pool", [](const Tensor& x, const Tensor& boxes) { return roi_pool(x, boxes, 3, 4, 0.25); });
}

TEST(Roi, GradientsDoNotDependOnThreads) {
  const auto before = at::get_num_threads();
  torch::manual_seed(0);
  const auto features = torch::randn({2, 5, 20, 20}).requires_grad_();
  const auto boxes = torch::rand({200, 5}) * 10;
  boxes.select(1, 0).floor_().remainder_(2);
  boxes.slice(1, 3).add_(5);
  std::vector<Tensor> gradients;
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    const auto out = roi_align(features, boxes, {}).square().sum() + roi_pool(features, boxes, 3, 3, 1).square().sum();
    out.backward();
    gradients.push_back(features.grad().clone());
    features.mutable_grad().reset();
  }
  at::set_num_threads(before);
  EXPECT_TRUE(torch::equal(gradients[0], gradients[1]));
}

TEST(Roi, TakesHalfPrecisionNothingAndHugeBoxes) {
  const auto& boxes = roi_reference().at("roi/boxes");
  const auto x = roi_reference().at("roi/features").to(torch::kBFloat16).detach().clone().requires_grad_();
  const auto out = roi_align(x, boxes, {.height = 3, .width = 4, .scale = 0.25, .samples = 2});
  EXPECT_EQ(out.scalar_type(), torch::kBFloat16);
  EXPECT_LT(relative_error(out, roi_reference().at("roi/align/2/0")), 0.01);
  out.sum().backward();
  EXPECT_EQ(x.grad().scalar_type(), torch::kBFloat16);
  EXPECT_EQ(roi_align(x, boxes.slice(0, 0, 0), {}).sizes(), (std::vector<int64_t>{0, 3, 7, 7}));
  const auto huge = torch::tensor({{0.0F, -1e30F, -1e30F, 1e30F, 1e30F}});
  EXPECT_TRUE(roi_align(x, huge, {}).isfinite().all().item<bool>());
  EXPECT_TRUE(roi_pool(x, huge, 3, 3, 1).isfinite().all().item<bool>());
}

TEST(Roi, RefusesWhatIsNotThere) {
  const auto x = torch::zeros({2, 3, 8, 8});
  EXPECT_ERROR(roi_align(x, torch::zeros({4, 4}), {}), "[roi_align] wants (any, 5), got (4, 4)");
  EXPECT_ERROR(roi_align(x, torch::full({1, 5}, 2.0), {}), "[roi_align] regions name pictures 2 to 2, but there are 2");
  EXPECT_ERROR(roi_pool(x, torch::zeros({1, 5}), 0, 3, 1), "height and width must be at least 1, got 0 and 3");
}
