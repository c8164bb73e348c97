// Every kind of fault, planted one by one in data sets that are otherwise right.
#include "hadal/data/vision/scenes/scene_check.h"
#include "hadal/io/file.h"
#include "hadal/io/image.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

std::string picture(int64_t seed, int64_t width = 40, int64_t height = 20) {
  auto image = torch::zeros({height, width, 3}, torch::kUInt8);
  image.fill_(seed);
  image[0][0].fill_(255 - seed);
  return encode_png(image);
}

class Planted {
 public:
  void write(const std::string& path, const std::string& bytes) { write_file(folder_ / path, bytes); }
  void remove(const std::string& path) { std::filesystem::remove(folder_ / path); }
  SceneReport check(const std::string& kind = "auto", const std::string& path = "") {
    SceneFilesConfig config;
    config.path = (path.empty() ? folder_.path() : folder_ / path).string();
    return check_scenes(kind, config);
  }
  std::filesystem::path path() const { return folder_.path(); }

 private:
  test::TemporaryFolder folder_;
};

/// Exactly this fault, once, and nothing of an error or warning besides.
void expect_only(const SceneReport& report, Fault fault, const std::string& where, const std::string& what) {
  int64_t heavy = 0, found = 0;
  for (const auto& f : report.faults) {
    if (f.fault == fault) {
      ++found;
      EXPECT_THAT(f.where, testing::HasSubstr(where));
      EXPECT_THAT(f.what, testing::HasSubstr(what));
    } else {
      heavy += kind_of(f.fault).weight >= FaultWeight::warning;
    }
  }
  EXPECT_EQ(found, 1) << kind_of(fault).name << "\n" << describe(report);
  EXPECT_EQ(heavy, 0) << kind_of(fault).name << "\n" << describe(report);
}

/// Two splits, two classes, boxes.
struct Yolo : Planted {
  Yolo() {
    for (int i = 0; i < 3; ++i) {
      write("images/train/" + std::to_string(i) + ".png", picture(i + 1));
      write("labels/train/" + std::to_string(i) + ".txt", "0 0.5 0.5 0.5 0.5\n1 0.25 0.5 0.25 0.5\n");
    }
    write("images/val/v.png", picture(100));
    write("labels/val/v.txt", "0 0.5 0.5 0.5 0.5\n");
    settings();
  }
  void settings(const std::string& more = "", const std::string& names = "[cat, dog]") {
    write("data.yaml", "train: images/train\nval: images/val\nnames: " + names + "\n" + more);
  }
  void labels(const std::string& text) { write("labels/train/0.txt", text); }
};

std::string voc(const std::string& size, const std::string& box, const std::string& name = "cat") {
  return "<annotation>\n<size>" + size + "</size>\n<object><name>" + name + "</name><bndbox>" + box +
         "</bndbox></object></annotation>";
}
const std::string kSize = "<width>40</width><height>20</height>";
const std::string kBox = "<xmin>1</xmin><ymin>2</ymin><xmax>11</xmax><ymax>12</ymax>";

struct Voc : Planted {
  Voc() {
    for (const auto* name : {"a", "b"}) {
      write(std::string("Annotations/") + name + ".xml", voc(kSize, kBox));
      write(std::string("JPEGImages/") + name + ".png", picture(name[0]));
    }
    write("train.txt", "a\n");
    write("val.txt", "b\n");
  }
  void labels(const std::string& text) { write("Annotations/a.xml", text); }
};

struct Coco : Planted {
  Coco() {
    write("a.png", picture(1));
    json(object());
  }
  static std::string object(const std::string& more = "\"bbox\": [1, 2, 10, 10]", int id = 1) {
    return "{\"id\": " + std::to_string(id) + ", \"image_id\": 7, \"category_id\": 1, " + more + "}";
  }
  void json(const std::string& annotations,
            const std::string& category =
                "{\"id\": 1, \"name\": \"cat\", \"keypoints\": [\"nose\", \"tail\"], "
                "\"skeleton\": [[1, 2]]}",
            const std::string& images = "{\"id\": 7, \"file_name\": \"a.png\", \"width\": 40, \"height\": 20}") {
    write("all.json",
          "{\"images\": [" + images + "], \"categories\": [" + category + "], \"annotations\": [" + annotations + "]}");
  }
};

