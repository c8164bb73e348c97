// The formats on real data sets.
#include "hadal/data/vision/scenes/sources.h"
#include "hadal/data/vision/scenes/tiles.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

SceneSource open(const std::string& path, Table settings = {}) {
  settings.set("path", path);
  return scene_sources().make({"auto", settings});
}

}  // namespace

TEST(RealScenes, BloodCellsAreVoc) {
  const auto path = test::data_folder() / "bccd";
  NEEDS_DATA(path);
  const auto source = open(path.string());
  EXPECT_EQ(source.kind, "voc");
  EXPECT_EQ(source.about.classes, (std::vector<std::string>{"Platelets", "RBC", "WBC"}));
  const auto train = source.open("train"), val = source.open("val");
  EXPECT_EQ(train->size(), 205);
  EXPECT_EQ(val->size(), 87);
  const auto counts = class_counts(*train) + class_counts(*val);
  // The two boxes of one point are left out.
  EXPECT_EQ(counts.sum().item<int64_t>(), 3350 + 292 + 301 - 2);
  const auto scene = train->get(0);
  EXPECT_EQ(scene.image.sizes(), (std::vector<int64_t>{480, 640, 3}));
  EXPECT_EQ(scene.boxes.size(0), train->truth(0).boxes.size(0));
}

TEST(RealScenes, PedestriansAndNucleiAreLabelPictures) {
  const auto path = test::data_folder() / "pennfudan";
  NEEDS_DATA(path);
  const auto source = open(path.string(), {{"names", List{"person"}}});
  EXPECT_EQ(source.kind, "labelmask");
  const auto train = source.open("train");
  EXPECT_EQ(train->size(), 115);
  EXPECT_EQ(source.open("val")->size(), 25);
  const auto scene = train->get(0);
  EXPECT_EQ(scene.masks.size(0), 2);
  EXPECT_EQ(scene.masks.sum({1, 2}).to(torch::kFloat32).sub(scene.area).abs().max().item<float>(), 0);
  const auto small = train->get(0, {.longest = 200});
  EXPECT_EQ(std::max(small.image.size(0), small.image.size(1)), 200);
  EXPECT_EQ(small.masks.size(1), small.image.size(0));
}

TEST(RealScenes, CocoHasMasksKeypointsAndIds) {
  const auto path = test::data_folder() / "coco-minis";
  NEEDS_DATA(path);
  const auto source = open((path / "test_coco.json").string());
  EXPECT_EQ(source.kind, "coco");
  EXPECT_FALSE(source.divided);
  EXPECT_EQ(source.about.classes, std::vector<std::string>{"person"});
  EXPECT_EQ(source.about.keypoints.size(), 17u);
  EXPECT_EQ(source.about.sigmas.size(), 17u);
  EXPECT_EQ(source.about.swap[1], 2);
  EXPECT_EQ(source.about.skeleton[0], (std::array<int64_t, 2>{15, 13}));
  EXPECT_TRUE(source.about.masks);
  const auto data = source.open("val");
  ASSERT_EQ(data->size(), 4);
  EXPECT_EQ(data->picture_id(0), 785);
  EXPECT_EQ(data->category_id(0), 1);
  const auto scene = data->get(0);
  EXPECT_EQ(scene.masks.sizes(), (std::vector<int64_t>{1, 425, 640}));
  EXPECT_NEAR(scene.masks.sum().item<double>(), scene.area[0].item<double>(), 0.01 * scene.area[0].item<double>());
  EXPECT_EQ(scene.keypoints[0][0][0].item<float>(), 367);
  EXPECT_EQ(scene.boxes[0][2].item<float>(), 280.79f + 218.7f);
  const auto folder = open(path.string());
  EXPECT_EQ(folder.kind, "coco");
  EXPECT_EQ(folder.open("test")->size(), 4);
  EXPECT_GE(folder.faults->count(Fault::choice), 1);
}

TEST(RealScenes, TheMouseHasSplitsByFilesAndSidesByName) {
  const auto path = test::data_folder() / "mouse";
  NEEDS_DATA(path);
  const auto source = open(path.string());
  EXPECT_EQ(source.splits, (std::vector<std::string>{"train", "val"}));
  EXPECT_EQ(source.about.swap, (std::vector<int64_t>{0, 2, 1, 3}));
  EXPECT_EQ(source.open("train")->size(), 80);
  EXPECT_EQ(source.open("val")->size(), 16);
  EXPECT_EQ(source.open("val")->get(3).keypoints.sizes(), (std::vector<int64_t>{1, 4, 3}));
}

TEST(RealScenes, APartIsWhatTheWholeHasThere) {
  const std::vector<std::pair<std::string, std::string>> sets = {
      {"coco-minis/test_coco.json", "val"}, {"pennfudan", "val"}, {"bccd", "val"}};
  for (const auto& [name, split] : sets) {
    const auto path = test::data_folder() / name;
    NEEDS_DATA(path);
    for (const int64_t cache : {0, 64}) {  // without one a JPEG's part is decoded alone
      const auto data = open(path.string(), {{"cache_mb", cache}}).open(split);
      for (int64_t i = 0; i < std::min<int64_t>(data->size(), 3); ++i) {
        const auto truth = data->truth(i);
        const PixelBox box{truth.width / 3, truth.height / 5, truth.width / 2, truth.height / 2};
        const auto rows = torch::arange(truth.boxes.size(0)).flip(0);
        const auto part = data->part(i, box, rows, true), same = data->SceneData::part(i, box, rows, true);
        EXPECT_TRUE(part.image.equal(same.image)) << name << " " << i;
        EXPECT_TRUE(part.boxes.equal(same.boxes)) << name << " " << i;
        EXPECT_TRUE(part.labels.equal(same.labels) && part.crowd.equal(same.crowd));
        ASSERT_EQ(part.masks.defined(), same.masks.defined());
        if (part.masks.defined()) EXPECT_TRUE(part.masks.equal(same.masks)) << name << " " << i;
        ASSERT_EQ(part.keypoints.defined(), same.keypoints.defined());
        if (part.keypoints.defined()) EXPECT_TRUE(part.keypoints.equal(same.keypoints)) << name << " " << i;
      }
    }
  }
}
