#include "hadal/optim/clip.h"

#include "hadal/io/safetensors.h"
#include "hadal/train/config.h"

#include "tests/support/support.h"

namespace hadal {
namespace {

Tensor with_grad(Tensor value, Tensor grad) {
  value.requires_grad_();
  value.mutable_grad() = std::move(grad);
  return value;
}

/// Two parameters with gradients (3, 0) and 4, in a group each.
std::unique_ptr<Optimizer> three_four(at::ScalarType type = at::kFloat) {
  const auto a = with_grad(torch::zeros({2}, type), torch::tensor({3.0, 0.0}, type));
  const auto b = with_grad(torch::zeros({1}, type), torch::tensor({4.0}, type));
  const auto none = torch::zeros({5}, type).requires_grad_();
  return optimizers().make({"sgd", Table({{"lr", 1.0}})}, {{{{"a", a}, {"none", none}}}, {{{"b", b}}}});
}

std::vector<double> moved(const Clipped& clipped, Optimizer& optimizer) {
  optimizer.step({}, clipped.evaluation);
  const auto params = optimizer.parameters();
  return {-params[0][0].item<double>(), -params[2][0].item<double>()};
}

TEST(Clip, TheNormOfAllGradientsTogether) {
  for (const auto type : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    auto optimizer = three_four(type);
    const auto small = clip_gradients(*optimizer, {.limit = 10});
    EXPECT_DOUBLE_EQ(small.norm, 5);
    EXPECT_EQ(small.evaluation.use.scale, 1);
    const auto clipped = clip_gradients(*optimizer, {.limit = 2});
    EXPECT_DOUBLE_EQ(clipped.norm, 5);
    const auto way = moved(clipped, *optimizer);
    EXPECT_NEAR(way[0], 1.2, type == at::kFloat || type == at::kDouble ? 1e-6 : 4e-3);
    EXPECT_NEAR(way[1], 1.6, type == at::kFloat || type == at::kDouble ? 1e-6 : 4e-3);
  }
}

TEST(Clip, ALossScaleIsTakenOutFirst) {
  auto optimizer = three_four();
  const auto clipped = clip_gradients(*optimizer, {.limit = 2}, 0.1);
  EXPECT_NEAR(clipped.norm, 0.5, 1e-12);
  EXPECT_NEAR(moved(clipped, *optimizer)[1], 0.4, 1e-6);
}

TEST(Clip, EachGroupByItself) {
  auto optimizer = three_four();
  const auto way = moved(clip_gradients(*optimizer, {.limit = 3.5, .by = "group"}), *optimizer);
  EXPECT_NEAR(way[0], 3, 1e-6);
  EXPECT_NEAR(way[1], 3.5, 1e-5);
}

TEST(Clip, EachValueByItself) {
  auto optimizer = three_four();
  const auto way = moved(clip_gradients(*optimizer, {.limit = 3.5, .by = "value"}), *optimizer);
  EXPECT_NEAR(way[0], 3, 1e-6);
  EXPECT_NEAR(way[1], 3.5, 1e-6);
  auto scaled = three_four();
  EXPECT_NEAR(moved(clip_gradients(*scaled, {.limit = 1, .by = "value"}, 0.5), *scaled)[1], 1, 1e-6);
}

TEST(Clip, AdaptiveIsTimms) {
  const auto golden = read_safetensors(test::golden("clip.safetensors")).index();
  for (const auto type : {at::kDouble, at::kFloat})
    for (const bool channels_last : {false, true})
      for (const double scale : {1.0, 1.0 / 1024}) {
        std::vector<ParamGroup> groups(1);
        for (const auto& name : {"matrix", "kernel", "vector", "zeros"}) {
          auto param = golden.at(name).to(type), grad = (golden.at(std::string(name) + ".grad") / scale).to(type);
          if (channels_last && param.dim() == 4) {
            param = param.contiguous(at::MemoryFormat::ChannelsLast);
            grad = grad.contiguous(at::MemoryFormat::ChannelsLast);
          }
          groups[0].params.emplace_back(name, with_grad(param, grad));
        }
        const auto optimizer = optimizers().make({"sgd", {}}, groups);
        const auto clipped = clip_gradients(*optimizer, {.limit = 0.1, .by = "adaptive"}, scale);
        EXPECT_NEAR(clipped.norm, golden.at("norm").item<double>(), 1e-5);
        for (const auto& [name, param] : groups[0].params)
          EXPECT_LT(test::relative_error(param.grad() * scale, golden.at(name + ".clipped")),
                    type == at::kDouble ? 1e-12 : 1e-6)
              << name;
      }
}

TEST(Clip, ANormIsTheSameForAnyNumberOfThreads) {
  const auto grad = torch::randn({3, 70001}), other = torch::randn({123});
  const std::vector<Tensor> params = {with_grad(torch::zeros_like(grad), grad),
                                      with_grad(torch::zeros_like(other), other)};
  const auto threads = at::get_num_threads();
  const auto expected = std::sqrt(grad.to(at::kDouble).square().sum().item<double>() +
                                  other.to(at::kDouble).square().sum().item<double>());
  const auto norm = grad_norm(params);
  EXPECT_NEAR(norm, expected, 1e-9 * expected);
  at::set_num_threads(1);
  EXPECT_EQ(grad_norm(params), norm);
  at::set_num_threads(threads);
}

TEST(Clip, InPlaceForLoopsOfTheirOwn) {
  const auto optimizer = three_four();
  const auto params = optimizer->parameters();
  EXPECT_DOUBLE_EQ(clip_grad_norm(params, 10), 5);
  EXPECT_EQ(params[0].grad()[0].item<double>(), 3);  // small enough: left as it was
  EXPECT_DOUBLE_EQ(clip_grad_norm(params, 2), 5);
  EXPECT_NEAR(grad_norm(params), 2, 1e-5);
  EXPECT_EQ(grad_norm(std::vector{torch::zeros({3}, torch::requires_grad())}), 0);
}

TEST(Clip, NamesTheFirstParameterThatIsNotFinite) {
  const auto optimizer = three_four();
  EXPECT_EQ(first_not_finite(*optimizer), "");
  const auto params = optimizer->parameters();
  const torch::NoGradGuard no_grad;
  params[0].fill_(NAN);
  EXPECT_EQ(first_not_finite(*optimizer), "a");
  params[2].mutable_grad().fill_(INFINITY);
  EXPECT_EQ(first_not_finite(*optimizer), "b");  // gradients come first: they spoil the values
  EXPECT_FALSE(std::isfinite(clip_gradients(*optimizer, {}).norm));
}

TEST(Clip, RefusesAWayWithoutALimit) {
  TrainConfig config;
  config.clip_by = "value";
  EXPECT_ERROR(config.validate(), "train.clip_by = \"value\" bounds nothing while clip is 0");
  config.clip = 1;
  config.validate();
}

TEST(Clip, RefusesAnUnknownWay) {
  EXPECT_ERROR(clip_gradients(*three_four(), {.limit = 1, .by = "norms"}), "nearest: norm");
}

}  // namespace
}  // namespace hadal
