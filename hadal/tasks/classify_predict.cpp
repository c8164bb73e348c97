#include "hadal/tasks/classify_predict.h"

#include <algorithm>
#include <fstream>

#include <nlohmann/json.hpp>

#include "hadal/data/image_folder.h"
#include "hadal/io/archive.h"
#include "hadal/io/draw.h"
#include "hadal/io/file.h"
#include "hadal/io/image.h"

namespace hadal {

namespace fs = std::filesystem;

std::vector<std::string> find_pictures(const std::vector<std::string>& inputs) {
  std::vector<std::string> found;
  for (const auto& input : inputs) {
    if (!fs::is_directory(input)) {
      found.push_back(input);
      continue;
    }
    const auto before = found.size();
    const FileTree tree(input);
    for (int64_t i = 0; i < tree.size(); ++i)
      if (looks_like_picture(tree.path(i))) found.push_back(tree.name(i));
    if (found.size() == before) fail("{} holds no picture (jpg, png, webp, bmp)", input);
  }
  return found;
}

int64_t predict_classes(const TrainedClassifier& classifier, const PredictOptions& options,
                        const std::function<void(const std::string&)>& line) {
  torch::NoGradGuard no_grad;
  auto paths = find_pictures(options.inputs);
  if (options.limit > 0 && static_cast<int64_t>(paths.size()) > options.limit) paths.resize(options.limit);
  fs::create_directories(options.out);
  const auto file = options.out / "predictions.jsonl";
  std::ofstream out(file);
  if (!out) throw FileError(file.string(), "cannot write");
  const auto write = [&](const nlohmann::ordered_json& json) {
    const auto text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    out << text << '\n';
    line(text);
  };
  const auto side = classifier.transform.size();
  const auto top = std::min<int64_t>(options.top, static_cast<int64_t>(classifier.names.size()));
  int64_t done = 0, failed = 0;
  std::string first_error;
  for (size_t begin = 0; begin < paths.size(); begin += classifier.batch) {
    const auto end = std::min(paths.size(), begin + classifier.batch);
    std::vector<Tensor> images;
    std::vector<size_t> places;                                // of `images` among `paths`
    std::vector<nlohmann::ordered_json> answers(end - begin);  // in the order of the inputs
    for (auto i = begin; i < end; ++i) try {
        images.push_back(read_image(paths[i], {.channels = classifier.channels}));
        places.push_back(i);
      } catch (const Error& error) {
        if (failed++ == 0) first_error = error.what();
        answers[i - begin] = {{"input", paths[i]}, {"error", error.what()}};
      }
    const auto count = static_cast<int64_t>(images.size());
    if (count == 0) {
      for (const auto& answer : answers) write(answer);
      continue;
    }
    auto pixels = torch::empty({count, classifier.channels, side, side});
    Random random(0);
    for (int64_t i = 0; i < count; ++i)
      classifier.transform(images[i], random, pixels.mutable_data_ptr<float>() + i * classifier.channels * side * side);
    const auto scores = classifier.model.forward(pixels.to(classifier.device)).to(torch::kFloat32).softmax(1).cpu();
    const auto [values, classes] = scores.topk(top, 1);
    for (int64_t i = 0; i < count; ++i) {
      const auto& path = paths[places[i]];
      auto& json = answers[places[i] - begin];
      json = {{"input", path}, {"top", nlohmann::ordered_json::array()}};
      for (int64_t k = 0; k < top; ++k)
        json["top"].push_back(
            {{"class", classifier.names.at(classes[i][k].item<int64_t>())}, {"score", values[i][k].item<double>()}});
      ++done;
      if (!options.pictures) continue;
      const auto caption = fmt::format("{} {:.0f} %", classifier.names.at(classes[i][0].item<int64_t>()),
                                       values[i][0].item<double>() * 100);
      const auto name = fmt::format("{:04}-{}.png", places[i], fs::path(path).stem().string());
      write_image(options.out / "pictures" / name,
                  with_caption(images[i], caption, class_colour(classes[i][0].item<int64_t>())));
    }
    for (const auto& answer : answers) write(answer);
  }
  out.flush();
  if (!out) throw FileError(file.string(), "cannot write");
  if (paths.size() == 1 && failed == 1) throw Error(first_error);
  if (failed > 0)
    fail("{} of {} pictures could not be read, the first: {}; the other {} are in {}", failed, paths.size(),
         first_error, done, file.string());
  return done;
}

}  // namespace hadal
