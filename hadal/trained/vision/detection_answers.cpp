#include "hadal/trained/vision/detection_answers.h"

#include <algorithm>
#include <cctype>

#include "hadal/data/vision/scenes/scene_draw.h"
#include "hadal/io/csv.h"
#include "hadal/io/image.h"
#include "hadal/ops/rle.h"

namespace hadal {
namespace {

using Json = nlohmann::ordered_json;

Json mask_json(const Tensor& mask) {
  const auto rle = rle_encode(mask);
  return {{"size", {rle.height, rle.width}}, {"counts", rle_to_string(rle)}};
}

Json points_json(const Tensor& keypoints) {
  auto json = Json::array();
  const auto points = keypoints.to(torch::kFloat32).contiguous();
  const auto* at = points.const_data_ptr<float>();
  for (int64_t k = 0; k < points.size(0); ++k, at += 3) json.push_back({at[0], at[1], at[2]});
  return json;
}

}  // namespace

Json detections_json(const std::vector<Detection>& detections) {
  auto out = Json::array();
  for (const auto& d : detections) {
    Json json = {{"class", d.name}, {"score", d.score}, {"box", d.box}};
    if (d.id >= 0) json["id"] = d.id;
    if (d.mask.defined()) json["mask"] = mask_json(d.mask);
    if (d.keypoints.defined()) json["keypoints"] = points_json(d.keypoints);
    out.push_back(std::move(json));
  }
  return out;
}

std::string yolo_labels(const std::vector<Detection>& detections, ImageSize size) {
  const auto w = static_cast<double>(size.width), h = static_cast<double>(size.height);
  std::string out;
  for (const auto& d : detections) {
    const auto& b = d.box;
    const auto box = fmt::format(" {:.6g} {:.6g} {:.6g} {:.6g}", (b[0] + b[2]) / 2 / w, (b[1] + b[3]) / 2 / h,
                                 (b[2] - b[0]) / w, (b[3] - b[1]) / h);
    std::vector<double> outline;
    if (d.mask.defined())
      for (auto& piece : rle_to_polygons(rle_encode(d.mask)))
        if (piece.size() > outline.size()) outline = std::move(piece);  // a line holds one
    out += fmt::format("{}", d.label);
    if (outline.size() >= 6) {
      for (size_t i = 0; i + 1 < outline.size(); i += 2)
        out += fmt::format(" {:.6g} {:.6g}", outline[i] / w, outline[i + 1] / h);
    } else {
      out += box;
    }
    if (d.keypoints.defined())
      for (int64_t k = 0; k < d.keypoints.size(0); ++k)
        out += fmt::format(" {:.6g} {:.6g} {}", d.keypoints[k][0].item<double>() / w,
                           d.keypoints[k][1].item<double>() / h, d.keypoints[k][2].item<double>() >= 0.5 ? 2 : 0);
    out += '\n';
  }
  return out;
}

std::string coco_results(const std::string& name, const std::vector<Detection>& detections, const SceneAbout& about) {
  const auto stem = std::filesystem::path(name).stem().string();
  const bool number = !stem.empty() && stem.size() < 18 &&
                      std::all_of(stem.begin(), stem.end(), [](unsigned char c) { return std::isdigit(c); });
  std::string out;
  for (const auto& d : detections) {
    const auto& b = d.box;
    Json json;
    if (number)
      json["image_id"] = std::stoll(stem);
    else
      json["image_id"] = stem;
    const auto label = static_cast<size_t>(d.label);
    json["category_id"] = label < about.categories.size() ? about.categories[label] : d.label + 1;
    json["file_name"] = std::filesystem::path(name).filename().string();
    json["bbox"] = {b[0], b[1], b[2] - b[0], b[3] - b[1]};
    json["score"] = d.score;
    if (d.mask.defined()) json["segmentation"] = mask_json(d.mask);
    if (d.keypoints.defined()) {
      auto flat = Json::array();
      for (const auto& point : points_json(d.keypoints))
        for (const auto& value : point) flat.push_back(value);
      json["keypoints"] = std::move(flat);
    }
    out += (out.empty() ? "" : ",\n") + json.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  return out;
}

Tensor draw_detections(const Tensor& image, const std::vector<Detection>& detections, const SceneAbout& about,
                       double sure) {
  const auto count = std::ssize(detections);
  Scene scene{.image = image,
              .boxes = torch::zeros({count, 4}),
              .labels = torch::zeros({count}, torch::kInt64),
              .masks = {},
              .keypoints = {}};
  std::vector<Tensor> masks, points;
  std::vector<std::string> captions;
  for (int64_t i = 0; i < count; ++i) {
    const auto& d = detections[static_cast<size_t>(i)];
    for (int64_t k = 0; k < 4; ++k) scene.boxes[i][k] = d.box[static_cast<size_t>(k)];
    scene.labels[i] = d.label;
    if (d.mask.defined()) masks.push_back(d.mask);
    if (d.keypoints.defined()) {
      auto shown = d.keypoints.clone();
      shown.select(1, 2).copy_(shown.select(1, 2).ge(sure).to(torch::kFloat32) * 2);
      points.push_back(shown);
    }
    std::string caption = about.classes.size() == 1 ? "" : d.name + " ";  // the only class needs no name
    if (d.id >= 0) caption += fmt::format("#{} ", d.id);
    captions.push_back(caption + fmt::format("{:.0f} %", d.score * 100));
  }
  if (!masks.empty()) scene.masks = torch::stack(masks);
  if (!points.empty()) scene.keypoints = torch::stack(points);
  return drawn(scene, about, captions);
}

std::string points_table_head(const SceneAbout& about) {
  std::string out = "input,frame,time,id,class";
  for (const auto& name : about.keypoints)
    for (const auto* what : {"_x", "_y", "_score"}) out += "," + csv_field(name + what);
  return out + "\n";
}

std::string points_table(const Input& input, const std::vector<Detection>& detections) {
  std::string out;
  for (const auto& d : detections) {
    if (!d.keypoints.defined()) continue;
    out += fmt::format("{},{},{:.6g},{},{}", csv_field(input.name), input.frame, input.time,
                       d.id >= 0 ? fmt::format("{}", d.id) : "", csv_field(d.name));
    const auto points = d.keypoints.to(torch::kFloat32).contiguous();
    const auto* at = points.const_data_ptr<float>();
    for (int64_t k = 0; k < points.size(0); ++k, at += 3)
      out += fmt::format(",{:.2f},{:.2f},{:.4f}", at[0], at[1], at[2]);
    out += '\n';
  }
  return out;
}

std::vector<Attachment> detection_files(const Input& input, const Tensor& image,
                                        const std::vector<Detection>& detections, const SceneAbout& about,
                                        const std::vector<std::string>& save) {
  const auto wants = [&](const char* what) { return std::find(save.begin(), save.end(), what) != save.end(); };
  std::vector<Attachment> files;
  if (wants("png")) {
    const auto picture = [=] { return draw_detections(image, detections, about); };
    files.push_back({".png", [=] { return encode_png(picture()); }, false, {}, picture});
  }
  if (wants("txt")) files.push_back({".txt", [=] { return yolo_labels(detections, {image.size(0), image.size(1)}); }});
  const auto frame = input.frame < 0 ? std::string() : fmt::format("-{}", input.frame);
  const auto path = std::filesystem::path(input.name);
  const auto name = path.stem().string() + frame + path.extension().string();
  if (wants("coco") && !detections.empty())
    files.push_back({"coco.json", [=] { return coco_results(name, detections, about); }, true});
  if (input.frame >= 0 && !about.keypoints.empty()) {
    const Input of{.name = input.name, .frame = input.frame, .time = input.time};
    files.push_back({"points.csv", [=] { return points_table(of, detections); }, true, points_table_head(about)});
  }
  return files;
}

}  // namespace hadal
