#include "hadal/train/checkpoint.h"

#include "hadal/io/file.h"
#include "hadal/io/safetensors.h"

#include "tests/train/regression.h"

namespace hadal {
namespace {

using test::Regression;

/// A stopped run's checkpoint, and what comes of resuming from it with other settings.
class CheckpointTest : public testing::Test {
 protected:
  void SetUp() override {
    config_.optimizer = {"adamw", {}};
    Regression task({});
    Trainer trainer(task, config_, folder_.path());
    test::Listener seen;
    seen.act = [](int64_t step) { stop_requested() = step == 3; };
    trainer.listen(seen);
    trainer.run();
    stop_requested() = false;
  }
  void resume(const TrainConfig& config, const test::RegressionOptions& options = {}) {
    Regression task(options);
    Trainer trainer(task, config, folder_.path());
    trainer.resume(file());
  }
  std::filesystem::path file() const { return folder_ / "checkpoint/last.safetensors"; }
  /// The file with its metadata changed, and tensors where `change` wants to.
  void rewrite(const std::function<void(NamedTensors&)>& change) {
    NamedTensors copy;
    const auto all = read_safetensors(file());
    copy.metadata = all.metadata;
    for (const auto& [name, tensor] : all.entries) copy.add(name, tensor.clone());
    change(copy);
    write_safetensors(file(), copy);
  }

  test::TemporaryFolder folder_;
  TrainConfig config_ = test::quiet_config();
};

TEST_F(CheckpointTest, HoldsAllThatARunIs) {
  const auto checkpoint = Checkpoint::load(file());
  EXPECT_EQ(checkpoint.progress.state.step, 3);
  EXPECT_EQ(checkpoint.progress.state.steps, 10);
  EXPECT_EQ(checkpoint.progress.batch, 3);
  EXPECT_EQ(checkpoint.group("model").size(), 4U);
  EXPECT_EQ(checkpoint.group("optimizer.0").size(), 9U);  // two moments each, and the steps
  EXPECT_EQ(checkpoint.group("random").size(), 1U);
  EXPECT_ERROR(checkpoint.group("ema"), "the checkpoint has no ema: it belongs to a run with other settings");
}

TEST_F(CheckpointTest, ProgressComesBackExactly) {
  Checkpoint checkpoint;
  auto& progress = checkpoint.progress;
  progress.state = {7, 9, 3, 2.0 / 3, 0.1};
  progress.epoch = 2;
  progress.batch = 5;
  progress.best = {{"val/loss", 1.0 / 3}, {"lr", 1e-300}};
  progress.last = {{"val/loss", NAN}};
  progress.best_step = 6;
  progress.loss_sum = 0.1 + 0.2;
  progress.loss_count = 3;
  progress.loss_scale = 1024;
  progress.good_steps = 77;
  checkpoint.save(folder_ / "one.safetensors");
  const auto back = Checkpoint::load(folder_ / "one.safetensors").progress;
  EXPECT_EQ(back.state.epoch, progress.state.epoch);
  EXPECT_EQ(back.best, progress.best);
  EXPECT_TRUE(std::isnan(back.last.at(0).second));
  EXPECT_EQ(back.loss_sum, progress.loss_sum);
  EXPECT_EQ(back.good_steps, 77);
  EXPECT_EQ(back.loss_scale, 1024);
}

TEST_F(CheckpointTest, NumbersThatAreNotFiniteComeBackToo) {
  Checkpoint checkpoint;
  auto& progress = checkpoint.progress;
  progress.best = {{"val/loss", INFINITY}, {"val/other", -INFINITY}};
  progress.loss_sum = INFINITY;
  progress.patience.best = -INFINITY;
  checkpoint.save(folder_ / "one.safetensors");
  const auto back = Checkpoint::load(folder_ / "one.safetensors").progress;
  EXPECT_EQ(back.best, progress.best);
  EXPECT_EQ(back.loss_sum, progress.loss_sum);
  EXPECT_EQ(back.patience.best, progress.patience.best);
  progress.loss_sum = progress.patience.best = NAN;
  checkpoint.save(folder_ / "one.safetensors");
  EXPECT_TRUE(std::isnan(Checkpoint::load(folder_ / "one.safetensors").progress.loss_sum));
  EXPECT_TRUE(std::isnan(Checkpoint::load(folder_ / "one.safetensors").progress.patience.best));
}

TEST_F(CheckpointTest, OfOtherSettingsIsRefused) {
  EXPECT_NO_THROW(resume(config_));
  auto config = config_;
  config.epochs = 3;
  EXPECT_ERROR(resume(config), "belongs to a run of 10 steps, this one has 15");
  config = config_;
  config.optimizer = {"sgd", {{"momentum", 0.9}}};
  EXPECT_ERROR(resume(config), "no momentum_buffer.0.weight: it was written by another optimizer");
  config = config_;
  config.ema = 0.9;
  EXPECT_ERROR(resume(config), "the checkpoint has no ema");
  EXPECT_ERROR(resume(config_, {.width = 16}), "wrong shape");
}

TEST_F(CheckpointTest, ThatIsNoneIsRefused) {
  Regression task({});
  Trainer trainer(task, config_, folder_.path());
  EXPECT_ERROR(trainer.resume(folder_ / "nowhere.safetensors"), "nowhere.safetensors: No such file");
  write_safetensors(folder_ / "weights.safetensors", NamedTensors{{{"w", torch::ones({2})}}, {}, ""});
  EXPECT_ERROR(trainer.resume(folder_ / "weights.safetensors"), "is not a checkpoint of this version of Hadal");
}

TEST_F(CheckpointTest, CutOffOrDamagedIsRefused) {
  const auto bytes = read_file(file());
  for (const size_t kept : {size_t{0}, size_t{7}, size_t{100}, bytes.size() / 2, bytes.size() - 1}) {
    write_file(file(), std::string_view(bytes).substr(0, kept));
    EXPECT_ERROR(resume(config_), "last.safetensors");
  }
  for (const auto* progress : {"", "{", "[]", "{\"step\": 3}", "null"}) {
    write_file(file(), bytes);
    rewrite([&](NamedTensors& all) { all.metadata["progress"] = progress; });
    EXPECT_ERROR(resume(config_), "its progress cannot be read");
  }
  for (const auto& [from, to] : {std::pair<std::string, std::string>{"\"step\":3", "\"step\":-1"},
                                 {"\"step\":3", "\"step\":11"},
                                 {"\"batch\":3", "\"batch\":-5"}}) {
    write_file(file(), bytes);
    rewrite([&, from = from, to = to](NamedTensors& all) {
      auto& text = all.metadata["progress"];
      ASSERT_NE(text.find(from), std::string::npos);
      text.replace(text.find(from), from.size(), to);
    });
    EXPECT_ERROR(resume(config_), "is no place in a run");
  }
  write_file(file(), bytes);
  rewrite([](NamedTensors& all) {
    for (auto& [name, tensor] : all.entries)
      if (name == "random/cpu") tensor = torch::zeros({5}, torch::kUInt8);
  });
  EXPECT_ERROR(resume(config_), "random state \"cpu\" is not one");
}

}  // namespace
}  // namespace hadal
