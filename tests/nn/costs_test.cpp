// What is counted, against what can be worked out by hand and what is known of published models.
#include "hadal/nn/costs.h"

#include "hadal/models/kinds.h"
#include "hadal/nn/init.h"
#include "hadal/nn/linear.h"
#include "hadal/ops/attention.h"
#include "hadal/ops/tokens.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

std::vector<LayerCost> costs_of(const std::string& name, int64_t measure = 0, Table settings = {}) {
  const auto& kind = kind_of_model(name);
  const auto part = with_measure(kind, {name, std::move(settings)}, measure);
  std::shared_ptr<Model> model;
  {
    const WithoutInit unset;
    model = kind.make(part);
  }
  const torch::NoGradGuard no_grad;
  for (auto& parameter : model->parameters()) parameter.zero_();
  return layer_costs(*model, kind.example(model, part, measure).forward);
}

double sum(const std::vector<LayerCost>& layers) {
  double out = 0;
  for (const auto& layer : layers) out += layer.flops;
  return out;
}

const LayerCost& layer(const std::vector<LayerCost>& layers, const std::string& name) {
  for (const auto& one : layers)
    if (one.name == name) return one;
  throw Error("there is no layer " + name);
}

}  // namespace

TEST(Flops, OfProductsAreTwiceTheirMultiplyAdds) {
  const torch::NoGradGuard no_grad;
  const auto a = torch::ones({3, 5}), b = torch::ones({5, 7});
  EXPECT_EQ(flops_of([&] { torch::mm(a, b); }), 2 * 3 * 5 * 7);
  EXPECT_EQ(flops_of([&] { torch::matmul(a.expand({4, 3, 5}), b.expand({4, 5, 7})); }), 4 * 2 * 3 * 5 * 7);
  EXPECT_EQ(flops_of([&] { torch::addmm(torch::ones({7}), a, b); }), 2 * 3 * 5 * 7);
  EXPECT_EQ(flops_of([&] { torch::einsum("ij,jk->ik", {a, b}); }), 2 * 3 * 5 * 7);
  EXPECT_EQ(flops_of([&] { a + a; }), 0);
  const auto x = torch::ones({2, 4, 9, 9});
  EXPECT_EQ(flops_of([&] { torch::conv2d(x, torch::ones({6, 2, 3, 3}), {}, 2, 1, 1, 2); }),
            2 * (2 * 6 * 5 * 5) * 2 * 9);
  EXPECT_EQ(flops_of([&] { torch::conv_transpose2d(x, torch::ones({4, 6, 2, 2}), {}, 2); }),
            2 * (2 * 4 * 9 * 9) * 6 * 4);
}

TEST(Flops, OfHadalsOwnProductsAreCountedOnceOnEveryPath) {
  for (const bool learns : {false, true})
    for (const int64_t rows : {2, 512}) {
      const auto x = torch::ones({rows, 64}, torch::requires_grad(learns)), w = torch::ones({64, 64});
      EXPECT_EQ(flops_of([&] { linear(x, w, torch::ones({64})); }), 2 * rows * 64 * 64);
      const auto wide = torch::ones({128, 64}), narrow = torch::ones({64, 128});
      EXPECT_EQ(flops_of([&] { gelu_mlp(x, wide, torch::ones({128}), narrow, torch::ones({64})); }),
                2 * 2 * rows * 64 * 128);
    }
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    const auto q = torch::ones({2, 4, 10, 16}, type), k = torch::ones({2, 2, 12, 16}, type);
    EXPECT_EQ(flops_of([&] { attention(q, k, k); }), 2 * 2 * (2 * 4 * 10 * 12) * 16);
  }
}

