// Training on few labelled examples, and on further ones from class folders.
#include <nlohmann/json.hpp>

#include "hadal/data/sound/sources.h"
#include "hadal/data/vision/sources.h"
#include "hadal/io/file.h"
#include "hadal/io/image.h"
#include "hadal/io/sound.h"
#include "hadal/train/augment_bench.h"
#include "hadal/train/made_samples.h"
#include "hadal/train/run.h"
#include "hadal/train/trainer.h"

#include "tests/data/sound/sounds_drawn.h"
#include "tests/support/support.h"
#include "tests/support/trained.h"

namespace hadal {
namespace {

const Table kShapes{{"size", 16}, {"classes", 3}, {"train", 60}, {"val", 6}, {"test", 12}};

ClassificationSource shapes(const Table& changes) {
  auto settings = kShapes;
  settings.merge(changes);
  return classification_sources().make({"shapes", settings});
}

std::vector<int64_t> labels_of_split(const ClassificationSource& source, const std::string& split) {
  const auto data = source.open(split);
  std::vector<int64_t> out;
  for (int64_t i = 0; i < data->size(); ++i) out.push_back(data->get(i).label);
  return out;
}

void write_picture(const std::filesystem::path& path, int64_t level) {
  write_file(path, encode_png(torch::full({16, 16, 1}, level, torch::kUInt8)));
}

void tones(const test::TemporaryFolder& folder) {
  for (const auto& [label, pitch] : {std::pair("high", 1.5), std::pair("low", 0.2)})
    for (int64_t i = 0; i < 8; ++i)
      write_file(folder / fmt::format("{}_anna_{}.wav", label, i), test::tone(pitch * (1 + 0.01 * double(i)), 900));
}

}  // namespace

TEST(MoreData, ChoosesAsManyOfEachClassByItsSeed) {
  const auto some = [](int64_t seed) { return shapes({{"labels", 10}, {"labels_seed", seed}}); };
  const auto labels = labels_of_split(some(1), "train");
  ASSERT_EQ(labels.size(), 10u);
  for (int64_t label = 0; label < 3; ++label) {
    const auto count = std::count(labels.begin(), labels.end(), label);
    EXPECT_TRUE(count == 3 || count == 4) << count;
  }
  const auto names = [&](int64_t seed) {
    std::vector<std::string> out;
    const auto data = some(seed).open("train");
    for (int64_t i = 0; i < data->size(); ++i) out.push_back(data->name(i));
    return out;
  };
  EXPECT_EQ(names(1), names(1));
  EXPECT_NE(names(1), names(2));
  EXPECT_EQ(labels_of_split(some(1), "test").size(), 12u);  // what is scored stays
  EXPECT_ERROR(shapes({{"labels", 2}}).open("train"), "data.labels=2 are fewer than the 3 classes");
  EXPECT_ERROR(shapes({{"labels", 90}}).open("train"), "data.labels=90 want 30 examples of");
}

TEST(MoreData, PicturesOfClassFoldersAreForTrainingAlone) {
  const auto own = shapes({});
  const auto names = own.open("train")->classes();
  const test::TemporaryFolder folder, wrong, divided, spoken;
  write_picture(folder / names[2] / "a.png", 200);
  write_picture(folder / names[0] / "b.png", 100);
  write_file(folder / "grid.png", encode_png(torch::zeros({4, 4, 3}, torch::kUInt8)));
  write_file(folder / "generations.jsonl", "{}\n");
  const auto source = shapes({{"labels", 3}, {"more", List{folder.path().string()}}});
  const auto data = source.open("train");
  ASSERT_EQ(data->size(), 5);
  EXPECT_EQ(data->get(3).image.sizes(), (std::vector<int64_t>{16, 16, 3}));
  std::map<int64_t, int64_t> levels;
  for (const int64_t i : {3, 4}) levels[data->get(i).label] = data->get(i).image[0][0][0].item<int64_t>();
  EXPECT_EQ(levels, (std::map<int64_t, int64_t>{{0, 100}, {2, 200}}));
  EXPECT_THAT(data->name(3) + data->name(4), testing::HasSubstr("a.png"));
  EXPECT_EQ(source.open("val")->size(), 6);
  write_picture(wrong / "nonsense/a.png", 3);
  EXPECT_ERROR(shapes({{"more", List{wrong.path().string()}}}).open("train"), "has a class \"nonsense\"");
  write_picture(spoken / names[0] / "a.png", 3);
  write_file(spoken / names[0] / "a.wav", test::tone(0.3));
  EXPECT_ERROR(shapes({{"more", List{spoken.path().string()}}}).open("train"), "it is for data of sounds");
  write_picture(divided / "train" / names[0] / "a.png", 3);
  EXPECT_ERROR(shapes({{"more", List{divided.path().string()}}}).open("train"), "is divided into train");
}

TEST(MoreData, SoundsToo) {
  const test::TemporaryFolder folder, more, wrong;
  tones(folder);
  write_file(more / "low/0.wav", test::tone(0.3, 555));
  write_file(more / "grid.png", "no sound");
  write_file(more / "low/0.png", "its spectrogram");
  const Table own{{"path", folder.path().string()}, {"test", 2}, {"val", 1}};
  const auto open = [&](const Table& changes, const std::vector<std::string>& labels = {}) {
    auto settings = own;
    settings.merge(changes);
    const auto hear = [](SoundReader& sound) { return sound_samples(sound, 8000); };
    return sound_sources().make({"sounds", settings}).open(labels, hear);
  };
  const auto few = open({{"labels", 4}, {"more", List{more.path().string()}}});
  ASSERT_EQ(few->size("train"), 5);
  EXPECT_EQ(few->size("test"), 4);
  EXPECT_EQ(few->get("train", 4).second, 1);
  EXPECT_EQ(few->get("train", 4).first.size(0), 555);
  EXPECT_EQ(open({{"labels", 4}, {"more", List{more.path().string()}}}, {"high", "low"})->size("train"), 10);
  write_file(wrong / "mid/0.wav", test::tone(0.3));
  EXPECT_ERROR(open({{"more", List{wrong.path().string()}}}), "the label \"mid\" is none of the model's: high, low");
}

TEST(AugmentBench, ComparesWithMadeSamples) {
  const test::TemporaryFolder folder, out;
  tones(folder);
  const Table mel{{"window", 64}, {"hop", 32}, {"bands", 8}};
  const Table sounds{{"kind", "sounds"}, {"path", folder.path().string()}, {"length", 16}, {"test", 2}, {"val", 1},
                     {"mel", mel}};
  TaskContext context;
  context.batch = 4;
  context.workers = 0;
  context.learns = true;
  const auto speech = tasks().make({"speech",
                                    {{"model", Table{{"name", "unet"}, {"widths", List{8, 8}}, {"head_dim", 8}}},
                                     {"generate", Table{{"sampler", "euler"}, {"steps", 1}}},
                                     {"data", sounds}}},
                                   context);
  test::save_task(*speech, "speech", out / "voice/w.safetensors");
  const Table settings{{"task", "classify_series"},
                       {"model", Table{{"name", "series_classifier"},
                                       {"encoder", Table{{"dim", 8}, {"heads", 2}, {"mlp", 8}, {"depth", 1}}}}},
                       {"data", sounds},
                       {"augment", Table{{"stretch", 0.1}}},
                       {"train", Table{{"steps", 6}, {"batch", 4}, {"device", "cpu"}, {"workers", 0}}}};
  const auto recipe = recipe_from(settings, "few");
  auto own = recipe;
  const auto judge = settle(own);
  test::save_task(*judge, "classify_series", out / "judge.safetensors");
  AugmentBenchConfig config{.runs = {(out / "voice/w.safetensors").string()}, .labels = 4, .seeds = 2, .n = 6};
  EXPECT_ERROR(compare_augmentations(recipe, config, out.path()), "has no judge of its own");
  config.judge = (out / "judge.safetensors").string();
  config.confidence = 1e-6;  // whatever it takes for what it should be
  int64_t kept = 0;
  const auto table = compare_augmentations(recipe, config, out.path(), {}, [&](const AugmentTable&) { ++kept; });
  ASSERT_GE(table.rows.size(), 3u);
  EXPECT_EQ(kept, 2 * std::ssize(table.rows));
  EXPECT_EQ(table.rows[0].name, "alone");
  EXPECT_EQ(table.rows[1].name, "classical");
  EXPECT_EQ(table.rows[2].added, 6);
  EXPECT_TRUE(std::filesystem::exists(out / "samples/w.safetensors/all/high/0000.wav"));
  EXPECT_EQ(table.metric, "accuracy");
  EXPECT_THAT(table.markdown(), testing::HasSubstr("| alone | 0 | "));
  const auto json = nlohmann::json::parse(table.json());
  EXPECT_EQ(json["rows"][0]["scores"].size(), 2u);
  // What is wrong with any of the runs is said before the first training.
  kept = 0;
  const auto keep = [&](const AugmentTable&) { ++kept; };
  const auto good = config.runs[0];
  const auto gan = tasks().make({"gan",
                                 {{"model", Table{{"name", "dcgan"}, {"width", 4}}},
                                  {"conditional", true},
                                  {"data", Table{{"kind", "shapes"}, {"size", 28}, {"classes", 2}, {"train", 8}}}}},
                                context);
  test::save_task(*gan, "gan", out / "pictures.safetensors");
  config.runs = {good, (out / "pictures.safetensors").string()};
  EXPECT_ERROR(compare_augmentations(recipe, config, out.path(), {}, keep),
               "makes pictures and the recipe's classifier learns from sounds");
  auto drawn = settings;
  drawn.set("task", "classify");
  drawn.set("model", "cnn");
  drawn.set("augment", Table{});
  drawn.set("data", Table{{"kind", "shapes"}, {"size", 28}, {"classes", 2}, {"train", 8}, {"val", 4}, {"test", 4}});
  EXPECT_ERROR(compare_augmentations(recipe_from(drawn, "drawn"), config, out.path(), {}, keep),
               "makes sounds and the recipe's classifier learns from pictures");
  config.runs = {good};
  config.judge = (out / "pictures.safetensors").string();
  EXPECT_ERROR(compare_augmentations(recipe, config, out.path(), {}, keep), "does not judge sounds");
  EXPECT_EQ(kept, 0);
  config.runs = {"nowhere"};
  EXPECT_ERROR(config.validate(), "the run nowhere is not there");
}

TEST(AugmentBench, IntervalsAreStudents) {
  const AugmentRow row{"", 0, {0.90, 0.92, 0.97}};
  EXPECT_NEAR(row.mean(), 0.93, 1e-12);
  EXPECT_NEAR(row.half_width(), 4.303 * std::sqrt(0.0013) / std::sqrt(3), 1e-6);  // by hand
  EXPECT_TRUE(std::isnan(AugmentRow({"", 0, {0.5}}).half_width()));
}

TEST(AugmentBench, KeepsWhatTheJudgeIsSureOf) {
  const test::TemporaryFolder folder, all, out;
  tones(folder);
  const Table sounds{{"kind", "sounds"}, {"path", folder.path().string()}, {"length", 32}, {"test", 2}, {"val", 1}};
  TaskContext context;
  context.batch = 6;
  context.workers = 0;
  context.learns = true;
  const auto judge = tasks().make(
      {"classify_series",
       {{"model", Table{{"name", "series_classifier"},
                        {"head_dropout", 0.0},
                        {"encoder", Table{{"dim", 16}, {"heads", 2}, {"mlp", 32}, {"depth", 1}, {"dropout", 0.0}}}}},
        {"data", sounds}}},
      context);
  Trainer(*judge, {.epochs = 40,
                   .optimizer = {"adam", {{"lr", 3e-3}}},
                   .device = "cpu",
                   .evaluate_every = 40,
                   .checkpoint_seconds = 0})
      .run();
  test::save_task(*judge, "classify_series", out / "judge.safetensors");
  write_file(all / "low/0.wav", test::tone(0.21, 900));
  write_file(all / "low/1.wav", test::tone(1.5, 900));  // sounds high
  write_file(all / "high/0.wav", test::tone(1.52, 900));
  write_file(all / "high/0.png", "beside it");
  EXPECT_EQ(keep_sure_samples(out / "judge.safetensors", all.path(), out / "sure", 0.6), 2);
  EXPECT_TRUE(std::filesystem::exists(out / "sure/low/0.wav"));
  EXPECT_FALSE(std::filesystem::exists(out / "sure/low/1.wav"));
  EXPECT_EQ(keep_sure_samples(out / "judge.safetensors", all.path(), out / "none", 1.0), 0);
}

}  // namespace hadal
