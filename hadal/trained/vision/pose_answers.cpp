#include "hadal/trained/vision/pose_answers.h"

#include <algorithm>

#include "hadal/io/csv.h"
#include "hadal/io/image.h"

namespace hadal {

std::string deeplabcut_head(const SceneAbout& about, int64_t animals) {
  std::string scorer = "scorer", individuals = "individuals", parts = "bodyparts", coords = "coords";
  for (int64_t animal = 1; animal <= animals; ++animal)
    for (const auto& name : about.keypoints)
      for (const auto* axis : {"x", "y", "likelihood"}) {
        scorer += ",hadal";
        individuals += fmt::format(",individual{}", animal);
        parts += "," + csv_field(name);
        coords += fmt::format(",{}", axis);
      }
  return scorer + "\n" + (animals > 1 ? individuals + "\n" : "") + parts + "\n" + coords + "\n";
}

std::string deeplabcut_row(int64_t frame, const std::vector<Detection>& detections, int64_t keypoints, int64_t animals,
                           const std::vector<int64_t>& columns) {
  std::vector<const Detection*> places(static_cast<size_t>(animals), nullptr);
  for (size_t i = 0; i < detections.size(); ++i) {
    const auto place =
        columns.empty()
            ? i
            : static_cast<size_t>(std::find(columns.begin(), columns.end(), detections[i].id) - columns.begin());
    if (place < places.size()) places[place] = &detections[i];
  }
  auto out = fmt::format("{}", frame);
  for (const auto* animal : places) {
    if (!animal) {
      out.append(static_cast<size_t>(3 * keypoints), ',');
      continue;
    }
    const auto points = animal->keypoints.to(torch::kFloat32).contiguous();
    const auto* p = points.const_data_ptr<float>();
    for (int64_t k = 0; k < keypoints; ++k, p += 3) out += fmt::format(",{:.2f},{:.2f},{:.4f}", p[0], p[1], p[2]);
  }
  return out + "\n";
}

int64_t deeplabcut_animals(const PoseOptions& options) {
  return options.most > 0 ? options.most : options.detector.empty() ? 1 : 0;
}

std::vector<Attachment> pose_files(const Input& input, const Tensor& image, const std::vector<Detection>& detections,
                                   const SceneAbout& about, const PoseOptions& options,
                                   const std::vector<int64_t>& columns) {
  const auto sure = options.sure;
  auto files = detection_files(input, image, detections, about, options.save);
  for (auto& file : files) {
    if (file.ending != ".png") continue;
    file.picture = [=] { return draw_detections(image, detections, about, sure); };
    file.bytes = [picture = file.picture] { return encode_png(picture()); };
  }
  const auto animals = deeplabcut_animals(options);
  if (input.frame < 0 || animals == 0) return files;
  std::erase_if(files, [](const Attachment& file) { return file.ending == "points.csv"; });
  const auto frame = input.frame, keypoints = std::ssize(about.keypoints);
  files.push_back({.ending = "-points.csv",
                   .bytes = [=] { return deeplabcut_row(frame, detections, keypoints, animals, columns); },
                   .joint = true,
                   .head = deeplabcut_head(about, animals),
                   .of_video = true});
  return files;
}

}  // namespace hadal
