#include "hadal/data/vision/scenes/sources.h"

#include "hadal/data/vision/scenes/file_scenes.h"
#include "hadal/data/vision/scenes/scene_view.h"
#include "hadal/data/vision/shapes.h"

namespace hadal {
namespace {

class ShapesScenes : public SceneData {
 public:
  ShapesScenes(const ShapesConfig& config, std::string split) : shapes_(config, split), split_(std::move(split)) {}
  static SceneAbout what() {
    SceneAbout about;
    about.classes = Shapes::classes();
    about.keypoints = Shapes::keypoints();
    about.skeleton = {{1, 0}, {0, 2}, {3, 0}, {0, 4}};
    about.swap = Shapes::keypoint_swap();
    about.masks = true;
    return about;
  }

  int64_t size() const override { return shapes_.size(); }
  Scene get(int64_t index, const SceneView& view) const override {
    auto scene = shapes_.get(index);
    if (!view.masks) scene.masks = Tensor();
    const auto count = scene.labels.size(0);
    scene.crowd = torch::zeros({count}, torch::kBool);
    return shrunk(scene, view.longest);
  }
  SceneTruth truth(int64_t index) const override {
    const auto scene = get(index, {});
    SceneTruth out{scene.image.size(1), scene.image.size(0), scene.boxes, scene.labels,
                   scene.keypoints,     scene.crowd,         {}};
    out.area = scene.masks.sum({1, 2}).to(torch::kFloat32);
    return out;
  }
  std::string name(int64_t index) const override { return fmt::format("shapes/{}[{}]", split_, index); }
  const SceneAbout& about() const override {
    static const auto about = what();
    return about;
  }

 private:
  Shapes shapes_;
  std::string split_;
};

SceneSource open_shapes(const ShapesConfig& config) {
  SceneSource source;
  source.kind = "shapes";
  source.splits = {"train"};
  if (config.val > 0) source.splits.emplace_back("val");
  if (config.test > 0) source.splits.emplace_back("test");
  source.about = ShapesScenes::what();
  source.open = [=](const std::string& split) { return std::make_shared<ShapesScenes>(config, split); };
  return source;
}

SceneSource open_files(SceneKind kind, const SceneFilesConfig& config) {
  SceneSource source;
  source.kind = name_of(kind);
  source.faults = std::make_shared<FaultLog>(/*strict=*/true);
  const auto files = std::make_shared<const SceneFiles>(read_scene_files(kind, config, *source.faults));
  for (const auto& split : files->splits) source.splits.push_back(split.name);
  source.divided = files->divided;
  source.about = files->about;
  source.files = files;
  source.open = [files, bytes = config.cache_mb << 20](const std::string& split) {
    return std::make_shared<FileScenes>(files, split, bytes);
  };
  return source;
}

}  // namespace

const SceneCatalog& scene_sources() {
  static const auto catalog = [] {
    SceneCatalog made("kind of data", "data");
    made.add("auto", "by what the path holds", SceneFilesConfig{},
             [](const SceneFilesConfig& config) { return open_files(find_scene_kind(config), config); });
    constexpr std::pair<SceneKind, const char*> kKinds[] = {
        {SceneKind::coco, "COCO's JSON: boxes, masks, keypoints"},
        {SceneKind::yolo, "YOLO's text files with data.yaml: boxes, polygons, keypoints"},
        {SceneKind::voc, "Pascal VOC's XML files: boxes"},
        {SceneKind::labelmask, "pictures of instance numbers beside the pictures: masks"},
        {SceneKind::deeplabcut, "a DeepLabCut project: keypoints"}};
    for (const auto& [kind, about] : kKinds)
      made.add(name_of(kind), about, SceneFilesConfig{},
               [kind = kind](const SceneFilesConfig& config) { return open_files(kind, config); });
    made.add("shapes", "shapes that Hadal draws itself: boxes, masks, keypoints", ShapesConfig{}, open_shapes);
    return made;
  }();
  return catalog;
}

}  // namespace hadal
