// Boxes against torchvision's operators and ultralytics' bbox_iou.
#include "hadal/ops/boxes.h"

#include "hadal/io/safetensors.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {

const NamedTensors& reference() {
  static const auto file = read_safetensors(golden("boxes.safetensors"));
  return file;
}

double far(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

void expect_overlap(const std::string& name, Overlap kind, double tolerance) {
  const auto a = reference().at("a").clone().requires_grad_(), b = reference().at("b").clone().requires_grad_();
  const auto out = box_overlap(a, b, kind);
  EXPECT_LT(far(out, reference().at(name)), tolerance) << name;
  (out * reference().at("weigh")).sum().backward();
  EXPECT_LT(far(a.grad(), reference().at(name + "/a")), tolerance) << name;
  EXPECT_LT(far(b.grad(), reference().at(name + "/b")), tolerance) << name;
}

}  // namespace

TEST(Boxes, ChangeTheirForm) {
  const auto& a = reference().at("a");
  EXPECT_LT(far(xywh_from_xyxy(a), reference().at("xywh")), 1e-12);
  EXPECT_LT(far(cxcywh_from_xyxy(a), reference().at("cxcywh")), 1e-12);
  EXPECT_LT(far(xyxy_from_xywh(reference().at("xywh")), a), 1e-12);
  EXPECT_LT(far(xyxy_from_cxcywh(reference().at("cxcywh")), a), 1e-12);
  EXPECT_TRUE(torch::equal(clip_boxes(a, 30, 40), reference().at("clipped")));
}

TEST(Boxes, OverlapPairByPair) {
  const auto &a = reference().at("a"), b = reference().at("b").slice(0, 0, 25), &iou = reference().at("iou");
  EXPECT_LT(far(box_iou(a, b), iou), 1e-12);
  EXPECT_LT(far(box_iou(a.to(torch::kFloat32), b.to(torch::kFloat32)), iou), 1e-5);
  const auto x = a.clone().requires_grad_();
  const auto with_gradient = box_iou(x, b);
  EXPECT_LT(far(with_gradient, iou), 1e-12);
  with_gradient.sum().backward();
  EXPECT_GT(x.grad().abs().sum().item<double>(), 0);
  EXPECT_EQ(box_iou(a.slice(0, 0, 0), b).sizes(), (std::vector<int64_t>{0, 25}));
}

TEST(Boxes, OverlapsAndGradientsAreTheReferences) {
  expect_overlap("giou", Overlap::giou, 1e-9);
  expect_overlap("diou", Overlap::diou, 1e-9);
  expect_overlap("ciou", Overlap::ciou, 1e-7);  // eps stands in one denominator more
  expect_overlap("ultralytics_iou", Overlap::iou, 1e-7);
  expect_overlap("ultralytics_giou", Overlap::giou, 1e-7);
  expect_overlap("ultralytics_diou", Overlap::diou, 1e-7);
  expect_overlap("ultralytics_ciou", Overlap::ciou, 1e-7);
}

TEST(Boxes, WithoutAreaGiveNoNaN) {
  const auto a = torch::tensor({{3.0F, 3.0F, 3.0F, 3.0F}}).requires_grad_();
  const auto out = box_overlap(a, torch::tensor({{3.0F, 3.0F, 3.0F, 3.0F}}), Overlap::ciou);
  out.sum().backward();
  EXPECT_TRUE(out.isfinite().all().item<bool>());
  EXPECT_TRUE(a.grad().isfinite().all().item<bool>());
}

TEST(Boxes, RefuseOtherShapes) {
  EXPECT_ERROR(box_area(torch::zeros({3, 5})), "[box_area] wants (..., 4), got (3, 5)");
  EXPECT_ERROR(box_iou(torch::zeros({3, 4}), torch::zeros({4})),
               "[box_iou] wants (N, 4) and (M, 4), got (3, 4) and (4)");
}
