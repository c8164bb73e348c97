#include "hadal/train/made_samples.h"

#include <algorithm>
#include <vector>

#include "hadal/core/stop.h"
#include "hadal/data/path.h"
#include "hadal/data/sound/sounds.h"
#include "hadal/io/file.h"
#include "hadal/trained/making/speech_maker.h"
#include "hadal/trained/series/classifier.h"
#include "hadal/trained/vision/classifier.h"

namespace hadal {

namespace fs = std::filesystem;

namespace {

std::unique_ptr<Maker> maker_of_classes(const fs::path& run) {
  auto maker = load_maker(run);
  if (maker->names().empty())
    fail_usage("{} makes samples of no class, which teach no classifier; conditional=true learns classes too",
               run.string());
  return maker;
}

void expect_known(const std::vector<std::string>& names, const std::vector<std::string>& known, const std::string& who,
                  const std::string& whose) {
  for (const auto& name : names)
    if (std::find(known.begin(), known.end(), name) == known.end())
      fail_usage("{} makes samples of the class \"{}\", which {} lacks{}", who, name, whose, suggest(name, known));
}

}  // namespace

void check_samples_of(const fs::path& run, const fs::path& judge, bool sounds,
                      const std::vector<std::string>& classes) {
  const auto kind = [](bool of_sounds) { return of_sounds ? "sounds" : "pictures"; };
  const auto maker = maker_of_classes(run);
  const bool makes_sounds = dynamic_cast<SpeechMaker*>(maker.get()) != nullptr;
  require(makes_sounds == sounds, "{} makes {} and the recipe's classifier learns from {}", run.string(),
          kind(makes_sounds), kind(sounds));
  expect_known(maker->names(), classes, run.string(), "the recipe's data");
  if (judge.empty()) return;
  const auto classifier = open_trained(judge);
  require(classifier->takes() == (sounds ? Takes::sound : Takes::picture), "{} does not judge {}", judge.string(),
          kind(sounds));
  const auto* pictures = dynamic_cast<TrainedClassifier*>(classifier.get());
  const auto* heard = dynamic_cast<TrainedSoundClassifier*>(classifier.get());
  require(pictures || heard, "{} is no classifier", judge.string());
  expect_known(maker->names(), pictures ? pictures->config().names : heard->config().names, run.string(),
               "the judge " + judge.string());
}

int64_t make_class_folders(const fs::path& run, const fs::path& out, int64_t count, int64_t seed) {
  const auto maker = maker_of_classes(run);
  int64_t made = 0;
  maker->generate({}, {{"n", count}, {"seed", seed}, {"layout", "folders"}}, [&](const Piece& piece) {
    if (piece.made) {
      for (const auto& file : piece.made->files) write_file(out / file.ending, file.bytes());
      ++made;
    }
    return !stop_requested().load();
  });
  return made;
}

int64_t keep_sure_samples(const fs::path& judge, const fs::path& all, const fs::path& out, double confidence) {
  const auto classifier = open_trained(judge);
  const bool sounds = classifier->takes() == Takes::sound;
  require(sounds || classifier->takes() == Takes::picture, "{} judges neither pictures nor sounds", judge.string());
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(all)) {
    const auto path = entry.path();
    if (!entry.is_regular_file() || path.parent_path() == all) continue;  // the grid
    if (sounds ? is_sound(path.string()) : path.extension() == ".png") files.push_back(path);
  }
  std::sort(files.begin(), files.end());
  int64_t kept = 0;
  const auto step = static_cast<size_t>(std::max<int64_t>(1, classifier->at_once()));
  for (size_t first = 0; first < files.size(); first += step) {
    std::vector<Input> inputs;
    for (auto i = first; i < std::min(files.size(), first + step); ++i)
      inputs.push_back({files[i].string(), read_file(files[i]), {}});
    const auto answers = classifier->predict(inputs);
    for (size_t i = 0; i < answers.size(); ++i) {
      const auto& file = files[first + i];
      if (!answers[i].error.empty()) fail("{}", answers[i].error);
      const auto& top = answers[i].json.at("top").at(0);
      const auto label = file.parent_path().filename();
      if (top.at("class") != label.string() || top.at("score").get<double>() < confidence) continue;
      write_file(out / label / file.filename(), inputs[i].bytes);
      ++kept;
    }
  }
  return kept;
}

std::string judge_of(const std::string& run, const std::string& given) {
  if (!given.empty()) return data_path(given).string();
  const auto passport = read_passport(data_path(run));
  const auto* judge = passport.recipe.find_path("judge.weights");
  const auto path = judge ? read_text(*judge, "judge.weights", {}) : "";
  if (path.empty())
    fail_usage("{} has no judge of its own: judge=RUN names a classifier, confidence=0 leaves out the sure samples",
               run);
  return data_path(path).string();
}

}  // namespace hadal
