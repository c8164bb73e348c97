#include "hadal/tasks/vision/classify_predict.h"

#include <algorithm>

#include "hadal/data/vision/image_folder.h"
#include "hadal/io/archive.h"
#include "hadal/io/draw.h"
#include "hadal/io/image.h"
#include "hadal/tasks/predictions.h"

namespace hadal {

namespace fs = std::filesystem;

namespace {

/// (images, classes), on the CPU.
Tensor probabilities_of(const TrainedClassifier& classifier, const std::vector<Tensor>& images) {
  const auto count = static_cast<int64_t>(images.size()), side = classifier.transform.size();
  auto pixels = torch::empty({count, classifier.channels, side, side});
  Random random(0);
  for (int64_t i = 0; i < count; ++i)
    classifier.transform(images[i], random, pixels.mutable_data_ptr<float>() + i * classifier.channels * side * side);
  return classifier.model.forward(pixels.to(classifier.device)).to(torch::kFloat32).softmax(1).cpu();
}

}  // namespace

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
      if (is_picture(tree, i)) found.push_back(tree.name(i));
    if (found.size() == before) fail("{} holds no picture (jpg, png, webp, bmp)", input);
  }
  return found;
}

int64_t predict_classes(const TrainedClassifier& classifier, const PredictOptions& options,
                        const std::function<void(const std::string&)>& line) {
  torch::NoGradGuard no_grad;
  auto paths = find_pictures(options.inputs);
  if (options.limit > 0 && static_cast<int64_t>(paths.size()) > options.limit) paths.resize(options.limit);
  Predictions predictions(options, line);
  for (size_t begin = 0; begin < paths.size(); begin += classifier.batch) {
    const auto end = std::min(paths.size(), begin + classifier.batch);
    std::vector<Tensor> images;
    std::vector<std::string> reasons(end - begin);  // why a picture is not among them
    for (auto i = begin; i < end; ++i) try {
        images.push_back(read_image(paths[i], {.channels = classifier.channels}));
      } catch (const Error& error) {
        reasons[i - begin] = error.what();
      }
    const auto probabilities = images.empty() ? Tensor() : probabilities_of(classifier, images);
    int64_t row = 0;
    for (auto i = begin; i < end; ++i) {
      if (!reasons[i - begin].empty()) {
        predictions.fail(paths[i], reasons[i - begin]);
        continue;
      }
      const auto& own = probabilities[row];
      predictions.add({{"input", paths[i]}, {"top", top_classes(own, classifier.names, options.top)}});
      if (options.pictures) {
        const auto said = own.argmax().item<int64_t>();
        const auto caption = fmt::format("{} {:.0f} %", classifier.names.at(said), own[said].item<double>() * 100);
        const auto name = fmt::format("{:04}-{}.png", i, fs::path(paths[i]).stem().string());
        write_image(options.out / "pictures" / name, with_caption(images[row], caption, class_colour(said)));
      }
      ++row;
    }
  }
  return predictions.finish(paths.size(), "pictures could not be read");
}

}  // namespace hadal
