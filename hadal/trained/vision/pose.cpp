#include "hadal/trained/vision/pose.h"

#include <algorithm>

#include "hadal/io/image.h"
#include "hadal/metrics/keypoints.h"
#include "hadal/models/pose/heatmaps.h"
#include "hadal/trained/summary.h"
#include "hadal/trained/vision/pose_answers.h"

namespace hadal {
namespace {

constexpr double kFaintPose = 0.1;  // the least score that may still be an object which was seen before

/// The model's keypoints are the data's: its setting follows them, or must be the same.
void settle_keypoints(Part& model, int64_t keypoints) {
  if (keypoints <= 0) return;
  const auto* given = model.settings.find("keypoints");
  if (!given) return model.settings.set("keypoints", keypoints);
  const auto said = read_integer(*given, "model.keypoints", {});
  require(said == keypoints, "model.keypoints is {} and there are {} keypoints", said, keypoints);
}

Window window_of(const Detection& d) { return {d.box[0], d.box[1], d.box[2], d.box[3]}; }

}  // namespace

Fields<PoseOptions> PoseOptions::fields() {
  using C = PoseOptions;
  return {{"detector", &C::detector,
           "a detector's run or weights, whose boxes are looked into (default: the whole picture)", file_path()},
          {"conf", &C::conf, "least score of the detector's boxes", between(0, 1)},
          {"most", &C::most, "objects a picture may have (0: all that the detector finds)", at_least(0)},
          {"sure", &C::sure, "least score of a keypoint that is drawn", between(0, 1)},
          {"decode", &C::decode, "how heat maps become coordinates (auto: as the model's family has it)",
           one_of({"auto", "plain", "quarter", "dark"})},
          {"flip_test", &C::flip_test, "look at each object in the mirror too: better, at twice the time"},
          {"track", &C::track, "follow the detector's objects through a video: each gets an id"},
          {"save", &C::save, "what is written: png (drawn), txt (YOLO's labels), coco (COCO's results)",
           one_of({"png", "txt", "coco", "none"})}};
}

Fields<TrainedPoseConfig> TrainedPoseConfig::fields() {
  using C = TrainedPoseConfig;
  return {{"model", &C::model, "the network", heatmap_models().kinds()},
          {"names", &C::names, "what objects are called (default: the data's)"},
          {"padding", &C::padding, "how much boxes are enlarged (0: as the model's family does, 1.25)",
           at_least(0).changes(Limit::Change::always)},
          {"predict", &C::predict, "what predict answers"}};
}

TrainedPose::TrainedPose(TrainedPoseConfig config, const Table& learned, const Use& use)
    : config_(std::move(config)), use_(use), about_(DetectorLearned::from(learned).about()) {
  if (!config_.names.empty()) about_.classes = config_.names;
  if (about_.classes.empty()) about_.classes = {"object"};
  config_.names = about_.classes;
  settle_keypoints(config_.model, std::ssize(about_.keypoints));
  config_.model = heatmap_models().resolve(config_.model);
  torch::manual_seed(use_.seed);
  model_ = heatmap_models().make(config_.model);
  for (auto k = std::ssize(about_.keypoints); k < model_->keypoints(); ++k)
    about_.keypoints.push_back(fmt::format("{}", k));
  if (use_.weights) load_into(*model_, *use_.weights, use_.learns);
  model_->to(use_.device);
  if (use_.channels_last)
    for (auto& parameter : model_->parameters())
      if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
  preparation_ = model_->preparation();
  if (config_.padding > 0) preparation_.padding = config_.padding;
}

std::string TrainedPose::summary() const {
  return fmt::format("{}, {} keypoints, crops of {} x {}", model_summary(config_.model.name, *model_),
                     model_->keypoints(), preparation_.height, preparation_.width);
}

Tensor TrainedPose::laid_out(Tensor pixels) const {
  return use_.channels_last ? pixels.contiguous(at::MemoryFormat::ChannelsLast) : pixels;
}

Tensor TrainedPose::maps(const Tensor& pixels, bool flip_test) {
  const Using guard(*model_, use_);
  const auto given = laid_out(pixels).to(use_.device);
  auto out = model_->forward(given).to(torch::kFloat32);
  if (!flip_test) return out;
  const auto mirrored = model_->forward(laid_out(given.flip(3))).to(torch::kFloat32);
  return (out + mirrored_back(mirrored, about_.swap, preparation_.unbiased)) / 2;
}

std::vector<Tensor> TrainedPose::find(std::span<const Tensor> images, const std::vector<std::vector<PosedBox>>& boxes,
                                      const PoseOptions& options) {
  const auto decoding = options.decode == "auto" ? preparation_.decoding : heatmap_decoding(options.decode);
  std::vector<Tensor> crops, points, out;
  std::vector<Homography> ways;
  const auto flush = [&] {
    if (crops.empty()) return;
    const auto found = decoded(maps(pose_pixels(crops, preparation_), options.flip_test), decoding);
    for (size_t i = 0; i < ways.size(); ++i)
      points.push_back(moved_points(found[static_cast<int64_t>(i)], inverted(ways[i])));
    crops.clear(), ways.clear();
  };
  for (size_t i = 0; i < images.size(); ++i) {
    const auto picture = to_channels(images[i], 3);
    for (const auto& [box, padding] : boxes.at(i)) {
      const auto forward = into_input(box, preparation_, padding > 0 ? padding : preparation_.padding);
      crops.push_back(pose_crop(picture, forward, preparation_));
      ways.push_back(followed_by(forward, into_maps(preparation_)));
      if (std::ssize(crops) >= use_.batch) flush();
    }
  }
  flush();
  size_t next = 0;
  for (const auto& of : boxes) {
    const std::vector<Tensor> own(points.begin() + static_cast<int64_t>(next),
                                  points.begin() + static_cast<int64_t>(next + of.size()));
    next += of.size();
    out.push_back(own.empty() ? torch::zeros({0, model_->keypoints(), 3}) : torch::stack(own));
  }
  return out;
}

Tensor TrainedPose::find(const Tensor& image, std::span<const PosedBox> boxes, const PoseOptions& options) {
  return find({&image, 1}, {std::vector<PosedBox>(boxes.begin(), boxes.end())}, options).at(0);
}

TrainedDetector& TrainedPose::detector(const std::string& path) {
  if (!detector_ || detector_path_ != path) {
    detector_ = load_detector(path, {use_.device.str(), use_.precision, use_.batch});
    detector_path_ = path;
  }
  return *detector_;
}

std::vector<std::vector<Detection>> TrainedPose::objects(std::span<const Tensor> images, std::span<const Input> inputs,
                                                         const PoseOptions& options,
                                                         std::vector<std::vector<int64_t>>& columns) {
  std::vector<std::vector<Detection>> out;
  columns.resize(images.size());
  if (options.detector.empty()) {
    for (const auto& image : images)
      out.push_back({{.name = about_.classes[0],
                      .score = 1,
                      .box = {0, 0, static_cast<float>(image.size(1)), static_cast<float>(image.size(0))}}});
    return out;
  }
  auto& finder = detector(options.detector);
  auto how = finder.config().predict;
  how.conf = options.track ? std::min(options.conf, kFaintPose) : options.conf;
  const auto found = finder.find(images, how);
  // A detector of many things: only what the pose model knows is looked into, where both call it alike.
  const auto& known = about_.classes;
  const auto is_known = [&](const std::string& name) {
    return std::find(known.begin(), known.end(), name) != known.end();
  };
  const auto& theirs = finder.about().classes;
  const bool shared = std::any_of(theirs.begin(), theirs.end(), is_known);
  for (size_t i = 0; i < images.size(); ++i) {
    auto all = finder.detections(found[i], size_of(images[i]));
    if (options.track) {
      if (!tracker_ || inputs[i].frame == 0) {
        tracker_.emplace(TrackOptions{.high = options.conf, .low = kFaintPose, .fresh = options.conf});
        columns_.emplace(deeplabcut_animals(options));
      }
      const auto ids = tracker_->update(found[i].boxes, found[i].scores);
      for (size_t d = 0; d < all.size(); ++d) all[d].id = ids[d];
      std::erase_if(all, [](const Detection& d) { return d.id < 0; });
    }
    std::erase_if(all, [&](const Detection& d) {
      return (shared && !is_known(d.name)) || !(d.box[2] > d.box[0] && d.box[3] > d.box[1]);
    });
    if (options.track && options.most > 0) {
      std::vector<int64_t> ids;
      for (const auto& d : all) ids.push_back(d.id);
      auto& own = columns[i] = columns_->update(ids);
      std::erase_if(all, [&](const Detection& d) { return std::find(own.begin(), own.end(), d.id) == own.end(); });
    }
    if (options.most > 0 && std::ssize(all) > options.most) all.resize(static_cast<size_t>(options.most));
    out.push_back(std::move(all));
  }
  return out;
}

std::vector<std::vector<Detection>> TrainedPose::posed(std::span<const Tensor> images,
                                                       std::vector<std::vector<Detection>> objects,
                                                       const PoseOptions& options) {
  std::vector<std::vector<PosedBox>> boxes;
  for (const auto& of : objects) {
    auto& own = boxes.emplace_back();
    for (const auto& d : of) own.push_back({window_of(d), options.detector.empty() ? 1.0 : 0.0});
  }
  const auto points = find(images, boxes, options);
  for (size_t i = 0; i < objects.size(); ++i)
    for (size_t d = 0; d < objects[i].size(); ++d) {
      auto& object = objects[i][d];
      object.keypoints = points[i][static_cast<int64_t>(d)];
      object.mask = Tensor();
      const auto numbers = object.keypoints.to(torch::kFloat64).contiguous();
      object.score =
          keypoint_score(object.score, {numbers.const_data_ptr<double>(), static_cast<size_t>(numbers.numel())});
    }
  return objects;
}

std::vector<std::vector<Detection>> TrainedPose::poses(std::span<const Tensor> images, const PoseOptions& options) {
  auto still = options;
  still.track = false;
  std::vector<Tensor> pictures;
  for (const auto& image : images) pictures.push_back(to_channels(image, 3));
  std::vector<std::vector<int64_t>> columns;
  return posed(pictures, objects(pictures, {}, still, columns), still);
}

std::vector<Detection> TrainedPose::operator()(const Tensor& image) {
  return poses({&image, 1}, config_.predict).at(0);
}

std::vector<Answer> TrainedPose::predict(std::span<const Input> inputs, const Table& given) {
  const auto options = options_over(config_.predict, given, "predict");
  require(!options.track || !options.detector.empty(),
          "predict.track follows a detector's objects: give detector=RUN or weights");
  if (inputs.empty()) tracker_.reset(), columns_.reset();  // what comes next has nothing to do with what came before
  std::vector<Answer> answers(inputs.size());
  std::vector<Tensor> images;
  std::vector<Input> readable;
  for (size_t i = 0; i < inputs.size(); ++i) try {
      const auto& input = inputs[i];
      images.push_back(input.image.defined() ? to_channels(input.image, 3)
                                             : to_channels(decode_image(input.bytes, input.name), 3));
      readable.push_back(input);
    } catch (const Error& error) {
      answers[i].error = error.what();
    }
  std::vector<std::vector<int64_t>> columns;
  const auto found = posed(images, objects(images, readable, options, columns), options);
  size_t next = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!answers[i].error.empty()) continue;
    const auto& image = images[next];
    const auto& all = found[next];
    answers[i].json = {{"input", inputs[i].name}, {"detections", detections_json(all)}};
    if (all.empty()) answers[i].json["note"] = "the detector found nobody";
    answers[i].files = pose_files(inputs[i], image, all, about_, options, columns[next++]);
  }
  return answers;
}

std::unique_ptr<TrainedPose> load_pose(const std::filesystem::path& what, const UseOptions& options) {
  return load_as<TrainedPose>("pose", what, options);
}

void register_trained_pose(TrainedCatalog& catalog) {
  catalog.add("pose", "pictures: the keypoints of the objects in them", TrainedPoseConfig{},
              [](const TrainedPoseConfig& config, const Table& learned, const Use& use) {
                return std::make_unique<TrainedPose>(config, learned, use);
              });
}

}  // namespace hadal