TEST(Flops, OfGradientsAreAProductForEachSideThatWantsOne) {
  const auto x = torch::ones({2, 3, 8, 8}), w = torch::ones({4, 3, 3, 3}, torch::requires_grad());
  const FlopCount count;
  const auto y = torch::conv2d(x, w);
  const double once = 2 * (2 * 4 * 6 * 6) * 27;
  EXPECT_EQ(count.forward(), once);
  EXPECT_EQ(count.with_gradients(), 2 * once) << "pixels want no gradient";
  const auto z = torch::mm(y.flatten(1), torch::ones({144, 5}, torch::requires_grad()));
  const double more = 2 * 2 * 144 * 5;
  EXPECT_EQ(count.with_gradients(), 2 * once + 3 * more);
  z.sum().backward();
  EXPECT_EQ(count.with_gradients(), 2 * once + 3 * more) << "the backward pass was counted before";
  EXPECT_EQ(count.forward(), once + more);
  EXPECT_EQ(flops_of([&] { torch::mm(torch::ones({1, 2}), torch::ones({2, 1})); }), 4);
  EXPECT_EQ(count.forward(), once + more) << "the newer one counts";
}

TEST(LayerCosts, GoToTheLayerWhoseWeightItIs) {
  nn::Sequential net(nn::Conv2d(nn::Conv2dOptions(3, 8, 3).padding(1)), nn::BatchNorm2d(8), nn::Flatten(),
                     Linear(128, 5));
  const torch::NoGradGuard no_grad;
  net->eval();
  const auto layers = layer_costs(*net, [&] {
    const auto y = net->forward(torch::ones({2, 3, 4, 4}));
    torch::mm(y, y.t());
  });
  ASSERT_EQ(layers.size(), 4U);
  EXPECT_EQ(layers[0].name, "0");
  EXPECT_EQ(layers[0].shape, (std::vector<int64_t>{2, 8, 4, 4}));
  EXPECT_EQ(layers[0].parameters, 224);
  EXPECT_EQ(layers[0].flops, 2 * (2 * 8 * 16) * 27);
  EXPECT_EQ(layers[1].shape, layers[0].shape);
  EXPECT_EQ(layers[1].parameters, 16);
  EXPECT_EQ(layers[1].flops, 0);
  EXPECT_EQ(layers[2].shape, (std::vector<int64_t>{2, 5}));
  EXPECT_EQ(layers[2].flops, 2 * 2 * 128 * 5);
  EXPECT_EQ(layers[3].name, "products");
  EXPECT_EQ(layers[3].flops, 2 * 2 * 2 * 5);
}

TEST(LayerCosts, AreThoseKnownOfPublishedModels) {
  const auto resnet = costs_of("resnet18");
  EXPECT_NEAR(sum(resnet) / 2e9, 1.814, 5e-4);  // torchvision's table
  EXPECT_EQ(layer(resnet, "conv1").flops, 2.0 * 64 * 112 * 112 * 147);
  EXPECT_EQ(layer(resnet, "fc").shape, (std::vector<int64_t>{1, 1000}));
  EXPECT_NEAR(sum(costs_of("yolov8n")) / 1e9, 8.75, 0.1);  // ultralytics' table says 8.7
  EXPECT_NEAR(sum(costs_of("yolo11n")) / 1e9, 6.55, 0.1);  // 6.5
  EXPECT_NEAR(sum(costs_of("yolov8n", 320)) / sum(costs_of("yolov8n")), 0.25, 1e-6);
  for (const auto& one : costs_of("yolov8n"))
    if (one.name == "products") EXPECT_LT(one.flops, 1e7) << "folded weights are their layers' still";

  const auto gpt = costs_of("gpt2", 64);
  const double weights = 12.0 * 12 * 768 * 768 + 50257.0 * 768, scores = 12.0 * 64 * 64 * 768;
  EXPECT_EQ(sum(gpt), 2 * weights * 64 + 2 * 2 * scores);
  EXPECT_EQ(layer(gpt, "products").flops, 2 * 2 * scores);
  EXPECT_EQ(layer(gpt, "wte").flops, 2.0 * 64 * 50257 * 768) << "the head is tied to it";
}

TEST(LayerCosts, AreCountedForEveryKindOfModel) {
  for (const auto& kind : model_kinds()) {
    const auto& name = kind.names.front();
    const auto settings = kind.measure == "tokens" ? Table{{"vocabulary", 100}} : Table();
    const auto layers = costs_of(name, kind.measure == "tokens" ? 16 : kind.measure == "size" ? 64 : 0, settings);
    EXPECT_GT(sum(layers), 0) << name;
    for (const auto& one : layers)
      if (one.name == "products") EXPECT_LT(one.flops, sum(layers) / 2) << name;
  }
}
