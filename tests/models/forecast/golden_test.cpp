// Every forecaster against its reference with the same weights, and what all of them must do.
#include <nlohmann/json.hpp>

#include "hadal/io/file.h"
#include "hadal/io/safetensors.h"
#include "hadal/io/weights.h"
#include "hadal/models/forecast/forecaster.h"
#include "hadal/models/forecast/series_classifier.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {

constexpr double kTolerance = 1e-4;

struct Case {
  std::string name, model;
  Table settings;
};

Table encoder(const Table& more) {
  Table table{{"dim", 16},
              {"depth", 2},
              {"heads", 4},
              {"mlp", 32},
              {"dropout", 0},
              {"projection_dropout", 0},
              {"attention_dropout", 0}};
  table.merge(more);
  return table;
}

const std::vector<Case>& cases() {
  static const auto patches = [](Table more, Table inner) {
    Table table{{"patch", 8}, {"stride", 4}, {"encoder", encoder(inner)}};
    table.merge(more);
    return table;
  };
  static const std::vector<Case> all = {
      {"dlinear", "dlinear", {}},
      {"dlinear_individual", "dlinear", {{"individual", true}}},
      {"patchtst_batch", "patchtst", patches({{"pad_end", false}}, {})},
      {"patchtst_layer", "patchtst",
       patches({{"pad_end", false}, {"positions", "sines"}}, {{"norm", "layer"}, {"pre_norm", true}})},
      {"patchtst_published", "patchtst", patches({}, {{"residual_attention", true}})},
      {"itransformer", "itransformer", {{"encoder", encoder({})}}},
      {"encoder", "encoder", {{"last", 4}, {"encoder", encoder({})}}},
  };
  return all;
}

using Forward = std::function<Tensor(const Tensor& x, const Tensor& calendar)>;

/// The model, with the weights of the case `name`, gives its outputs and gradients.
void expect_golden(const std::string& name, nn::Module& model, const Forward& forward) {
  const auto file = read_safetensors(golden("forecast.safetensors"));
  const auto part = [&](const std::string& kind) {
    NamedTensors out;
    const auto prefix = name + "/" + kind + "/";
    for (const auto& [key, tensor] : file.entries)
      if (key.starts_with(prefix)) out.entries.emplace_back(key.substr(prefix.size()), tensor);
    return out;
  };
  const auto tensor = [&](const std::string& key) {
    for (const auto& [found, value] : file.entries)
      if (found == name + "/" + key) return value;
    return Tensor();
  };
  auto weights = part("weights");
  weights.source = name;
  load_weights(model, weights);
  const auto x = tensor("input"), calendar = tensor("calendar");
  if (const auto expected = tensor("eval_output"); expected.defined()) {
    model.eval();
    EXPECT_LT(relative_error(forward(x, calendar), expected), kTolerance);
  }
  model.train();
  const auto y = forward(x, calendar);
  EXPECT_LT(relative_error(y, tensor("output")), kTolerance);
  y.backward(tensor("dy"));
  const auto gradients = part("gradients");
  ASSERT_GT(gradients.size(), 3);
  double largest = 0;
  for (const auto& [key, expected] : gradients.entries)
    largest = std::max(largest, expected.abs().max().item<double>());
  const auto parameters = model.named_parameters();
  for (const auto& [key, expected] : gradients.entries) {
    const auto* parameter = parameters.find(key);
    ASSERT_TRUE(parameter) << key;
    // A key's bias moves no softmax, and what a BatchNorm follows has no bias of its own: zero but for rounding.
    const auto scale = std::max(expected.abs().max().item<double>(), 3e-3 * largest);
    EXPECT_LT((parameter->grad() - expected).abs().max().item<double>() / scale, kTolerance) << key;
  }
}

class GoldenForecaster : public testing::TestWithParam<Case> {};

}  // namespace

TEST_P(GoldenForecaster, OutputsAndGradientsAreTheReferences) {
  const auto& [name, model_name, settings] = GetParam();
  const auto model = forecasters().make(
      {model_name, settings}, {.channels = 3, .input = 44, .horizon = 10, .outputs = 1, .calendar_features = 5});
  expect_golden(name, *model,
                [&](const Tensor& x, const Tensor& calendar) { return model->forward(x, calendar).squeeze(2); });
}

TEST(GoldenSeriesClassifier, OutputsAndGradientsAreTheReferences) {
  auto model =
      series_classifiers().make({"series_classifier", {{"head_dropout", 0}, {"encoder", encoder({{"norm", "layer"}})}}},
                                {.channels = 3, .length = 44, .classes = 6});
  expect_golden("series_classifier", *model, [&](const Tensor& x, const Tensor&) { return model->forward(x); });
}

