#include "hadal/train/freeze.h"

#include "tests/train/regression.h"

namespace hadal {
namespace {

using test::Listener;
using test::quiet_config;
using test::Regression;

using Rules = std::vector<FreezeRule>;

/// Which tensors of the model moved in each of three epochs.
std::vector<std::set<std::string>> moved(const Rules& rules, const Part& optimizer) {
  auto config = quiet_config();
  config.epochs = 3;
  config.freeze = rules;
  config.decay_norms = true;  // BatchNorm leaves the bias before it no gradient
  config.optimizer = optimizer;
  Regression task({.norm = true});
  const auto snapshot = [&] {
    std::map<std::string, Tensor> all;
    for (const auto& item : task.model().named_parameters()) all[item.key()] = item.value().detach().clone();
    for (const auto& item : task.model().named_buffers()) all[item.key()] = item.value().clone();
    return all;
  };
  std::vector<std::set<std::string>> out;
  auto before = snapshot();
  Trainer trainer(task, config);
  Listener seen;
  seen.act = [&](int64_t step) {
    if (step % 5 != 0) return;
    auto& changed = out.emplace_back();
    const auto now = snapshot();
    for (const auto& [name, tensor] : now)
      if (!tensor.equal(before.at(name))) changed.insert(name);
    before = now;
  };
  trainer.listen(seen);
  trainer.run();
  return out;
}

const Part kSgd{"sgd", {{"lr", 0.05}, {"momentum", 0.9}, {"weight_decay", 0.1}}};
const std::set<std::string> kFirst = {"0.weight", "0.bias"}, kLast = {"4.weight", "4.bias"},
                            kNorm = {"1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked"};

std::set<std::string> operator+(std::set<std::string> a, const std::set<std::string>& b) {
  a.insert(b.begin(), b.end());
  return a;
}

TEST(Freeze, WhatIsFrozenDoesNotMove) {
  // Momentum and weight decay too would move what is merely without a gradient.
  for (const auto& optimizer : {kSgd, Part{"adamw", {{"lr", 0.05}, {"weight_decay", 0.1}}}}) {
    const auto all = moved({}, optimizer);
    EXPECT_EQ(all[0], kFirst + kNorm + kLast);
    for (const auto& epoch : moved({{.match = "0"}}, optimizer)) EXPECT_EQ(epoch, kNorm + kLast);
    for (const auto& epoch : moved({{.match = "*.bias"}}, optimizer))
      EXPECT_EQ(epoch, (std::set<std::string>{"0.weight", "1.weight", "1.running_mean", "1.running_var",
                                              "1.num_batches_tracked", "4.weight"}));
  }
}

TEST(Freeze, LbfgsGoesOnWithWhatMoves) {
  const Part lbfgs{"lbfgs", {{"lr", 0.1}, {"max_iter", 2}}};
  const auto epochs = moved({{.match = "0", .from = 1, .until = 2}}, lbfgs);
  EXPECT_TRUE(epochs[0].contains("0.weight"));
  EXPECT_FALSE(epochs[1].contains("0.weight"));
  EXPECT_TRUE(epochs[1].contains("4.weight"));
  EXPECT_TRUE(epochs[2].contains("0.weight"));
}

TEST(Freeze, ByEpoch) {
  const auto later = moved({{.match = "0", .from = 1, .until = 2}}, kSgd);
  EXPECT_EQ(later[0], kFirst + kNorm + kLast);
  EXPECT_EQ(later[1], kNorm + kLast);  // though its momentum still pushes
  EXPECT_EQ(later[2], kFirst + kNorm + kLast);
  const auto until = moved({{.match = "0*", .until = 1}, {.match = "4", .from = 2}}, kSgd);
  EXPECT_EQ(until[0], kNorm + kLast);
  EXPECT_EQ(until[1], kFirst + kNorm + kLast);
  EXPECT_EQ(until[2], kFirst + kNorm);
}

TEST(Freeze, BatchNormInAFrozenPartKeepsItsStatistics) {
  const auto norm = moved({{.match = "1", .until = 1}}, kSgd);
  EXPECT_EQ(norm[0], kFirst + kLast);
  EXPECT_EQ(norm[1], kFirst + kNorm + kLast);
}

TEST(Freeze, WhatAGroupFreezesStaysFrozen) {
  auto config = quiet_config();
  config.groups = {{.match = "0.*", .frozen = true}};
  config.freeze = {{.match = "3.bias", .until = 1}};
  Regression task({});
  const auto weight = task.model().parameters()[0].detach().clone();
  Trainer(task, config).run();
  EXPECT_TRUE(task.model().parameters()[0].equal(weight));
  EXPECT_FALSE(task.model().parameters()[0].requires_grad());
}

TEST(Freeze, EverythingAsksForGradientsAgainAfterwards) {
  nn::Sequential net(nn::Linear(2, 2), nn::Linear(2, 1));
  net->ptr(1)->as<nn::Linear>()->bias.set_requires_grad(false);  // not ours to change
  {
    Freezer freezer(*net, {{.match = "0"}});
    freezer.begin_epoch(0);
    EXPECT_FALSE(net->named_parameters()["0.weight"].requires_grad());
    EXPECT_TRUE(net->named_parameters()["1.weight"].requires_grad());
  }
  EXPECT_TRUE(net->named_parameters()["0.weight"].requires_grad());
  EXPECT_FALSE(net->named_parameters()["1.bias"].requires_grad());
}

TEST(Freeze, WrongRulesAreRefused) {
  nn::Sequential net(nn::Linear(2, 2), nn::Linear(2, 1));
  EXPECT_ERROR(Freezer(*net, {{.match = "layer1"}}), "[train] freeze: \"layer1\" is the name of no parameter; ");
  EXPECT_ERROR(Freezer(*net, {{.match = "*"}}), "[train] freeze leaves nothing to train in epoch 0");
  EXPECT_ERROR(Freezer(*net, {{.match = "0"}, {.match = "1", .from = 4}}), "nothing to train in epoch 4");
  const auto read = [](const Value& value) {
    TrainConfig config;
    read_config(config, Table{{"freeze", value}}, "train");
    return config.freeze;
  };
  EXPECT_EQ(read(List{"stem", Table{{"match", "layer1"}, {"until", 5}}}),
            (Rules{{.match = "stem"}, {.match = "layer1", .until = 5}}));
  EXPECT_EQ(read(Word{"stem,layer1"}), (Rules{{.match = "stem"}, {.match = "layer1"}}));
  EXPECT_ERROR(read(List{Table{{"match", "a"}, {"from", 3}, {"until", 3}}}),
               "frozen from epoch 3 until 3, which is no time");
  EXPECT_ERROR(read(List{Table{{"until", 3}}}), "train.freeze wants the name of what is frozen");
  EXPECT_ERROR(read(List{Table{{"math", "a"}}}), "unknown setting train.freeze.math; nearest: match");
}

}  // namespace
}  // namespace hadal
