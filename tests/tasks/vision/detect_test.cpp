#include "hadal/tasks/vision/detect.h"

#include <cmath>

#include "hadal/data/vision/scenes/scene_draw.h"
#include "hadal/data/vision/scenes/sources.h"
#include "hadal/data/vision/scenes/tiles.h"
#include "hadal/io/image.h"
#include "hadal/tasks/vision/detect_judge.h"
#include "hadal/train/trainer.h"

#include "tests/support/support.h"
#include "tests/support/trained.h"

namespace hadal {
namespace {

Table settings(const std::string& model = "yolov8n") {
  return {{"model", Table{{"name", model}, {"width", 0.125}}},
          {"data", Table{{"kind", "shapes"}, {"size", 64}, {"min_size", 0.2}, {"train", 24}, {"val", 12}, {"test", 4}}},
          {"size", 64}};
}

std::unique_ptr<Task> make(const Table& table, int64_t workers = 0) {
  TaskContext context;
  context.batch = 4;
  context.workers = workers;
  context.learns = true;
  return tasks().make({"detect", table}, context);
}

TrainConfig quiet(int64_t epochs) {
  return {.epochs = epochs,
          .optimizer = {"adam", {{"lr", 1e-3}}},
          .clip = 10,
          .precision = "fp32",
          .device = "cpu",
          .evaluate_every = static_cast<double>(epochs),
          .checkpoint_seconds = 0};
}

TEST(Detect, EveryHeadLearnsAndIsScored) {
  for (const std::string model : {"yolov8n", "yolov8n-seg", "yolov8n-pose"}) {
    const auto task = make(settings(model));
    task->batches().set_epochs(6);
    double first = 0, last = 0;
    struct Losses : Callback {
      void on_step(const StepEvent& event) override { values.push_back(event.losses[0].second); }
      std::vector<double> values;
    } seen;
    Trainer trainer(*task, quiet(6));
    trainer.listen(seen);
    const auto outcome = trainer.run();
    for (size_t i = 0; i < 12; ++i) first += seen.values.at(i), last += seen.values.at(seen.values.size() - 1 - i);
    EXPECT_LT(last, first) << model;
    std::vector<std::string> names, said;
    for (const auto& [name, value] : task->evaluate("val", 0)) {
      names.push_back(name);
      EXPECT_GE(value, 0) << name;
      EXPECT_LE(value, 1) << name;
    }
    for (const auto& score : task->scores()) said.push_back(score.name);
    EXPECT_EQ(names, said);
    EXPECT_NE(std::find(said.begin(), said.end(), task->goal()), said.end());
    EXPECT_GE(task->figures().size(), 3u);
  }
}

TEST(Detect, TheLossesTellBatchesOfAnyThreads) {
  const auto losses = [](int64_t workers) {
    auto task = make(settings(), workers);
    task->batches().set_epochs(2);
    task->batches().start(1, 0);
    std::vector<double> out;
    while (task->batches().next()) out.push_back(task->losses({}).total.item<double>());
    return out;
  };
  EXPECT_EQ(losses(0), losses(3));
}

TEST(Detect, GoesOnExactlyAfterTwentyDeaths) {
  auto config = quiet(5);  // 30 steps, mosaic in all but the last share of them
  config.ema = 0.9;
  config.evaluate_every = 2.5;
  config.checkpoint_steps = 2;
  struct Killer : Callback {
    void on_step(const StepEvent& event) override {
      if (event.state.step == at) throw std::logic_error("killed");
    }
    int64_t at = 0;
  };
  const auto sit = [&](const std::filesystem::path& folder, int64_t death) {
    const auto task = make(settings(), death % 3);
    Trainer trainer(*task, config, folder);
    if (std::filesystem::exists(folder / "checkpoint/last.safetensors"))
      trainer.resume(folder / "checkpoint/last.safetensors");
    Killer killer;
    killer.at = death;
    trainer.listen(killer);
    try {
      trainer.run();
    } catch (const std::logic_error&) {
    }
  };
  const test::TemporaryFolder whole, killed;
  sit(whole.path(), 0);
  for (int64_t death = 3; death < 23; ++death) sit(killed.path(), death);
  sit(killed.path(), 0);
  for (const auto* name : {"weights/last.safetensors", "weights/best.safetensors"}) {
    const auto expected = read_passport(whole / name).tensors, got = read_passport(killed / name).tensors;
    ASSERT_EQ(expected.names(), got.names());
    for (size_t i = 0; i < got.size(); ++i)
      EXPECT_TRUE(got.entries[i].second.equal(expected.entries[i].second)) << name << " " << got.entries[i].first;
  }
}

TEST(Detect, ItsWeightsAreEnough) {
  const test::TemporaryFolder folder;
  const auto task = make(settings());
  test::save_task(*task, "detect", folder / "w.safetensors");
  const auto detector = load_detector(folder / "w.safetensors");
  EXPECT_EQ(detector->about().classes, (std::vector<std::string>{"circle", "square", "triangle", "star"}));
  EXPECT_EQ(detector->config().size, 64);
  const auto scored = test::task_of_weights(folder / "w.safetensors");
  EXPECT_EQ(scored->evaluate("val", 0), task->evaluate("val", 0));
}

/// Pictures that tiles of 64 cut.
Table cut_settings(const std::string& model = "yolov8n") {
  auto table = settings(model);
  table.merge({{"data", Table{{"size", 128}}}, {"tile", 64}, {"overlap", 0.25}});
  return table;
}

std::shared_ptr<SceneData> data_of(const Table& table, const std::string& split) {
  auto own = *table.find("data")->get_if<Table>();
  own.erase("kind");
  return scene_sources().make({"shapes", own}).open(split);
}

TEST(Detect, LearnsFromTilesOfLargePictures) {
  for (const std::string model : {"yolov8n-seg", "yolov8n-pose"}) {
    auto table = cut_settings(model);
    table.set("empty_tiles", 0);
    const auto task = make(table);
    const TiledScenes tiles(data_of(table, "train"), 64, 0.25, {.empty = 0.0, .seed = 1});
    EXPECT_GT(tiles.size(), 3 * 24);
    EXPECT_EQ(task->batches().per_epoch(), tiles.size() / 4);
    EXPECT_THAT(task->summary(), testing::HasSubstr(fmt::format("{} training tiles", tiles.size())));
    task->batches().set_epochs(1);
    for (const int64_t first : {int64_t{0}, task->batches().per_epoch() - 2}) {  // with mosaics and without
      task->batches().start(0, first);
      ASSERT_TRUE(task->batches().next());
      EXPECT_TRUE(std::isfinite(task->losses({}).total.item<double>())) << model;
    }
  }
}

/// A network that finds, as sure of any class as of another, a box around each place that fills a picture of 64.
void make_sure_of_everything(Task& task) {
  const torch::NoGradGuard no_grad;
  for (auto& parameter : task.model().named_parameters())
    if (parameter.key().find(".cv3.") != std::string::npos && parameter.value().size(0) == 4)
      parameter.value().fill_(parameter.value().dim() == 1 ? 2 : 0);
}

TEST(Detect, ScoresTilesAsPredictFindsThem) {
  auto table = cut_settings();
  // As large as a tile, so that what fills one is right, and what fills the picture is not.
  table.merge({{"data", Table{{"min_size", 0.6}, {"max_size", 0.65}, {"max_objects", 1}}},
               {"tile", 96},
               {"multi_label", false}});
  const auto task = make(table);
  make_sure_of_everything(*task);
  const auto scored = task->evaluate("val", 0);
  EXPECT_GT(scored[1].second, 0) << "or nothing is shown";
  const test::TemporaryFolder folder;
  test::save_task(*task, "detect", folder / "w.safetensors");
  EXPECT_EQ(test::task_of_weights(folder / "w.safetensors")->evaluate("val", 0), scored);
  const auto whole = test::task_of_weights(folder / "w.safetensors", {{"tile", 0}})->evaluate("val", 0);
  EXPECT_NE(whole, scored);
  const Table predicts{{"predict", Table{{"tile", 0}}}};
  EXPECT_EQ(test::task_of_weights(folder / "w.safetensors", predicts)->evaluate("val", 0), whole);

  const auto detector = load_detector(folder / "w.safetensors");
  EXPECT_EQ(detector->config().tile, 96);
  const auto data = data_of(table, "val");
  DetectJudge judge(*detector, data, {0, 1, 2, 3});
  auto options = detector->config().predict;
  options.conf = 0.001;
  for (int64_t i = 0; i < data->size(); ++i) {
    const auto image = data->get(i).image;
    judge.add(i, detector->find({&image, 1}, options).at(0));
  }
  EXPECT_EQ(judge.metrics(), scored);
}

TEST(Detect, ScoresCountEachClassThatABoxMayBe) {
  auto table = settings();
  table.merge({{"data", Table{{"min_size", 0.8}, {"max_size", 0.9}, {"max_objects", 1}}}});
  const auto score = [&](const Table& more) {
    auto own = table;
    own.merge(more);
    const auto task = make(own);
    make_sure_of_everything(*task);
    return task->evaluate("val", 0)[1].second;
  };
  const auto best = score({{"multi_label", false}}), each = score({});
  EXPECT_GT(each, 2 * best) << "of four classes that are as likely, three are never the best";
  EXPECT_GT(best, 0);
}

TEST(Detect, SeldomClassesCountMoreWhereItIsSaid) {
  const auto parts = [](const Table& more) {
    auto table = settings();
    table.merge(more);
    const auto task = make(table);
    task->batches().start(0, 0);
    task->batches().next();
    return task->losses({}).parts;
  };
  const auto plain = parts({}), none = parts({{"class_weights", 0}}), weighted = parts({{"class_weights", 1}});
  EXPECT_EQ(plain, none);
  ASSERT_EQ(plain.size(), weighted.size());
  for (size_t i = 0; i < plain.size(); ++i)
    EXPECT_EQ(plain[i] == weighted[i], plain[i].first != "cls") << plain[i].first;
}

TEST(Detect, WhatModelAndDataDoNotShareIsRefused) {
  auto table = settings("yolov8n-pose");
  table.set_path("model.keypoints", 3);
  EXPECT_ERROR(make(table), "model.keypoints is 3 and there are 5 keypoints");
  table = settings();
  table.set("names", List{"a", "b"});
  EXPECT_ERROR(make(table), "names lists 2 classes and the data has 4");
  table = settings();
  table.set("size", 50);
  EXPECT_ERROR(make(table), "size (50) must be a multiple of the model's stride (32)");
  const auto refuses = [](const Table& more, const std::string& what) {
    auto own = settings();
    own.merge(more);
    EXPECT_ERROR(make(own), what);
  };
  refuses({{"tile", 16}}, "tile (16) is smaller than the model's stride (32); tile=0 looks at whole pictures");
  refuses({{"predict", Table{{"tile", 31}}}}, "tile (31) is smaller than the model's stride (32)");
  refuses({{"tile", -1}}, "tile");
  refuses({{"tile", 64}, {"overlap", 1}}, "overlap");
  refuses({{"predict", Table{{"overlap", -0.5}}}}, "overlap (-0.5) must be from 0 to below 1, or -1: as in training");
  refuses({{"class_weights", 1.5}}, "class_weights");
  refuses({{"empty_tiles", -1}}, "empty_tiles");
}

TEST(SceneClasses, AreMatchedByName) {
  EXPECT_EQ(match_scene_classes({"dog", "cat"}, {"cat", "dog", "emu"}), (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(match_scene_classes({"a", "b"}, {"0", "1"}), (std::vector<int64_t>{0, 1})) << "as many, called otherwise";
  EXPECT_ERROR(match_scene_classes({"dog", "ctt"}, {"cat", "dog"}),
               "a class \"ctt\" that the model does not know; nearest: cat");
}

TEST(Detect, ReportsShowTheTruthThatTheModelCouldFind) {
  if (!has_image_formats()) GTEST_SKIP() << "nothing draws in this build";
  const auto table = settings("yolov8n");  // boxes; the shapes have masks and keypoints
  const auto task = make(table);
  task->evaluate("val", 0);
  const auto data = data_of(table, "val");
  auto scene = data->get(0);
  const auto all = drawn(scene, data->about());
  scene.masks = scene.keypoints = Tensor();
  const auto boxes = drawn(scene, data->about());
  ASSERT_FALSE(all.equal(boxes));
  const auto shown = std::get<PictureGrid>(task->figures().at(0)).items.at(0).image;
  EXPECT_TRUE(shown.slice(1, 0, boxes.size(1)).equal(boxes));
}

}  // namespace
}  // namespace hadal