struct Masks : Planted {
  Masks() {
    write("images/a.png", picture(1));
    write("images/b.png", picture(2));
    write("masks/a_mask.png", mask());
    write("masks/b_mask.png", mask());
  }
  static std::string mask(int64_t width = 40) {
    auto m = torch::zeros({20, width, 1}, torch::kUInt8);
    m.slice(0, 2, 9).slice(1, 3, 12).fill_(1);
    return encode_png(m);
  }
};

}  // namespace

TEST(SceneCheck, FindsNothingWhereNothingIsWrong) {
  for (const auto& report : {Yolo().check(), Voc().check(), Coco().check(), Masks().check()}) {
    EXPECT_EQ(report.errors() + report.warnings(), 0) << describe(report);
    EXPECT_THAT(describe(report), testing::HasSubstr("nothing wrong"));
  }
}

TEST(SceneCheck, FindsFaultsOfPicturesAndFiles) {
  {
    Yolo y;
    y.write("images/train/0.png", picture(1).substr(0, 60));
    expect_only(y.check(), Fault::picture_broken, "images/train/0.png", "PNG");
  }
  {
    Yolo y;
    y.write("list.txt", "images/train/0.png\nimages/train/0.png\nimages/train/1.png\nimages/train/2.png\n");
    y.write("data.yaml", "train: list.txt\nval: images/val\nnames: [cat, dog]\n");
    expect_only(y.check(), Fault::picture_twice, "train/0.png", "stands in train twice");
    y.write("list.txt", "images/train/0.png\nimages/train/1.png\nimages/train/2.png\nimages/train/9.png\n");
    expect_only(y.check(), Fault::picture_missing, "list.txt entry 4", "there is no picture images/train/9.png");
  }
  {
    Yolo y;
    y.write("data.yaml", "train: [images/train, images/val]\nval: images/val\nnames: [cat, dog]\n");
    expect_only(y.check(), Fault::picture_in_two_splits, "val/v.png", "belongs to train and val");
  }
  {
    Yolo y;
    y.write("images/train/1.png", picture(1));
    expect_only(y.check(), Fault::picture_copy, "train/1.png", "the same as images/train/0.png");
    y.write("images/train/1.png", picture(2));
    y.write("images/val/v.png", picture(1));
    expect_only(y.check(), Fault::copy_in_two_splits, "val/v.png", "images/train/0.png in train");
  }
  {
    Yolo y;
    y.write("images/new/n.png", picture(50));
    expect_only(y.check(), Fault::picture_orphan, "new/n.png", "no split names it");
  }
  {
    Yolo y;
    y.write("images/train/0.png", picture(1, 40, 4));
    expect_only(y.check(), Fault::picture_tiny, "train/0.png", "40 x 4");
    y.write("images/train/0.png", picture(1, 300, 10));
    expect_only(y.check(), Fault::picture_narrow, "train/0.png", "300 x 10");
  }
  {
    Yolo y;
    y.remove("labels/train/0.txt");
    expect_only(y.check(), Fault::labels_missing, "train/0.png", "no label file");
    y.labels("");
    expect_only(y.check(), Fault::picture_empty, "train/0.png", "holds no object");
    y.write("labels/train/0.txt", "0 0.5 0.5 0.5 0.5\n");
    y.write("labels/train/9.txt", "0 0.5 0.5 0.5 0.5\n");
    expect_only(y.check(), Fault::labels_orphan, "labels/train/9.txt", "no picture");
  }
  {
    Yolo y;
    y.write("data.yaml", "train: images/train\nval: images/vla\nnames: [cat, dog]\n");
    const auto report = y.check();
    EXPECT_GE(std::count_if(report.faults.begin(), report.faults.end(),
                            [](const SceneFault& f) { return f.fault == Fault::split_empty; }),
              1);
    y.write("labels/val/v.txt", "");
    y.settings();
    expect_only(y.check(), Fault::split_without_objects, "", "the split val holds no object at all");
  }
}

