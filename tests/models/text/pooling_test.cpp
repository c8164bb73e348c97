#include "hadal/models/text/pooling.h"

#include <nlohmann/json.hpp>

#include "hadal/io/safetensors.h"
#include "hadal/models/text/bert.h"

#include "tests/models/hash_weights.h"
#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {

const NamedTensors& pooling_reference() {
  static const auto file = read_safetensors(golden("pooling.safetensors"));
  return file;
}

/// BERT without a head.
struct Encoder : nn::Module {
  Encoder() {
    bert = register_module(
        "bert", BertEncoder(BertConfig{
                    .vocabulary = 13, .context = 10, .dim = 16, .depth = 2, .heads = 4, .mlp = 24, .dropout = 0}));
  }
  BertEncoder bert{nullptr};
};

/// A flat list of all weights as the pooling_reference orders them -> by our names; without one, the hash's weights.
std::map<std::string, Tensor> by_our_names(const Tensor& flat = {}) {
  TensorsByName theirs;
  int64_t at = 0;
  for (const auto& item : nlohmann::json::parse(pooling_reference().metadata.at("weights"))) {
    const auto name = item[0].get<std::string>();
    const auto shape = item[1].get<std::vector<int64_t>>();
    const auto count = c10::multiply_integers(shape);
    theirs.emplace_back(name, flat.defined() ? flat.slice(0, at, at + count).view(shape) : weight(name, shape));
    at += count;
  }
  const auto ours = bert_word_names(theirs);
  return {ours.begin(), ours.end()};
}

}  // namespace

TEST(Pooling, GivesTheReferencesVectorsAndGradients) {
  const auto ids = pooling_reference().at("input_ids"), mask = pooling_reference().at("attention_mask");
  for (const bool doubles : {false, true}) {
    const auto type = doubles ? torch::kFloat64 : torch::kFloat32;
    const double tolerance = doubles ? 1e-9 : 1e-4;
    Encoder model;
    {
      const torch::NoGradGuard no_grad;
      const auto weights = by_our_names();
      for (auto& parameter : model.named_parameters()) parameter.value().copy_(weights.at(parameter.key()));
    }
    model.to(type);
    for (const std::string mode : {"mean", "cls", "max", "last", "root_mean"})
      for (const bool normalize : {false, true}) {
        const auto name = (doubles ? "double/" : "") + mode + (normalize ? "/normalized" : "");
        model.zero_grad();
        const auto states = model.bert(BertInput{.ids = ids, .mask = mask});
        const auto got = pooled({.mode = *pooling_mode(mode), .normalize = normalize, .dim = 16}, states, mask);
        EXPECT_LT(relative_error(got, pooling_reference().at(name)), tolerance) << name;
        const auto* gradients = pooling_reference().find(name + "/gradients");
        if (!gradients) continue;
        (got * uniform("target", got.sizes()).to(type)).sum().backward();
        const auto expected = by_our_names(*gradients);
        const auto largest = gradients->abs().max().item<double>();
        for (const auto& parameter : model.named_parameters()) {
          const auto far = (parameter.value().grad() - expected.at(parameter.key())).abs().max().item<double>();
          EXPECT_LT(far, tolerance * largest) << name << " " << parameter.key();
        }
      }
  }
}

TEST(Pooling, PaddingHoldsNothing) {
  const auto states = torch::tensor({1.0, 2.0, -3.0, 5.0, std::nan(""), 3e38}).view({1, 3, 2});
  const auto mask = torch::tensor({1, 1, 0}).view({1, 3});
  const auto of = [&](PoolingMode mode) { return pooled({.mode = mode, .normalize = false}, states, mask); };
  const auto expect = [&](PoolingMode mode, double a, double b) {
    EXPECT_TRUE(of(mode).allclose(torch::tensor({a, b}).view({1, 2}))) << of(mode);
  };
  expect(PoolingMode::mean, -1, 3.5);
  expect(PoolingMode::max, 1, 5);
  expect(PoolingMode::cls, 1, 2);
  expect(PoolingMode::last, -3, 5);
  expect(PoolingMode::root_mean, -2 / std::sqrt(2.0), 7 / std::sqrt(2.0));
  for (const auto mode : {PoolingMode::mean, PoolingMode::max, PoolingMode::cls, PoolingMode::last})
    EXPECT_EQ(pooled({.mode = mode}, torch::ones({1, 3, 2}), torch::zeros({1, 3})).abs().max().item<float>(), 0);
  const auto half = pooled({}, torch::ones({2, 3, 4}, torch::kBFloat16));
  EXPECT_EQ(half.scalar_type(), torch::kFloat32);
  EXPECT_NEAR(half.norm(2, {1})[0].item<float>(), 1, 1e-6);
}

TEST(Pooling, SaysWhatFits) {
  const auto states = torch::ones({2, 3, 4});
  EXPECT_ERROR(pooled({.dim = 5}, states), "[pooling]");
  EXPECT_ERROR(pooled({}, states, torch::ones({2, 4})), "[pooling's mask]");
  EXPECT_ERROR(pooled({}, torch::ones({2, 0, 4})), "[pooling] a text without tokens has no vector");
  EXPECT_EQ(pooling_mode("median"), std::nullopt);
}
