// Vocoders and models of sounds learn, are scored, are shown, and are whole in their files.
#include <nlohmann/json.hpp>

#include "hadal/data/sound/sounds.h"
#include "hadal/io/file.h"
#include "hadal/io/sound.h"
#include "hadal/report/history.h"
#include "hadal/tasks/making/speech.h"
#include "hadal/tasks/making/vocoder.h"
#include "hadal/train/trainer.h"

#include "tests/data/sound/sounds_drawn.h"
#include "tests/support/support.h"
#include "tests/support/trained.h"

namespace hadal {
namespace {

const Table kMel{{"window", 64}, {"hop", 32}, {"bands", 8}, {"floor", 1e-4}, {"power", 1}};

Table data(const test::TemporaryFolder& folder) {
  for (const auto& [label, pitch] : {std::pair("high", 1.5), std::pair("low", 0.2)})
    for (int64_t i = 0; i < 8; ++i)
      write_file(folder / fmt::format("{}_anna_{}.wav", label, i),
                 test::tone(pitch * (1 + 0.01 * double(i)), 700 + 40 * i));
  return {{"kind", "sounds"}, {"path", folder.path().string()}, {"length", 16}, {"test", 2}, {"val", 2}, {"mel", kMel}};
}

Table vocoder(const test::TemporaryFolder& folder) {
  return {{"model", Table{{"name", "vocos"}, {"dim", 16}, {"mlp", 32}, {"depth", 2}}},
          {"judges", Table{{"periods", List{2, 3}}, {"windows", List{64}}, {"period_width", 2}, {"window_width", 2}}},
          {"loss", Table{{"alone", 0.8}}},
          {"frames", 16},
          {"data", data(folder)}};
}

Table speech(const test::TemporaryFolder& folder) {
  return {{"model", Table{{"name", "unet"}, {"widths", List{8, 8}}, {"head_dim", 8}}},
          {"generate", Table{{"sampler", "euler"}, {"steps", 2}}},
          {"shown", 4},
          {"data", data(folder)}};
}

Table waves(const test::TemporaryFolder& folder) {
  auto out = speech(folder);
  out.set("model", Table{{"name", "diffwave-conditional"}, {"width", 4}, {"depth", 2}, {"cycle", 2}});
  out.set("process", Table{{"name", "ddpm"}, {"times", 20}});
  return out;
}

std::unique_ptr<Task> make(const std::string& task, const Table& settings, int64_t workers = 0) {
  TaskContext context;
  context.batch = 4;
  context.workers = workers;
  context.learns = true;
  return tasks().make({task, settings}, context);
}

TrainConfig quiet(int64_t steps) {
  return {.steps = steps,
          .optimizer = {"adam", {{"lr", 3e-3}}},
          .schedule = {"constant", {}},
          .ema = 0.9,
          .device = "cpu",
          .evaluate_every = 1000,
          .checkpoint_seconds = 0};
}

double score(const Metrics& metrics, const std::string& name) {
  const auto* value = find_value(metrics, name);
  EXPECT_NE(value, nullptr) << name;
  return value ? *value : NAN;
}

/// What one predict of `samples` says, and the sound it writes.
std::pair<nlohmann::json, Sound> through(Trained& trained, const std::string& bytes) {
  const auto answer = trained.predict(std::vector<Input>{{"clip.wav", bytes, {}}}).at(0);
  if (!answer.error.empty()) return {answer.error, {}};
  const auto wav = answer.files.at(0).bytes();
  return {answer.json, decode_sound(std::as_bytes(std::span(wav)), "made.wav")};
}

}  // namespace

TEST(Vocoder, LearnsIsScoredBesideGriffinLimAndShown) {
  const test::TemporaryFolder folder;
  auto settings = vocoder(folder);
  settings.set_path("predict.refine", 0);  // what the net itself learns
  const auto task = make("vocoder", settings);
  const auto before = task->evaluate("test", 0);
  Trainer(*task, quiet(100)).run();
  const auto after = task->evaluate("test", 0);
  EXPECT_LT(score(after, "mel_distance"), 0.6 * score(before, "mel_distance"));
  EXPECT_LT(score(after, "stft_distance"), score(before, "stft_distance"));
  EXPECT_EQ(score(after, "mel_griffin_lim"), score(before, "mel_griffin_lim"));
  EXPECT_GT(score(after, "stft_griffin_lim"), 0);
  for (const auto& [name, value] : after)
    EXPECT_THAT(task->scores(), testing::Contains(testing::Field(&Score::name, name)));
  const auto figure = std::get<SoundFigure>(task->figures().at(0));
  EXPECT_EQ(figure.items.size(), 12u);  // four recordings, each by three
  EXPECT_EQ(figure.items[1].caption, "Griffin-Lim");
  EXPECT_EQ(figure.items[0].samples.sizes(), figure.items[2].samples.sizes());
}

TEST(Vocoder, GoesOnExactlyWhereItStopped) {
  const test::TemporaryFolder sounds, whole, parts;
  auto settings = vocoder(sounds);
  settings.set("loss", Table{{"alone", 0.3}});
  const auto weights = [](const std::filesystem::path& run) {
    return read_passport(run / "weights/last.safetensors").tensors;
  };
  {
    const auto task = make("vocoder", settings);
    Trainer(*task, quiet(8), whole.path()).run();
  }
  struct Stopper : Callback {
    void on_step(const StepEvent& event) override {
      if (event.state.step == 3) trainer->stop();
    }
    Trainer* trainer = nullptr;
  };
  for (const bool resume : {false, true}) {
    const auto task = make("vocoder", settings, 1);
    Trainer trainer(*task, quiet(8), parts.path());
    if (resume) trainer.resume(parts / "checkpoint/last.safetensors");
    Stopper stopper;
    stopper.trainer = &trainer;
    trainer.listen(stopper);
    EXPECT_EQ(trainer.run().done, resume);
  }
  const auto expected = weights(whole.path()), got = weights(parts.path());
  ASSERT_EQ(expected.names(), got.names());
  for (size_t i = 0; i < got.size(); ++i)
    EXPECT_TRUE(got.entries[i].second.equal(expected.entries[i].second)) << got.entries[i].first;
}

TEST(Vocoder, MakesLongSoundsPieceByPieceAsInOne) {
  const test::TemporaryFolder folder;
  const auto task = make("vocoder", vocoder(folder));
  test::save_task(*task, "vocoder", folder / "w.safetensors");
  const auto trained = load_vocoder(folder / "w.safetensors");
  const torch::NoGradGuard no_grad;
  const auto mel = torch::randn({8, 4200}) - 3;  // three pieces
  const auto whole = trained->model().vocoder->forward(mel.unsqueeze(0))[0];
  const auto made = trained->sound(mel, 0);
  ASSERT_EQ(made.sizes(), whole.sizes());
  EXPECT_LT((made - whole).abs().max().item<double>(), 1e-5 * whole.abs().max().item<double>());
  // Refined, it comes nearer to the bands, however little the net knows.
  const auto off = [&](const Tensor& sound) {
    return (log_mel(sound, trained->mel()) - mel).abs().mean().item<double>();
  };
  EXPECT_LT(off(trained->sound(mel)), 0.8 * off(made));
}

TEST(Vocoder, TakesClipsOfAnyKind) {
  const test::TemporaryFolder folder;
  const auto task = make("vocoder", vocoder(folder));
  test::save_task(*task, "vocoder", folder / "w.safetensors");
  const auto trained = load_vocoder(folder / "w.safetensors");
  for (const int64_t length : {int64_t{1}, int64_t{31}, int64_t{64}, int64_t{1000}}) {
    const auto [json, sound] = through(*trained, test::tone(0.4, length));
    EXPECT_EQ(sound.samples.sizes(), (std::vector<int64_t>{1, length})) << json;
    EXPECT_EQ(sound.rate, 8000);
  }
  const auto [silent, silence] = through(*trained, encode_wav(torch::zeros({500}), 8000));
  EXPECT_TRUE(silence.samples.isfinite().all().item<bool>()) << silent;
  const auto [stereo, mixed] = through(*trained, encode_wav(torch::rand({2, 1600}) - 0.5, 16000));
  EXPECT_EQ(mixed.samples.sizes(), (std::vector<int64_t>{1, 800})) << stereo;
  EXPECT_EQ(stereo["seconds"], 0.1);
  const auto both =
      trained->predict(std::vector<Input>{{"clip.wav", test::tone(0.4, 1000), {}}}, {{"griffin_lim", true}});
  ASSERT_EQ(both.at(0).files.size(), 2u);
  EXPECT_EQ(both[0].files[1].ending, "-griffin-lim.wav");
  const auto beside = both[0].files[1].bytes();
  EXPECT_EQ(decode_sound(std::as_bytes(std::span(beside)), "beside.wav").samples.size(1), 1000);
  const auto cut = test::tone(0.4).substr(0, 1000);
  EXPECT_THAT(through(*trained, cut).first.get<std::string>(), testing::HasSubstr("clip.wav"));

  auto other = vocoder(folder);
  other.set_path("model.bands", 9);
  EXPECT_ERROR(make("vocoder", other), "model.bands is 9 and data.mel.bands is 8");
  other = vocoder(folder);
  other.set_path("model.ends", "same");
  EXPECT_ERROR(make("vocoder", other), "model.ends must be center");
  other = vocoder(folder);
  other.set("frames", 2);
  other.set_path("data.mel.window", 128);
  EXPECT_ERROR(make("vocoder", other), "frames=2 of data.mel.hop=32 are shorter than a window of 128");
}

TEST(Speech, LearnsBothWaysIsScoredAndShown) {
  const test::TemporaryFolder folder, judge;
  {
    Table classifier{
        {"model", Table{{"name", "series_classifier"},
                        {"encoder", Table{{"dim", 8}, {"heads", 2}, {"mlp", 8}, {"depth", 1}, {"dropout", 0.0}}}}},
        {"data", data(folder)}};
    const auto task = make("classify_series", classifier);
    Trainer(*task, quiet(150)).run();
    EXPECT_EQ(score(task->evaluate("train", 0), "accuracy"), 1);
    test::save_task(*task, "classify_series", judge / "w.safetensors");
  }
  for (auto settings : {speech(folder), waves(folder)}) {
    settings.set("judge", Table{{"weights", (judge / "w.safetensors").string()}});
    const auto task = make("speech", settings);
    const auto before = score(task->evaluate("val", 0), "loss");
    Trainer(*task, quiet(80)).run();
    const auto after = task->evaluate("test", 0);
    EXPECT_LT(score(after, "loss"), 0.9 * before);
    for (const auto& [name, value] : after) {
      EXPECT_TRUE(std::isfinite(value)) << name;
      EXPECT_THAT(task->scores(), testing::Contains(testing::Field(&Score::name, name)));
    }
    score(after, "class_true"), score(after, "frechet_real");
    const auto figures = task->figures();
    EXPECT_EQ(std::get<SoundFigure>(figures.at(0)).items.size(), 4u);
    EXPECT_EQ(std::get<PictureGrid>(figures.at(1)).items.size(), 4u);
    EXPECT_THAT(task->summary(), testing::HasSubstr("judged by"));
  }
}

TEST(Sounds, AreLearntInFewBits) {
  const test::TemporaryFolder folder;
  for (const auto& [name, settings] :
       {std::pair("vocoder", vocoder(folder)), {"speech", speech(folder)}, {"speech", waves(folder)}}) {
    const auto task = make(name, settings);
    auto config = quiet(3);
    config.precision = "bf16";
    Trainer(*task, config).run();
    for (const auto& [key, value] : task->evaluate("test", 0)) EXPECT_TRUE(std::isfinite(value)) << name << " " << key;
  }
}

TEST(Speech, FileIsEnoughAndItsSoundsPlay) {
  const test::TemporaryFolder folder;
  for (const auto& settings : {speech(folder), waves(folder)}) {
    const auto task = make("speech", settings);
    test::save_task(*task, "speech", folder / "w.safetensors");
    const auto maker = load_maker(folder / "w.safetensors");
    std::vector<nlohmann::json> lines;
    std::vector<std::string> files;
    const Table asked{{"n", 3}, {"class", "low"}, {"seed", 5}, {"layout", "folders"}};
    maker->generate({}, asked, [&](const Piece& piece) {
      if (!piece.made) return true;
      lines.push_back(nlohmann::json::parse(piece.made->json.dump()));
      for (const auto& file : piece.made->files) {
        files.push_back(file.ending);
        const auto bytes = file.bytes();
        if (!file.ending.ends_with(".wav")) continue;
        const auto sound = decode_sound(std::as_bytes(std::span(bytes)), file.ending);
        EXPECT_EQ(sound.rate, 8000);
        EXPECT_LE(sound.samples.size(1), 16 * 32);
        EXPECT_GE(sound.samples.size(1), 1);
      }
      return true;
    });
    ASSERT_EQ(lines.size(), 3u);
    EXPECT_EQ(lines[1]["file"], "low/0001.wav");
    EXPECT_EQ(lines[1]["class"], "low");
    EXPECT_THAT(files, testing::IsSupersetOf({"low/0000.png", "low/0000.wav", "low/0002.wav", "grid.png"}));
    files.clear();
    maker->generate({}, {{"n", 2}, {"layout", "grid"}}, [&](const Piece& piece) {
      for (const auto& file : piece.made ? piece.made->files : std::vector<Attachment>{}) files.push_back(file.ending);
      return true;
    });
    EXPECT_EQ(files, (std::vector<std::string>{"pictures/0000.wav", "pictures/0001.wav", "grid.png"}));
    const auto again = load_maker(folder / "w.safetensors");
    EXPECT_TRUE((*maker)(2, {{"seed", 3}}).equal((*again)(2, {{"seed", 3}})));
    EXPECT_ERROR((*maker)(1, {{"class", "mid"}}), "there is no class \"mid\"; there are 2: high, low");
  }
}

TEST(Speech, SeesASoundAsItIsAndSilenceBehindIt) {
  const test::TemporaryFolder folder;
  const auto task = make("speech", speech(folder));
  test::save_task(*task, "speech", folder / "w.safetensors");
  const auto opened = load_maker(folder / "w.safetensors");
  auto& maker = dynamic_cast<SpeechMaker&>(*opened);
  const auto sound = 0.2 * (0.3 * torch::arange(8 * 32, torch::kFloat32)).sin();
  const auto seen = maker.seen(sound);
  EXPECT_EQ(seen.sizes(), (std::vector<int64_t>{1, 8, 16}));
  EXPECT_EQ(seen.slice(2, 9).min().item<float>(), -1);
  EXPECT_EQ(seen.slice(2, 9).max().item<float>(), -1);
  EXPECT_GT(seen.slice(2, 0, 9).max().item<float>(), 0);
  EXPECT_NEAR(static_cast<double>(maker.sound(seen).size(0)), 8 * 32, 32);  // silence is not heard
  EXPECT_EQ(maker.sound(torch::full({1, 8, 16}, -1.0)).size(0), 15 * 32);   // where there is nothing else it is
  EXPECT_EQ(maker.seen(sound.repeat(9)).sizes(), seen.sizes());
}

TEST(Speech, RefusesWhatDoesNotFit) {
  const test::TemporaryFolder folder;
  auto settings = vocoder(folder);
  settings.set_path("data.mel.bands", 6);
  test::save_task(*make("vocoder", settings), "vocoder", folder / "v.safetensors");
  settings = speech(folder);
  settings.set("vocoder", (folder / "v.safetensors").string());
  EXPECT_ERROR(make("speech", settings), "is for other spectrograms: bands=6 (here 8)");
  settings.set("vocoder", (folder / "none").string());
  EXPECT_ERROR(make("speech", settings), "none is not there: train it first");
  settings = waves(folder);
  settings.set("vocoder", (folder / "v.safetensors").string());
  EXPECT_ERROR(make("speech", settings), "makes samples, which no vocoder takes");
  settings = speech(folder);
  settings.set("model", Table{{"name", "dit"}});
  EXPECT_ERROR(make("speech", settings), "dit makes squares: data.length (16) must be data.mel.bands (8)");
  settings = speech(folder);
  settings.set_path("data.length", 15);
  EXPECT_ERROR(make("speech", settings), "across (15) must be divisible by 2");
  const test::TemporaryFolder silent;
  for (const auto* label : {"high", "low"})
    for (int64_t i = 0; i < 8; ++i)
      write_file(silent / fmt::format("{}_anna_{}.wav", label, i), encode_wav(torch::zeros({800}), 8000));
  settings = speech(folder);
  settings.set_path("data.path", silent.path().string());
  EXPECT_ERROR(make("speech", settings), "all sounds for training are silent");
}

TEST(Speech, IsMadeByAVocoder) {
  const test::TemporaryFolder folder;
  test::save_task(*make("vocoder", vocoder(folder)), "vocoder", folder / "v.safetensors");
  auto settings = speech(folder);
  settings.set("vocoder", (folder / "v.safetensors").string());
  const auto task = make("speech", settings);
  EXPECT_THAT(task->summary(), testing::HasSubstr("made by " + (folder / "v.safetensors").string()));
  test::save_task(*task, "speech", folder / "w.safetensors");
  const auto opened = load_maker(folder / "w.safetensors");
  auto& maker = dynamic_cast<SpeechMaker&>(*opened);
  const auto vocos = load_vocoder(folder / "v.safetensors");
  const auto raw = torch::zeros({1, 8, 16});
  const auto range = SpeechRange::from(task->learned());
  const auto mel = torch::full({8, 16}, (range.low + range.high) / 2);
  EXPECT_LT((maker.sound(raw) - vocos->sound(mel).clamp(-1, 1)).abs().max().item<double>(), 1e-5);
}

}  // namespace hadal
