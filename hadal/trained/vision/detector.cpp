#include "hadal/trained/vision/detector.h"

#include <algorithm>

#include "hadal/data/vision/coco_json.h"
#include "hadal/data/vision/scenes/keypoints.h"
#include "hadal/data/vision/scenes/tiles.h"
#include "hadal/io/image.h"
#include "hadal/ops/instance_masks.h"
#include "hadal/trained/summary.h"
#include "hadal/trained/vision/detection_answers.h"

namespace hadal {
namespace {

const std::vector<std::string> kPeople = {"person"};  // the classes of published weights that have COCO's keypoints
constexpr double kFaint = 0.1;  // the least score that may still be an object which was seen before

/// A whole-number setting of the model, given or its preset's; nothing where it has none of that name.
const Field* setting_of(const Part& model, const char* key) { return detectors().at(model.name).schema.find(key); }

void settle_number(Part& model, const char* key, int64_t value, const char* what) {
  if (value <= 0 || !setting_of(model, key)) return;
  const auto* given = model.settings.find(key);
  if (!given) return model.settings.set(key, value);
  const auto said = read_integer(*given, std::string("model.") + key, {});
  require(said == value, "model.{} is {} and there are {} {}", key, said, value, what);
}

/// Bringing back, joining, scoring and drawing are the CPU's.
Found on_cpu(Found found) {
  for (auto* part : {&found.boxes, &found.labels, &found.scores, &found.masks, &found.keypoints})
    if (part->defined()) *part = part->cpu();
  return found;
}

}  // namespace

Fields<DetectOptions> DetectOptions::fields() {
  using C = DetectOptions;
  return {
      {"conf", &C::conf, "least score of what is said to be there", between(0, 1)},
      {"iou", &C::iou, "boxes of one class that overlap by more are one (0: as the model's family has it)",
       between(0, 1)},
      {"most", &C::most, "objects a picture may have (0: as the model's family has it)", at_least(0)},
      {"size", &C::size, "side that pictures are brought to (0: that of training)", at_least(0)},
      {"tile", &C::tile, "look at large pictures in squares of this side (0: whole; -1: as in training)", at_least(-1)},
      {"overlap", &C::overlap, "share by which these overlap (-1: as in training)", from_below(-1, 1)},
      {"save", &C::save, "what is written: png (drawn), txt (YOLO's labels), coco (COCO's results)",
       one_of({"png", "txt", "coco", "none"})},
      {"track", &C::track, "follow objects through a video, or through pictures in order: each gets an id"}};
}

void DetectOptions::validate() const {
  require(overlap == -1 || overlap >= 0, "[predict] overlap ({}) must be from 0 to below 1, or -1: as in training",
          overlap);
}

Fields<DetectorConfig> DetectorConfig::fields() {
  using C = DetectorConfig;
  return {
      {"model", &C::model, "the network", detectors().kinds()},
      {"names", &C::names, "class names, in the order of the labels (default: the data's)"},
      {"size", &C::size, "side of the pictures that the network sees (0: that of its published weights)", at_least(0)},
      {"tile", &C::tile,
       "cut larger pictures into squares of this side, to learn from, to score and to predict (0: whole)", at_least(0)},
      {"overlap", &C::overlap, "share by which these overlap", from_below(0, 1)},
      {"predict", &C::predict, "what predict answers"}};
}

Fields<DetectorLearned> DetectorLearned::fields() {
  using C = DetectorLearned;
  return {{"names", &C::names, "what the model calls its classes"},
          {"categories", &C::categories, "the number of each class in COCO's files"},
          {"keypoints", &C::keypoints, "what it calls the keypoints of an object"},
          {"skeleton", &C::skeleton, "pairs of keypoints, from 0, with a line between them"},
          {"swap", &C::swap, "the keypoint that takes each one's place in the mirror"},
          {"sigmas", &C::sigmas, "how far apart people put each keypoint, as COCO measures it"}};
}

DetectorLearned DetectorLearned::from(const Table& learned) {
  DetectorLearned out;
  read_config(out, learned, "learned");
  return out;
}

DetectorLearned DetectorLearned::of(const SceneAbout& about) {
  DetectorLearned out{.names = about.classes,
                      .categories = about.categories,
                      .keypoints = about.keypoints,
                      .swap = about.swap,
                      .sigmas = about.sigmas};
  for (const auto& [from, to] : about.skeleton) out.skeleton.push_back({from, to});
  return out;
}

SceneAbout DetectorLearned::about() const {
  SceneAbout out{.classes = names, .categories = categories, .keypoints = keypoints, .swap = swap, .sigmas = sigmas};
  for (const auto& bone : skeleton)
    if (bone.size() == 2) out.skeleton.push_back({bone[0], bone[1]});
  return out;
}

TrainedDetector::TrainedDetector(DetectorConfig config, const Table& learned, const Use& use)
    : config_(std::move(config)), use_(use), about_(DetectorLearned::from(learned).about()) {
  auto& model = config_.model;
  if (!config_.names.empty()) about_.classes = config_.names;
  settle_number(model, "classes", std::ssize(about_.classes), "class names");
  // A model with keypoints has those of the data; one without is not given any.
  const auto* points = model.settings.find("keypoints");
  if (!points) points = detectors().at(model.name).schema.defaults().find("keypoints");
  if (points && read_integer(*points, "model.keypoints", {}) > 0)
    settle_number(model, "keypoints", std::ssize(about_.keypoints), "keypoints");
  model = detectors().resolve(model);
  torch::manual_seed(use_.seed);
  model_ = detectors().make(model);
  const auto* classes = model.settings.find("classes");
  for (auto label = std::ssize(about_.classes); classes && label < read_integer(*classes, "model.classes", {}); ++label)
    about_.classes.push_back(fmt::format("{}", label));
  if (about_.categories.empty()) about_.categories = coco_numbers(about_.classes);
  if (model_->keypoints() == 0) about_.keypoints.clear(), about_.skeleton.clear();
  const auto& people = people_keypoints();
  if (about_.keypoints.empty() && model_->keypoints() == std::ssize(people) && about_.classes == kPeople) {
    about_.keypoints = people, about_.swap = mirrored_keypoints(people), about_.sigmas = known_sigmas(people);
    for (const auto& [from, to] : people_skeleton()) about_.skeleton.push_back({from, to});
  }
  for (auto k = std::ssize(about_.keypoints); k < model_->keypoints(); ++k)
    about_.keypoints.push_back(fmt::format("{}", k));
  about_.masks = model_->has_masks();
  config_.names = about_.classes;
  if (use_.weights) load_into(*model_, *use_.weights, use_.learns);
  model_->to(use_.device);
  if (use_.channels_last)
    for (auto& parameter : model_->parameters())
      if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
  preparation_ = model_->preparation();
  if (config_.size == 0) config_.size = preparation_.size;
  config_.predict.validate();
  cut_as_trained({});
  cut_as_trained(config_.predict);
}

std::string TrainedDetector::summary() const {
  auto text = fmt::format("{}, {} class{}", model_summary(config_.model.name, *model_), about_.classes.size(),
                          about_.classes.size() == 1 ? "" : "es");
  if (model_->has_masks()) text += ", masks";
  if (model_->keypoints() > 0) text += fmt::format(", {} keypoints", model_->keypoints());
  text += fmt::format(", pictures of {}", config_.size);
  return config_.tile > 0 ? text + fmt::format(", in tiles of {}", config_.tile) : text;
}

Tensor TrainedDetector::laid_out(Tensor pixels) const {
  return use_.channels_last ? pixels.contiguous(at::MemoryFormat::ChannelsLast) : pixels;
}

std::vector<Found> TrainedDetector::find(const Tensor& pixels, const Tensor& sizes, std::span<const Placement> placed,
                                         const FindOptions& options) {
  const Using guard(*model_, use_);
  auto found = model_->find(laid_out(pixels).to(use_.device), sizes, options);
  const ImageSize input{pixels.size(2), pixels.size(3)};
  for (size_t i = 0; i < found.size(); ++i) found[i] = brought_back(on_cpu(found[i]), placed[i], input);
  return found;
}

FindOptions TrainedDetector::settled(const DetectOptions& options) const {
  auto how = model_->usual();
  how.conf = options.conf;
  if (options.iou > 0) how.iou = options.iou;
  if (options.most > 0) how.most = options.most;
  return how;
}

DetectOptions TrainedDetector::cut_as_trained(DetectOptions options) const {
  if (options.tile < 0) options.tile = config_.tile;
  if (options.overlap < 0) options.overlap = config_.overlap;
  require(options.tile == 0 || options.tile >= preparation_.stride,
          "tile ({}) is smaller than the model's stride ({}); tile=0 looks at whole pictures", options.tile,
          preparation_.stride);
  return options;
}

Found TrainedDetector::find_in_tiles(const Tensor& image, const DetectOptions& options, const FindOptions& how) {
  const auto tiles = tiles_of(size_of(image), options.tile, options.overlap);
  std::vector<Tensor> cuts;
  for (const auto& tile : tiles) cuts.push_back(crop(image, tile));
  auto whole = options;
  whole.tile = 0;
  std::vector<Found> found;
  for (size_t begin = 0; begin < cuts.size(); begin += static_cast<size_t>(use_.batch)) {
    const auto count = std::min(cuts.size() - begin, static_cast<size_t>(use_.batch));
    for (auto& one : find(std::span(cuts).subspan(begin, count), whole, how)) found.push_back(std::move(one));
  }
  return merged_tiles(found, tiles, how.iou, how.most);
}

std::vector<Found> TrainedDetector::find(std::span<const Tensor> images, const DetectOptions& given,
                                         const FindOptions& how) {
  std::vector<Found> out;
  const auto options = cut_as_trained(given);
  const auto side = options.size > 0 ? options.size : config_.size;
  std::vector<Tensor> pictures;
  std::vector<Placement> placed;
  std::vector<int64_t> sizes;
  const auto flush = [&] {
    if (pictures.empty()) return;
    const auto size = torch::tensor(sizes, torch::kInt64).reshape({-1, 2});
    for (auto& one : find(stacked(pictures, preparation_), size, placed, how)) out.push_back(std::move(one));
    pictures.clear(), placed.clear(), sizes.clear();
  };
  for (const auto& image : images) {
    if (options.tile > 0) {
      flush();
      out.push_back(find_in_tiles(image, options, how));
      continue;
    }
    auto prepared = prepare(to_channels(image, 3), preparation_, side);
    // A picture's answer does not depend on its neighbours: only equal sizes share a batch.
    if (!pictures.empty() && pictures[0].sizes() != prepared.image.sizes()) flush();
    pictures.push_back(prepared.image);
    placed.push_back(prepared.placement);
    sizes.insert(sizes.end(), {prepared.size.height, prepared.size.width});
  }
  flush();
  return out;
}

Tensor pasted_masks(const Found& found, ImageSize size) {
  if (!found.masks.defined()) return {};
  const auto pasted = paste_masks(found.masks, found.boxes, size.height, size.width).gt(0.5);
  if (found.masks_are == Found::Masks::within_box) {
    const auto within = [&](int64_t axis, int64_t side) {
      const auto at = torch::arange(side, torch::kFloat32);
      return at.ge(found.boxes.select(1, axis).unsqueeze(1)) & at.lt(found.boxes.select(1, axis + 2).unsqueeze(1));
    };
    pasted.logical_and_(within(0, size.width).unsqueeze(1)).logical_and_(within(1, size.height).unsqueeze(2));
  }
  return pasted.to(torch::kUInt8);
}

std::vector<Detection> TrainedDetector::detections(const Found& found, ImageSize size) const {
  std::vector<Detection> out;
  const auto masks = pasted_masks(found, size);
  const auto boxes = found.boxes.cpu().contiguous(), scores = found.scores.cpu(), labels = found.labels.cpu();
  for (int64_t i = 0; i < boxes.size(0); ++i) {
    const auto* box = boxes.const_data_ptr<float>() + 4 * i;
    const auto label = labels[i].item<int64_t>();
    out.push_back({about_.classes.at(static_cast<size_t>(label)),
                   label,
                   scores[i].item<double>(),
                   {box[0], box[1], box[2], box[3]},
                   masks.defined() ? masks[i] : Tensor(),
                   found.keypoints.defined() ? found.keypoints[i].cpu() : Tensor()});
  }
  return out;
}

std::vector<Detection> TrainedDetector::operator()(const Tensor& image) {
  return detections(find({&image, 1}, config_.predict).at(0), size_of(image));
}

std::vector<Detection> TrainedDetector::tracked(const Found& found, const Input& input, ImageSize size,
                                                const DetectOptions& options) {
  if (!tracker_ || input.frame == 0)
    tracker_.emplace(TrackOptions{.high = options.conf, .low = std::min(options.conf, kFaint), .fresh = options.conf});
  const auto ids = tracker_->update(found.boxes, found.scores);
  auto all = detections(found, size);
  for (size_t i = 0; i < all.size(); ++i) all[i].id = ids[i];
  std::erase_if(all, [](const Detection& d) { return d.id < 0; });
  return all;
}

std::vector<Answer> TrainedDetector::predict(std::span<const Input> inputs, const Table& given) {
  const auto options = options_over(config_.predict, given, "predict");
  if (inputs.empty()) tracker_.reset();  // what comes next has nothing to do with what came before
  std::vector<Answer> answers(inputs.size());
  std::vector<Tensor> images;
  for (size_t i = 0; i < inputs.size(); ++i) try {
      const auto& input = inputs[i];
      images.push_back(input.image.defined() ? to_channels(input.image, 3) : decode_image(input.bytes, input.name));
    } catch (const Error& error) {
      answers[i].error = error.what();
    }
  auto wanted = options;
  if (options.track) wanted.conf = std::min(options.conf, kFaint);
  const auto found = find(images, wanted);
  size_t next = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!answers[i].error.empty()) continue;
    const auto& image = images[next];
    const auto& here = found[next++];
    const auto all =
        options.track ? tracked(here, inputs[i], size_of(image), options) : detections(here, size_of(image));
    answers[i].json = {{"input", inputs[i].name}, {"detections", detections_json(all)}};
    answers[i].files = detection_files(inputs[i], image, all, about_, options.save);
  }
  return answers;
}

std::unique_ptr<TrainedDetector> load_detector(const std::filesystem::path& what, const UseOptions& options) {
  return load_as<TrainedDetector>("detect", what, options);
}

void register_trained_detector(TrainedCatalog& catalog) {
  catalog.add("detect", "pictures: what is in them and where", DetectorConfig{},
              [](const DetectorConfig& config, const Table& learned, const Use& use) {
                return std::make_unique<TrainedDetector>(config, learned, use);
              });
}

}  // namespace hadal