TEST(SceneCheck, FindsFaultsOfLinesAndClasses) {
  Yolo y;
  y.labels("0 0.5 0.5 0.5\n1 0.25 0.5 0.25 0.5\n");
  expect_only(y.check(), Fault::columns, "train/0.txt line 1", "4 columns");
  y.labels("0 0.5 0.5 0.5 inf\n1 0.25 0.5 0.25 0.5\n");
  expect_only(y.check(), Fault::number, "train/0.txt line 1", "no finite number");
  y.labels("0 20 10 5 5\n");
  expect_only(y.check(), Fault::number, "line 1", "no share");
  y.labels("7 0.5 0.5 0.5 0.5\n");
  expect_only(y.check(), Fault::class_range, "line 1", "class 7 is not among the 2 names");
  y.labels("0 0.5 0.5 0.5 0.5\n0 0.5 0.5 0.5 0.5\n");
  expect_only(y.check(), Fault::object_twice, "0.txt line 2", "the same as line 1");
  y.labels("0 0.5 0.5 0 0.5\n");
  expect_only(y.check(), Fault::box_without_area, "0.txt line 1", "has no area");
  y.labels("0 0.5 0.5 0.5 0.5\n");
  y.settings("nc: 3\n");
  expect_only(y.check(), Fault::names_wrong, "data.yaml", "nc says 3 classes; names has 2");
  y.settings("test: ../test/images\n");
  expect_only(y.check(), Fault::split_missing, "data.yaml", "test: ../test/images leads to no picture");
  y.settings("", "[cat, dog, emu]");
  expect_only(y.check(), Fault::class_unused, "", "class \"emu\" has no object");
  y.settings("", "[cat, cat]");
  expect_only(y.check(), Fault::names_wrong, "", "stands twice");
  y.settings();
  std::string many;
  for (int i = 0; i < 250; ++i) many += fmt::format("0 0.5 0.5 {} 0.5\n", 0.1 + 0.003 * i);
  y.labels(many);
  expect_only(y.check(), Fault::classes_uneven, "", "252 of \"cat\", 2 of \"dog\"");
  y.labels("0 0.5 0.5 0.5 0.5\n");
  y.settings("kpt_shape: [2, 3]\nflip_idx: [0, 0]\n");
  const auto sides = y.check();
  EXPECT_TRUE(std::any_of(sides.faults.begin(), sides.faults.end(),
                          [](const SceneFault& f) { return f.fault == Fault::sides_wrong; }));
  EXPECT_FALSE(sides.usable());
}

TEST(SceneCheck, FindsFaultsOfVoc) {
  Voc v;
  v.labels("<annotation><size>");
  {
    const auto report = v.check();
    EXPECT_THAT(describe(report), testing::HasSubstr("labels-unreadable (1)"));
    EXPECT_EQ(report.usable(), false);
  }
  v.labels(voc("<width>41</width><height>20</height>", kBox));
  expect_only(v.check(), Fault::size_wrong, "", "the labels say 41 x 20, the picture is 40 x 20");
  v.labels(voc(kSize, "<xmin>50</xmin><ymin>2</ymin><xmax>60</xmax><ymax>12</ymax>"));
  expect_only(v.check(), Fault::box_outside, "a.xml line 3", "lies outside");
  v.labels(voc(kSize, "<xmin>1</xmin><ymin>2</ymin><xmax>60</xmax><ymax>12</ymax>"));
  expect_only(v.check(), Fault::box_over_edge, "a.xml line 3", "reaches over the edge");
  v.labels(voc(kSize, kBox));
  SceneFilesConfig named;
  named.path = v.path().string(), named.names = {"cta"};
  EXPECT_EQ(check_scenes("voc", named).sums[0].fault, Fault::class_unknown);
  v.write("val.txt", "a\nb\n");
  expect_only(v.check(), Fault::picture_in_two_splits, "val.txt entry 1", "a also belongs to train");
  v.write("val.txt", "b\nc\n");
  expect_only(v.check(), Fault::picture_missing, "val.txt entry 2", "there is no picture c");
}