INSTANTIATE_TEST_SUITE_P(Forecasters, GoldenForecaster, testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

TEST(Forecasters, HaveAsManyParametersAsTheReferences) {
  const auto known = nlohmann::json::parse(read_file(golden("forecast.json")));
  const auto count = [](const nn::Module& model) {
    int64_t sum = 0;
    for (const auto& parameter : model.parameters()) sum += parameter.numel();
    return sum;
  };
  for (const auto& name : forecasters().names()) {
    const auto model = forecasters().make(
        {name, {}}, {.channels = 7, .input = 336, .horizon = 96, .outputs = 1, .calendar_features = 5});
    EXPECT_EQ(count(*model), known.at(name).at("parameters").get<int64_t>()) << name;
  }
  const auto classifier =
      series_classifiers().make({"series_classifier", {}}, {.channels = 40, .length = 64, .classes = 10});
  EXPECT_EQ(count(*classifier), known.at("series_classifier").at("parameters").get<int64_t>());
}

class EveryForecaster : public testing::TestWithParam<std::string> {
 protected:
  std::shared_ptr<Forecaster> make(const ForecastShape& shape, Table settings = {}) {
    torch::manual_seed(0);
    return forecasters().make({GetParam(), settings}, shape);
  }
};

TEST_P(EveryForecaster, GiveEveryQuantileOfEveryChannel) {
  const ForecastShape shape{.channels = 2, .input = 50, .horizon = 7, .outputs = 3, .calendar_features = 5};
  const auto model = make(shape);
  const auto y = model->forward(torch::randn({4, 2, 50}), torch::zeros({4, 5, 57}));
  EXPECT_EQ(y.sizes(), (std::vector<int64_t>{4, 2, 3, 7}));
  y.square().mean().backward();
  for (const auto& parameter : model->named_parameters()) {
    if (!parameter.value().requires_grad()) continue;
    ASSERT_TRUE(parameter.value().grad().defined()) << parameter.key();
    EXPECT_TRUE(parameter.value().grad().isfinite().all().item<bool>()) << parameter.key();
  }
}

TEST_P(EveryForecaster, DoNotMixTheWindowsOfABatch) {
  const auto model = make({.channels = 2, .input = 50, .horizon = 7, .calendar_features = 5});
  model->eval();
  const auto x = torch::randn({3, 2, 50}), calendar = torch::rand({3, 5, 57});
  const auto together = model->forward(x, calendar);
  EXPECT_TRUE(torch::equal(together, model->forward(x, calendar)));
  for (int64_t i = 0; i < 3; ++i)
    EXPECT_LT(
        relative_error(together.slice(0, i, i + 1), model->forward(x.slice(0, i, i + 1), calendar.slice(0, i, i + 1))),
        1e-4);
}

TEST_P(EveryForecaster, SeeEachChannelAloneWhereTheySaySo) {
  const auto model = make({.channels = 2, .input = 50, .horizon = 7, .calendar_features = 5});
  model->eval();
  const auto x = torch::randn({3, 2, 50}), calendar = torch::rand({3, 5, 57});
  const auto other = torch::stack({x.select(1, 0), torch::randn({3, 50})}, 1);
  const auto moved =
      relative_error(model->forward(other, calendar).select(1, 0), model->forward(x, calendar).select(1, 0));
  EXPECT_EQ(model->each_channel_alone(), moved < 1e-6) << moved;
}

TEST_P(EveryForecaster, TakeAConstantSeries) {
  const auto model = make({.channels = 2, .input = 50, .horizon = 7, .calendar_features = 5});
  model->eval();
  EXPECT_TRUE(model->forward(torch::full({2, 2, 50}, 3.0), torch::zeros({2, 5, 57})).isfinite().all().item<bool>());
}

TEST_P(EveryForecaster, SayWhichShapeTheyWant) {
  const auto model = make({.channels = 2, .input = 50, .horizon = 7, .calendar_features = 5});
  EXPECT_ERROR(model->forward(torch::randn({4, 2, 49}), torch::zeros({4, 5, 56})),
               "wants (any, 2, 50), got (4, 2, 49)");
}

INSTANTIATE_TEST_SUITE_P(All, EveryForecaster, testing::ValuesIn(forecasters().names()));

TEST(PatchTst, SaysWhatMakesNoModel) {
  const auto make = [](Table settings, int64_t input) {
    return forecasters().make({"patchtst", settings}, {.channels = 1, .input = input, .horizon = 4});
  };
  EXPECT_ERROR(make({}, 10), "[patchtst] input (10) must be at least a patch (16)");
  EXPECT_ERROR(make({{"encoder", Table{{"dim", 18}}}}, 96), "dim (18) must be divisible by heads (4); nearest: 20");
  EXPECT_ERROR(make({{"pach", 8}}, 96), "nearest: patch");
}

TEST(Dlinear, WantsAnOddKernel) {
  EXPECT_ERROR(forecasters().make({"dlinear", {{"kernel", 24}}}, {}), "[dlinear] kernel (24) must be odd; nearest: 25");
}

TEST(SeriesClassifier, GivesLogitsAndAGradientToEveryParameter) {
  torch::manual_seed(0);
  const auto make = [](Table settings = {}) {
    return series_classifiers().make({"series_classifier", settings}, {.channels = 3, .length = 20, .classes = 4});
  };
  auto model = make();
  const auto x = torch::randn({5, 3, 20});
  const auto logits = model(x);
  EXPECT_EQ(logits.sizes(), (std::vector<int64_t>{5, 4}));
  F::cross_entropy(logits, torch::tensor({0, 1, 2, 3, 0})).backward();
  for (const auto& parameter : model->named_parameters())
    EXPECT_TRUE(parameter.value().grad().defined() && parameter.value().grad().isfinite().all().item<bool>())
        << parameter.key();
  model->eval();
  EXPECT_LT(relative_error(model(x)[2], model(x.slice(0, 2, 3))[0]), 1e-4);
  EXPECT_ERROR(model(torch::zeros({5, 3, 21})), "[series_classifier] wants (any, 3, 20), got (5, 3, 21)");
  EXPECT_ERROR(make({{"patch", 32}}), "[series_classifier] 20 steps must be at least a patch (32)");
}

// A batch of one token has no variance.
TEST(PatchTst, LearnsFromASingleToken) {
  torch::manual_seed(0);
  const auto model = forecasters().make({"patchtst", {{"patch", 16}, {"stride", 16}, {"pad_end", false}}},
                                        {.channels = 1, .input = 16, .horizon = 2});
  const auto y = model->forward(torch::randn({1, 1, 16}), {});
  EXPECT_TRUE(y.isfinite().all().item<bool>());
  EXPECT_NO_THROW(y.sum().backward());
}
