// Generative models learn, are scored and go on exactly where they stopped.
#include <algorithm>
#include <cmath>

#include "hadal/data/vision/stacked.h"
#include "hadal/tasks/making/gan.h"
#include "hadal/tasks/making/sample_judge.h"
#include "hadal/tasks/making/vae.h"
#include "hadal/train/trainer.h"

#include "tests/support/support.h"
#include "tests/support/trained.h"

namespace hadal {
namespace {

const Table kMakingData{{"kind", "shapes"}, {"size", 28}, {"classes", 3}, {"train", 48}, {"val", 12}, {"test", 12}};

std::vector<std::pair<std::string, Table>> small(bool conditional) {
  return {{"gan",
           {{"model", Table{{"name", "dcgan"}, {"width", 4}}},
            {"conditional", conditional},
            {"augment", "ada"},
            {"ada", Table{{"first", 0.3}}},
            {"data", kMakingData}}},
          {"vae",
           {{"model", Table{{"name", "vae"}, {"hidden", 16}, {"latent", 4}}},
            {"conditional", conditional},
            {"bound_samples", 8},
            {"data", kMakingData}}},
          {"vqvae",
           {{"model", Table{{"name", "vqvae"}, {"width", 8}, {"codes", 16}, {"dim", 4}, {"blocks", 1}}},
            {"prior", Table{{"dim", 8}, {"depth", 1}, {"heads", 2}}},
            {"conditional", conditional},
            {"data", kMakingData}}},
          {"diffusion",
           {{"model", Table{{"name", "unet"}, {"widths", List{8, 8}}, {"head_dim", 8}, {"groups", 2}}},
            {"conditional", conditional},
            {"slow", true},
            {"generate", Table{{"sampler", "euler"}, {"steps", 2}}},
            {"data", kMakingData}}}};
}

std::unique_ptr<Task> make_maker(const std::string& task, const Table& settings, int64_t workers = 0) {
  TaskContext context;
  context.batch = 8;
  context.workers = workers;
  context.learns = true;
  return tasks().make({task, settings}, context);
}

TrainConfig quiet(int64_t steps) {
  return {.steps = steps,
          .optimizer = {"adam", {{"lr", 2e-3}}},
          .schedule = {"constant", {}},
          .ema = 0.9,
          .device = "cpu",
          .evaluate_every = 1,
          .checkpoint_seconds = 0};
}

TEST(Making, EveryKindLearnsIsScoredAndShown) {
  for (const bool conditional : {false, true})
    for (const auto& [name, settings] : small(conditional)) {
      const auto task = make_maker(name, settings);
      auto config = quiet(6);
      config.precision = conditional ? "bf16" : "fp32";
      Trainer trainer(*task, config);
      const auto outcome = trainer.run();
      EXPECT_TRUE(outcome.done) << name;
      for (const auto& [key, value] : outcome.last) EXPECT_TRUE(std::isfinite(value)) << name << " " << key;
      std::vector<std::string> said;
      for (const auto& score : task->scores()) said.push_back(score.name);
      for (const auto& [key, value] : task->evaluate("test", 8)) {
        EXPECT_TRUE(std::isfinite(value)) << name << " " << key;
        EXPECT_THAT(said, testing::Contains(key)) << name;
      }
      EXPECT_GE(task->figures().size(), 4u) << name;
      EXPECT_EQ(task->learned().find("names") != nullptr, true);
    }
}

TEST(Making, LossesFall) {
  for (const auto& [name, settings] : small(true)) {
    if (name == "gan") continue;  // a game's losses do not
    auto sharp = settings;
    if (name != "diffusion") sharp.set("binarise", "threshold");  // grey textures are all noise
    const auto task = make_maker(name, sharp);
    struct Losses : Callback {
      void on_step(const StepEvent& event) override { values.push_back(event.losses[0].second); }
      std::vector<double> values;
    } seen;
    auto config = quiet(48);
    config.evaluate_every = 100;
    Trainer trainer(*task, config);
    trainer.listen(seen);
    trainer.run();
    double first = 0, last = 0;
    for (size_t i = 0; i < 10; ++i) first += seen.values.at(i), last += seen.values.at(seen.values.size() - 1 - i);
    EXPECT_LT(last, first) << name;
  }
}

TEST(Making, GoesOnExactlyWhereItStopped) {
  for (const auto& [name, settings] : small(true)) {
    const test::TemporaryFolder whole_folder, folder;
    const auto weights = [](const std::filesystem::path& run) {
      return read_passport(run / "weights/last.safetensors").tensors;
    };
    TensorsByName kept;
    {
      const auto task = make_maker(name, settings);
      Trainer(*task, quiet(10), whole_folder.path()).run();
      kept = task->state();
      EXPECT_GE(kept.size(), 2u) << name << ": rows of two evaluations";
    }
    struct Stopper : Callback {
      void on_step(const StepEvent& event) override {
        if (event.state.step == 6) stop_requested() = true;  // heard by the evaluation that comes now
        if (event.state.step % 3 == 0) trainer->stop();
      }
      Trainer* trainer = nullptr;
    };
    TensorsByName state;  // of the report and of scores
    for (bool resume = false, done = false; !done; resume = true) {
      const auto task = make_maker(name, settings, 2);
      Trainer trainer(*task, quiet(10), folder.path());
      if (resume) trainer.resume(folder / "checkpoint/last.safetensors");
      Stopper stopper;
      stopper.trainer = &trainer;
      trainer.listen(stopper);
      done = trainer.run().done;
      stop_requested() = false;
      state = task->state();
    }
    const auto last = [](const std::filesystem::path& run) {
      return Checkpoint::load(run / "checkpoint/last.safetensors").progress.last;
    };
    EXPECT_EQ(last(folder.path()), last(whole_folder.path())) << name;
    ASSERT_EQ(state.size(), kept.size()) << name;
    for (size_t i = 0; i < kept.size(); ++i) {
      EXPECT_EQ(state[i].first, kept[i].first);
      EXPECT_TRUE(state[i].second.equal(kept[i].second)) << name << " " << kept[i].first;
    }
    const auto expected = weights(whole_folder.path()), got = weights(folder.path());
    ASSERT_EQ(expected.names(), got.names());
    for (size_t i = 0; i < got.size(); ++i)
      EXPECT_TRUE(got.entries[i].second.equal(expected.entries[i].second)) << name << " " << got.entries[i].first;
  }
}

TEST(Making, ACheckpointWithoutTheTasksStateIsTaken) {
  const test::TemporaryFolder folder;
  Trainer(*make_maker("gan", small(true)[0].second), quiet(2), folder.path()).run();
  auto checkpoint = Checkpoint::load(folder / "checkpoint/last.safetensors");
  EXPECT_EQ(std::erase_if(checkpoint.groups, [](const auto& group) { return group.first == "task"; }), 1u);
  checkpoint.save(folder / "old.safetensors");
  const auto task = make_maker("gan", small(true)[0].second);
  Trainer trainer(*task, quiet(2), folder.path());
  EXPECT_NO_THROW(trainer.resume(folder / "old.safetensors"));
}

TEST(Making, TheSideIsTheNearestThatTheModelTakes) {
  const std::vector<std::tuple<std::string, Table, int64_t>> models = {
      {"gan", {{"name", "dcgan"}, {"width", 4}}, 56},
      {"gan", {{"name", "mission_gan"}, {"hidden", List{8}}}, 50},
      {"vae", {{"name", "vae-conv"}, {"width", 4}, {"hidden", 8}, {"latent", 4}}, 48},
      {"vqvae", {{"name", "vqvae"}, {"width", 8}, {"codes", 16}, {"dim", 4}, {"blocks", 1}}, 48},
      {"diffusion", {{"name", "unet"}, {"widths", List{8, 8, 8, 8}}, {"head_dim", 8}, {"groups", 2}}, 48}};
  auto data = kMakingData;
  data.set("size", 50);
  for (const auto& [name, model, side] : models) {
    const auto task = make_maker(name, {{"model", model}, {"data", data}});
    EXPECT_EQ(task->settings().find_path("model.image")->text(), fmt::format("{}", side)) << name;
    const auto said = testing::HasSubstr(fmt::format("pictures of 50x50, each resized and cropped to {0}x{0}", side));
    if (side != 50) EXPECT_THAT(task->summary(), said) << name;
    if (side == 50) EXPECT_THAT(task->summary(), testing::Not(testing::HasSubstr("resized")));
  }
  auto asked = std::get<Table>(models[0]);
  asked.set("image", 32);
  EXPECT_THAT(make_maker("gan", {{"model", asked}, {"data", data}})->summary(), testing::HasSubstr("to 32x32"));
  asked.set("image", 50);
  EXPECT_ERROR(make_maker("gan", {{"model", asked}, {"data", data}}), "image (50) must be");
}

TEST(Making, WeightsAreEnough) {
  for (const auto& [name, settings] : small(true)) {
    const test::TemporaryFolder folder;
    const auto path = folder / "w.safetensors";
    const auto task = make_maker(name, settings);
    test::save_task(*task, name, path);
    const auto opened = open_trained(path);
    auto* maker = dynamic_cast<Maker*>(opened.get());
    ASSERT_NE(maker, nullptr) << name;
    EXPECT_EQ(maker->names(), (std::vector<std::string>{"circle", "square", "triangle"})) << name;
    EXPECT_EQ((*maker)(2, {{"class", List{"square"}}}).sizes(), (std::vector<int64_t>{2, 28, 28, 3})) << name;
    const auto scored = test::task_of_weights(path)->evaluate("val", 4);
    if (name != "gan") EXPECT_FALSE(scored.empty()) << name;
    EXPECT_THAT(test::task_of_weights(path)->summary(), testing::HasSubstr("judge.weights=RUN")) << name;
  }
}

TEST(Making, AGanIsUsedByItsGenerator) {
  const test::TemporaryFolder folder;
  const auto task = make_maker("gan", small(false)[0].second);
  test::save_task(*task, "gan", folder / "w.safetensors");
  const auto opened = open_trained(folder / "w.safetensors");
  for (const auto& name : opened->model().named_parameters().keys())
    EXPECT_THAT(name, testing::Not(testing::HasSubstr("discriminator")));
}

TEST(Making, SaysWhenTheDiscriminatorHasWon) {
  auto settings = small(false)[0].second;
  settings.set("augment", "none");
  settings.set("loss", Table{{"loss", "non_saturating"}, {"r1", 0.0}, {"r2", 0.0}});
  const auto task = make_maker("gan", settings);
  auto config = quiet(120);
  config.optimizer = {"adam", {{"lr", 2e-3}}};
  config.groups = {{.match = "generator.*", .lr_scale = 1e-4}};
  config.evaluate_every = 10;
  Trainer(*task, config).run();
  ASSERT_FALSE(task->alarms().empty());
  EXPECT_THAT(task->alarms()[0], testing::HasSubstr("the discriminator is right in"));
  EXPECT_TRUE(make_maker("gan", settings)->alarms().empty());
}

TEST(Making, DataAreRefusedByWhatTheyLack) {
  auto one = small(false)[0].second;
  one.set_path("data.train", 1);
  EXPECT_ERROR(make_maker("gan", one), "training wants at least two pictures");
  auto channels = small(false)[1].second;
  channels.set_path("model.channels", 1);
  EXPECT_ERROR(make_maker("vae", channels), "model.channels is 1 and the data has 3 channels");
  auto mission = small(true)[0].second;
  mission.set("model", "mission_gan");
  EXPECT_ERROR(make_maker("gan", mission), "makes pictures of no class");
  auto judge = small(false)[0].second;
  judge.set("judge", Table{{"weights", "runs/nobody"}});
  EXPECT_ERROR(make_maker("gan", judge), "train it first");
  for (const auto& [name, settings] : small(false)) {
    const auto task = make_maker(name, settings);
    EXPECT_ERROR(task->require_split("nowhere"), "nowhere");
  }
}

TEST(SampleJudge, RealPicturesBesideRealOnesAreNear) {
  // A judge of the same kind of data, hardly trained: its features compare all the same.
  const test::TemporaryFolder folder;
  TaskContext context;
  context.batch = 8, context.workers = 0, context.learns = true;
  const auto classifier = tasks().make(
      {"classify", {{"model", Table{{"name", "cnn"}}}, {"data", kMakingData}, {"augment", Table{{"size", 28}}}}},
      context);
  test::save_task(*classifier, "classify", folder / "judge.safetensors");
  auto settings = small(true)[1].second;
  settings.set("judge", Table{{"weights", (folder / "judge.safetensors").string()}});
  const auto task = make_maker("vae", settings);
  EXPECT_THAT(task->summary(), testing::ContainsRegex("judged by .*, features [0-9a-f]{8}"));
  const auto scores = task->evaluate("test", 0);
  const auto value = [&](const std::string& key) {
    for (const auto& [name, number] : scores)
      if (name == key) return number;
    ADD_FAILURE() << "no " << key;
    return 0.0;
  };
  EXPECT_EQ(value("samples"), 12);
  EXPECT_LT(value("frechet_real"), value("frechet"));
  EXPECT_GE(value("class_true"), 0);
  EXPECT_LE(value("least_class"), value("most_class"));

  // Of other classes than the judge's none can be asked for, and shares of the judge's mean nothing.
  settings.set_path("data.classes", 4);
  EXPECT_ERROR(make_maker("vae", settings), "does not know the class");
  settings.set("conditional", false);
  const auto free = make_maker("vae", settings);
  EXPECT_THAT(free->summary(), testing::HasSubstr("whose classes are others than the data's"));
  const auto rest = free->evaluate("test", 0);
  EXPECT_TRUE(std::any_of(rest.begin(), rest.end(), [](const auto& item) { return item.first == "frechet"; }));
  for (const auto& [name, number] : rest) {
    EXPECT_NE(name, "least_class");
    EXPECT_THAT(free->scores(), testing::Contains(testing::Field(&Score::name, name)));
  }
}

TEST(StackedData, ThreeDigitsAreTheColoursOfOne) {
  struct Digits : ClassificationData {
    int64_t size() const override { return 10; }
    LabelledImage get(int64_t index) const override {
      return {torch::full({4, 4, 1}, index * 10, torch::kUInt8), index};
    }
    int64_t channels() const override { return 1; }
    const std::vector<std::string>& classes() const override { return names; }
    std::string name(int64_t) const override { return ""; }
    std::vector<std::string> names = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  };
  const StackedData data(std::make_shared<Digits>(), 50, 1), other(std::make_shared<Digits>(), 50, 2);
  ASSERT_EQ(data.classes().size(), 1000u);
  EXPECT_EQ(data.classes()[42], "042");
  int64_t same = 0;
  for (int64_t i = 0; i < 50; ++i) {
    const auto [image, label] = data.get(i);
    const auto digit = [&, &image = image](int64_t c) { return image[0][0][c].item<int64_t>() / 10; };
    EXPECT_EQ(label, digit(0) * 100 + digit(1) * 10 + digit(2));
    EXPECT_TRUE(image.equal(data.get(i).image));
    same += image.equal(other.get(i).image);
  }
  EXPECT_LT(same, 5);
}

TEST(Binarise, DrawsAnewEachEpochInTrainingAlone) {
  const auto drawn = [](const std::string& how, int64_t epoch, bool training) {
    PictureBatch batch{torch::full({2, 1, 8, 8}, 0.5), torch::zeros({2}, torch::kInt64), {3, 4}, epoch};
    binarise(how, batch, 1, training);
    return batch.pictures;
  };
  EXPECT_FALSE(drawn("dynamic", 0, true).equal(drawn("dynamic", 1, true)));
  EXPECT_TRUE(drawn("dynamic", 0, false).equal(drawn("dynamic", 1, false)));
  EXPECT_TRUE(drawn("fixed", 0, true).equal(drawn("fixed", 1, true)));
  EXPECT_TRUE(drawn("fixed", 0, true).equal(drawn("dynamic", 0, false)));
  EXPECT_TRUE(drawn("threshold", 0, true).equal(torch::ones({2, 1, 8, 8})));
  EXPECT_TRUE(drawn("none", 0, true).equal(torch::full({2, 1, 8, 8}, 0.5)));
}

}  // namespace
}  // namespace hadal