TEST(SceneCheck, FindsFaultsOfCoco) {
  Coco c;
  const auto expect = [&](const std::string& annotations, Fault fault, const std::string& what) {
    c.json(annotations);
    expect_only(c.check(), fault, "", what);
  };
  const auto box = std::string("\"bbox\": [1, 2, 10, 10]");
  expect(Coco::object() + "," + Coco::object("\"bbox\": [2, 2, 10, 10]"), Fault::id_twice, "same id");
  expect(Coco::object() + ", {\"id\": 2, \"image_id\": 8, \"category_id\": 1, \"bbox\": [1, 2, 10, 10]}",
         Fault::object_orphan, "there is no image 8");
  expect(Coco::object() + ", {\"id\": 2, \"image_id\": 7, \"category_id\": 5, \"bbox\": [1, 2, 10, 10]}",
         Fault::class_unknown, "category 5");
  c.json(Coco::object(box + ", \"segmentation\": [[1, 2, 11, 2, 11, 12, 1, 12]]"));
  EXPECT_EQ(c.check().errors() + c.check().warnings(), 0) << describe(c.check());
}

TEST(SceneCheck, FindsFaultsOfMasksAndKeypoints) {
  Coco c;
  const auto expect = [&](const std::string& annotations, Fault fault, const std::string& what) {
    c.json(annotations);
    expect_only(c.check(), fault, "", what);
  };
  const std::string box = "\"bbox\": [1, 2, 10, 10]", square = "[1, 2, 11, 2, 11, 12, 1, 12]";
  const auto mask = [&](const std::string& text) { return Coco::object(box + ", \"segmentation\": " + text); };
  expect(mask("[" + square + ", [1, 2, 3, 4]]"), Fault::polygon_short, "a polygon of 2 points");
  expect(
      mask("[" + square + "]") + "," +
          Coco::object("\"bbox\": [5, 5, 9, 9], \"segmentation\": {\"size\": [20, 40], \"counts\": [22, 4, 775]}", 2),
      Fault::rle_wrong, "");
  expect(
      mask("[" + square + "]") + "," +
          Coco::object("\"bbox\": [5, 5, 9, 9], \"segmentation\": {\"size\": [20, 41], \"counts\": [22, 4, 794]}", 2),
      Fault::mask_size, "41 x 20 in a picture of 40 x 20");
  expect(mask("[" + square + "]") + "," + Coco::object("\"bbox\": [5, 5, 9, 9]", 2), Fault::mask_missing, "no mask");
  expect(mask("{\"size\": [20, 40], \"counts\": [800]}"), Fault::mask_empty, "no pixel");
  expect(Coco::object("\"bbox\": [20, 2, 10, 10], \"segmentation\": [" + square + "]"), Fault::box_off_mask,
         "is not the mask's");
  expect(Coco::object(box + ", \"keypoints\": [1, 2, 2]"), Fault::keypoint_count, "1 keypoints; the category has 2");
  expect(Coco::object(box + ", \"keypoints\": [1, 2, 2, 41, 3, 2]"), Fault::keypoint_outside, "tail at 41, 3");
  expect(Coco::object(box + ", \"keypoints\": [1, 2, 2, 4, 3, 3]"), Fault::keypoint_visibility, "visibility 3");
  expect(Coco::object(box + ", \"keypoints\": [1, 2, 2, 4, 3, 2], \"num_keypoints\": 1"), Fault::keypoints_miscounted,
         "num_keypoints is 1, 2 are marked");
  expect(Coco::object(box + ", \"keypoints\": [0, 0, 0, 0, 0, 0]"), Fault::keypoints_unseen,
         "all keypoints of the split train are hidden or missing");
  c.json(Coco::object(), "{\"id\": 1, \"name\": \"cat\", \"keypoints\": [\"nose\"], \"skeleton\": [[1, 3]]}");
  expect_only(c.check(), Fault::skeleton_wrong, "", "joins points 1 and 3");
}

TEST(SceneCheck, FindsFaultsOfLabelPictures) {
  Masks m;
  m.write("masks/a_mask.png", Masks::mask(41));
  expect_only(m.check(), Fault::mask_size, "a_mask.png", "is 41 x 20, its picture 40 x 20");
  m.write("masks/a_mask.png", Masks::mask().substr(0, 50));
  expect_only(m.check(), Fault::labels_unreadable, "a_mask.png", "PNG");
  m.remove("masks/a_mask.png");
  expect_only(m.check(), Fault::labels_missing, "images/a.png", "no label picture");
  m.write("masks/a_mask.png", Masks::mask());
  m.write("masks/z_mask.png", Masks::mask());
  expect_only(m.check(), Fault::labels_orphan, "z_mask.png", "there is no picture z");
}

TEST(SceneCheck, EveryKindHasItsRow) {
  for (const auto& kind : fault_kinds()) EXPECT_EQ(&kind_of(kind.fault), &kind) << kind.name;
  EXPECT_GE(fault_kinds().size(), 40u);
}

TEST(SceneCheck, BloodCellsHaveTwoBoxesWithoutAreaAndNothingElse) {
  const auto path = test::data_folder() / "bccd";
  NEEDS_DATA(path);
  SceneFilesConfig config;
  config.path = path.string();
  const auto report = check_scenes("auto", config);
  EXPECT_EQ(report.errors(), 2) << describe(report);
  EXPECT_EQ(report.warnings(), 0) << describe(report);
  EXPECT_EQ(report.sums[0].fault, Fault::box_without_area);
  const auto grid = draw_report(report, 4, 160);
  EXPECT_TRUE(grid.defined());
}

TEST(SceneCheck, DrawsEachPictureOnce) {
  const auto size = [](const std::string& labels, int64_t count) {
    Planted f;
    for (const auto* name : {"a", "b"}) {
      f.write(fmt::format("images/train/{}.png", name), picture(name[0]));
      f.write(fmt::format("labels/train/{}.txt", name), labels);
    }
    f.write("data.yaml", "train: images/train\nnames: [cat]\n");
    return draw_report(f.check(), count, 160).sizes().vec();
  };
  const std::string right = "0 0.5 0.5 0.5 0.5\n";
  for (const auto* wrong : {"0 0.5 0.5 0.5 0.5\n0 0.5 0.5 0 0.5\n", "0 0.5 0.5 0.5 0.5\n1 0.5 0.5 0.5 0.5\n"})
    EXPECT_EQ(size(wrong, 8), size(right, 8)) << "those with errors come first, and not again";
  EXPECT_NE(size(right, 1), size(right, 8));
}

TEST(SceneCheck, RealDataHasNothingWrong) {
  for (const auto* name : {"pennfudan", "coco-minis", "nuclei", "mouse"}) {
    const auto path = test::data_folder() / name;
    NEEDS_DATA(path);
    SceneFilesConfig config;
    config.path = path.string();
    const auto report = check_scenes("auto", config);
    EXPECT_EQ(report.errors() + report.warnings(), 0) << describe(report);
  }
}

TEST(SceneCheck, TheQuickHalfReadsNoPicture) {
  Voc v;
  v.labels(voc(kSize, "<xmin>5</xmin><ymin>2</ymin><xmax>5</xmax><ymax>12</ymax>"));
  v.write("JPEGImages/a.png", "no picture");
  const auto report = quick_check(scene_sources().make({"auto", {{"path", v.path().string()}}}));
  EXPECT_EQ(report.errors(), 1);
  EXPECT_EQ(report.sums[0].fault, Fault::box_without_area);
}
