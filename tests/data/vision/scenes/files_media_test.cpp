// Readers on small data sets written here: what they give, and what they say of mistakes.
#include "hadal/data/vision/scenes/readers.h"
#include "hadal/data/vision/scenes/sources.h"
#include "hadal/io/file.h"
#include "hadal/io/image.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

std::string picture(int64_t width = 40, int64_t height = 20, int64_t grey = 90) {
  return encode_png(torch::full({height, width, 3}, grey, torch::kUInt8));
}

SceneSource open(const std::filesystem::path& path, Table settings = {}, const std::string& kind = "auto") {
  settings.set("path", path.string());
  return scene_sources().make({kind, settings});
}

std::vector<float> floats(const Tensor& t) {
  const auto flat = t.contiguous();
  return {flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel()};
}

std::string voc(const std::string& objects, const std::string& file = "a.png") {
  return "<annotation><filename>" + file +
         "</filename><size><width>40</width><height>20</height><depth>3</depth></size>" + objects + "</annotation>";
}
std::string voc_object(const std::string& name, const std::string& corners, const std::string& more = "") {
  const std::string tags[] = {"xmin", "ymin", "xmax", "ymax"};
  std::string box;
  std::istringstream numbers(corners);
  for (const auto& tag : tags) {
    std::string number;
    numbers >> number;
    box += "<" + tag + ">" + number + "</" + tag + ">";
  }
  return "<object><name>" + name + "</name>" + more + "<bndbox>" + box + "</bndbox></object>";
}

}  // namespace

TEST(SceneFiles, ReadVocByListsAndFolders) {
  test::TemporaryFolder f;
  write_file(f / "Annotations/a.xml", voc(voc_object("dog", "1 2 11 12") + voc_object("cat", "5 5 50 19")));
  write_file(f / "Annotations/b.xml", voc(voc_object("cat", "5 5 5 9", "<difficult>1</difficult>"), "b.png"));
  write_file(f / "JPEGImages/a.png", picture());
  write_file(f / "JPEGImages/b.png", picture());
  auto source = open(f.path());
  EXPECT_EQ(source.kind, "voc");
  EXPECT_FALSE(source.divided);
  EXPECT_EQ(source.about.classes, (std::vector<std::string>{"cat", "dog"}));
  auto data = source.open("train");
  ASSERT_EQ(data->size(), 2);
  const auto truth = data->truth(0);
  EXPECT_EQ(floats(truth.boxes), (std::vector<float>{1, 2, 11, 12, 5, 5, 40, 19}));
  EXPECT_EQ(truth.labels[0].item<int64_t>(), 1);
  EXPECT_EQ(data->truth(1).boxes.size(0), 0) << "a box without width is left out";
  EXPECT_EQ(floats(open(f.path(), {{"from_one", true}}).open("train")->truth(0).boxes)[0], 0);

  write_file(f / "ImageSets/Main/train.txt", "a\n");
  write_file(f / "ImageSets/Main/val.txt", "b  1\n");
  write_file(f / "ImageSets/Main/trainval.txt", "a\nb\n");
  source = open(f.path());
  EXPECT_EQ(source.splits, (std::vector<std::string>{"train", "val"}));
  EXPECT_THAT(source.open("val")->name(0), testing::EndsWith("JPEGImages/b.png"));
  EXPECT_ERROR(source.open("test"), "has no split test; it has train, val");
  write_file(f / "ImageSets/Main/val.txt", "c\n");
  EXPECT_ERROR(open(f.path()), "val.txt entry 1: there is no picture c");
  EXPECT_ERROR(open(f.path(), {{"names", List{"cat"}}}), "the class \"dog\" is not among the names");
  write_file(f / "Annotations/a.xml", voc(voc_object("dog", "1 2 x 12")));
  EXPECT_ERROR(open(f.path()), "a.xml line 1: <xmax> wants a number of pixels, got \"x\"");
  write_file(f / "Annotations/a.xml", "<annotation><object>");
  EXPECT_ERROR(open(f.path()), "is never closed");
}

TEST(SceneFiles, DrawSplitsByShare) {
  test::TemporaryFolder f;
  for (int i = 0; i < 10; ++i) {
    const auto name = std::to_string(i);
    write_file(f / ("set/Annotations/" + name + ".xml"), voc(voc_object("dog", "1 2 11 12"), name + ".png"));
    write_file(f / ("set/JPEGImages/" + name + ".png"), picture());
  }
  const auto names = [&](const std::string& split, int seed) {
    const auto data = open(f.path(), {{"val", 0.2}, {"test", 0.1}, {"seed", seed}}).open(split);
    std::vector<std::string> out;
    for (int64_t i = 0; i < data->size(); ++i) out.push_back(data->name(i));
    return out;
  };
  EXPECT_EQ(names("train", 0).size(), 7u);
  EXPECT_EQ(names("val", 0).size(), 2u);
  EXPECT_EQ(names("test", 0).size(), 1u);
  EXPECT_EQ(names("val", 0), names("val", 0));
  EXPECT_NE(names("train", 0), names("train", 1));
  EXPECT_ERROR(open(f.path(), {{"val", 0.95}}), "leave none of 10 pictures to train with");
}

TEST(SceneFiles, ReadYoloBoxesPolygonsAndKeypoints) {
  test::TemporaryFolder f;
  write_file(f / "images/train/a.png", picture());
  write_file(f / "images/val/b.png", picture());
  write_file(f / "labels/train/a.txt", "0 0.5 0.5 0.5 1.0\n\n1 0.25 0.25 0.5 0.25 0.5 0.75\n");
  write_file(f / "data.yaml",
             "path: ../elsewhere\ntrain: ../images/train\nval: images/val\nnc: 2\nnames: [cat, dog]\n");
  auto source = open(f.path());
  EXPECT_EQ(source.kind, "yolo");
  EXPECT_TRUE(source.about.masks);
  auto train = source.open("train");
  ASSERT_EQ(train->size(), 1);
  EXPECT_EQ(floats(train->truth(0).boxes), (std::vector<float>{10, 0, 30, 20, 10, 5, 20, 15}));
  const auto scene = train->get(0);
  EXPECT_EQ(scene.masks[0].sum().item<int64_t>(), 400) << "an object without a polygon gets its box";
  EXPECT_NEAR(scene.masks[1].sum().item<double>(), 50, 8);
  EXPECT_EQ(source.open("val")->truth(0).boxes.sizes(), (std::vector<int64_t>{0, 4}));
  EXPECT_EQ(source.faults->count(Fault::labels_missing), 1);
  EXPECT_EQ(open(f / "data.yaml").splits.size(), 2u);

  const auto expect = [&](const std::string& labels, const std::string& text) {
    write_file(f / "labels/train/a.txt", labels);
    EXPECT_ERROR(open(f.path()), text);
  };
  expect("2 0.5 0.5 0.5 1\n", "a.txt line 1: class 2 is not among the 2 names, 0 to 1");
  expect("1.5 0.5 0.5 0.5 1\n", "class 1.5 is not among");
  expect("0 0.5 0.5 0.5\n", "4 columns; a class and a box are 5");
  expect("0 0.5 0.5 0.5 nan\n", "\"nan\" is no finite number");
  expect("0 320 240 64 64\n", "320 is no share of the picture's side");
  write_file(f / "labels/train/a.txt", "0 0.5 0.5 0.5 1 0.25 0.5 2 0 0 0\n");
  write_file(f / "data.yaml",
             "train: images/train\nval: images/val\nnames: {0: cat}\nkpt_shape: [2, 3]\nflip_idx: [1, 0]\n");
  source = open(f.path());
  EXPECT_EQ(source.about.swap, (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(floats(source.open("train")->get(0).keypoints), (std::vector<float>{10, 10, 2, 0, 0, 0}));
  write_file(f / "data.yaml",
             "train: images/train\nnames: {0: cat}\nkpt_shape: [2, 3]\nkpt_names: {0: [left_ear, right_ear]}\n");
  EXPECT_EQ(open(f.path()).about.swap, (std::vector<int64_t>{1, 0})) << "by their names, where there is no flip_idx";
  write_file(f / "data.yaml", "train: images/train\nnames: {0: cat}\nkpt_shape: [2, 3]\nflip_idx: [1, 1]\n");
  EXPECT_ERROR(open(f.path()), "must hold each of 0 to 1 once");
  write_file(f / "data.yaml", "train: images/trian\nnames: {0: cat}\n");
  EXPECT_ERROR(open(f.path()), "train: images/trian leads to no picture");
  write_file(f / "labels/train/a.txt", "0 0.5 0.5 0.5 1\n");
  write_file(f / "data.yaml", "train: images/train\nval: images/vla\nnames: {0: cat}\n");
  EXPECT_ERROR(open(f.path()), "val: images/vla leads to no picture");
  write_file(f / "labels/train/a.txt",
             "\xEF\xBB\xBF"
             "0 0.5 0.5 0.5 1\n");
  write_file(f / "data.yaml",
             "\xEF\xBB\xBFtrain: images/train\nval: images/val\ntest: ../test/images\nnames: {0: cat}\n");
  source = open(f.path());
  EXPECT_EQ(source.splits, (std::vector<std::string>{"train", "val"})) << "a test split is not needed";
  EXPECT_EQ(source.faults->count(Fault::split_missing), 1);
  write_file(f / "data.yaml", "train: images/train\nnames: {0: cat}\nnc: 3\n");
  EXPECT_ERROR(open(f.path()), "nc says 3 classes; names has 1");
}

TEST(SceneFiles, ReadYoloWithoutSettings) {
  test::TemporaryFolder f;
  write_file(f / "images/a.png", picture());
  write_file(f / "labels/a.txt", "3 0.5 0.5 0.5 1.0\n");
  const auto source = open(f.path());
  EXPECT_EQ(source.about.classes, (std::vector<std::string>{"0", "1", "2", "3"}));
  write_file(f / "classes.txt", "a\nb\nc\nd\n");
  EXPECT_EQ(open(f.path()).about.classes[3], "d");
  EXPECT_ERROR(open(f.path(), {{"names", List{"a"}}}), "class 3 is not among the 1 names");
}

TEST(SceneFiles, ReadCoco) {
  test::TemporaryFolder f;
  write_file(f / "images/a.png", picture());
  const auto json = [](const std::string& annotations) {
    return "{\"images\": [{\"id\": 7, \"file_name\": \"a.png\", \"width\": 40, \"height\": 20}], \"categories\": "
           "[{\"id\": 9, \"name\": \"dog\"}, {\"id\": 3, \"name\": \"cat\"}], \"annotations\": [" +
           annotations + "]}";
  };
  write_file(
      f / "annotations/instances_train.json",
      json("{\"id\": 1, \"image_id\": 7, \"category_id\": 9, \"bbox\": [1, 2, 3, 4], \"iscrowd\": 1, \"area\": 5, "
           "\"segmentation\": {\"size\": [20, 40], \"counts\": [22, 4, 774]}}"));
  const auto source = open(f.path());
  EXPECT_EQ(source.about.classes, (std::vector<std::string>{"cat", "dog"}));
  const auto data = source.open("train");
  EXPECT_EQ(data->category_id(1), 9);
  EXPECT_EQ(data->picture_id(0), 7);
  const auto scene = data->get(0);
  EXPECT_EQ(scene.labels[0].item<int64_t>(), 1);
  EXPECT_TRUE(scene.crowd[0].item<bool>());
  EXPECT_EQ(scene.masks.sum().item<int64_t>(), 4);
  EXPECT_EQ(scene.masks[0][2][1].item<int64_t>(), 1);
  const auto expect = [&](const std::string& annotation, const std::string& text) {
    write_file(f / "annotations/instances_train.json", json(annotation));
    EXPECT_ERROR(open(f.path()), text);
  };
  expect("{\"id\": 1, \"image_id\": 8, \"category_id\": 9, \"bbox\": [1, 2, 3, 4]}", "there is no image 8");
  expect("{\"id\": 1, \"image_id\": 7, \"category_id\": 1, \"bbox\": [1, 2, 3, 4]}", "category 1 is not among");
  std::filesystem::remove(f / "images/a.png");
  expect("", "there is no picture a.png");
}

TEST(SceneFiles, CocosKeypointsWithoutABoxMakeTheirOwn) {
  test::TemporaryFolder f;
  write_file(f / "images/a.png", picture(100, 80));
  const auto boxes = [&](const std::string& points) {
    write_file(f / "annotations/person_keypoints_train.json",
               "{\"images\": [{\"id\": 7, \"file_name\": \"a.png\", \"width\": 100, \"height\": 80}], \"categories\": "
               "[{\"id\": 1, \"name\": \"mouse\", \"keypoints\": [\"nose\", \"tail\"]}], \"annotations\": [{\"id\": 1, "
               "\"image_id\": 7, \"category_id\": 1, " +
                   points + "}]}");
    return floats(open(f.path()).open("train")->truth(0).boxes);
  };
  EXPECT_EQ(boxes("\"keypoints\": [30, 40, 2, 50, 60, 2]"), (std::vector<float>{20, 30, 60, 70}));
  EXPECT_EQ(boxes("\"keypoints\": [30, 40, 2, 50, 60, 2], \"bbox\": [0, 0, 0, 0]"),
            (std::vector<float>{20, 30, 60, 70}));
  EXPECT_EQ(boxes("\"keypoints\": [0, 0, 0, 50, 60, 1]"), (std::vector<float>{40, 50, 60, 70}));
  EXPECT_TRUE(boxes("\"keypoints\": [0, 0, 0, 0, 0, 0]").empty());
  write_file(f / "annotations/person_keypoints_train.json", "{\"images\": [");
  try {
    open(f.path());
    FAIL();
  } catch (const Error& error) {
    const std::string what = error.what(), name = "person_keypoints_train.json";
    EXPECT_EQ(what.find(name), what.rfind(name)) << what << ": says the file once";
  }
}

TEST(SceneFiles, ReadLabelPicturesOf16BitsAndRefuseAnotherSize) {
  test::TemporaryFolder f;
  write_file(f / "images/a.png", picture(4, 2));
  auto mask = torch::zeros({2, 4, 3}, torch::kUInt8);
  mask[0][1].fill_(7), mask[1][3].fill_(200);
  write_file(f / "masks/a_mask.png", encode_png(mask));
  const auto source = open(f.path());
  EXPECT_EQ(source.kind, "labelmask");
  const auto scene = source.open("train")->get(0);
  EXPECT_EQ(floats(scene.boxes), (std::vector<float>{1, 0, 2, 1, 3, 1, 4, 2}));
  EXPECT_EQ(scene.masks[1][1][3].item<int64_t>(), 1);
  write_file(f / "images/a.png", picture(5, 2));
  EXPECT_ERROR(open(f.path()).open("train")->get(0), "masks/a_mask.png: is 2 x 4, its picture 2 x 5");
}

TEST(SceneFiles, SayWhenMasksWouldNotFit) {
  test::TemporaryFolder f;
  // 70,000 instances of a pixel or two each.
  auto mask = torch::zeros({300, 300, 3}, torch::kUInt8);
  for (int64_t i = 0; i < 70000; ++i) {
    auto* pixel = mask.data_ptr<uint8_t>() + 3 * i;
    const auto number = i + 1;
    pixel[0] = number >> 16, pixel[1] = number >> 8 & 255, pixel[2] = number & 255;
  }
  write_file(f / "images/a.png", picture(300, 300));
  write_file(f / "masks/a_mask.png", encode_png(mask));
  const auto data = open(f.path()).open("train");
  EXPECT_EQ(data->truth(0).boxes.size(0), 70000);
  EXPECT_EQ(data->get(0, {.masks = false}).boxes.size(0), 70000);
  EXPECT_ERROR(data->get(0), "70000 masks of 300 x 300 pixels would take 6.3 GB; a smaller size= helps");
  EXPECT_EQ(data->get(0, {.longest = 30}).masks.size(0), 70000);
}

TEST(SceneFiles, TakePicturesOfEveryShapeAndNone) {
  test::TemporaryFolder f;
  write_file(f / "images/train/a.png", picture(1, 1));
  write_file(f / "images/train/b.png", picture(2000, 20));
  write_file(f / "labels/train/b.txt", "0 0.5 0.5 1 1\n");
  write_file(f / "data.yaml", "train: images/train\nnames: [cat]\n");
  const auto data = open(f.path()).open("train");
  EXPECT_EQ(data->get(0, {.longest = 64}).image.sizes(), (std::vector<int64_t>{1, 1, 3}));
  const auto narrow = data->get(1, {.longest = 64});
  EXPECT_EQ(narrow.image.sizes(), (std::vector<int64_t>{1, 64, 3}));
  EXPECT_EQ(floats(narrow.boxes), (std::vector<float>{0, 0, 64, 1}));
  write_file(f / "all.json", "{\"images\": [], \"annotations\": [], \"categories\": [{\"id\": 1, \"name\": \"a\"}]}");
  const auto none = open(f / "all.json");
  EXPECT_EQ(none.open("train")->size(), 0);
  EXPECT_EQ(none.faults->count(Fault::split_empty), 1);
  EXPECT_EQ(class_counts(*none.open("train")).sum().item<int64_t>(), 0);
}

TEST(SceneFiles, ReadArchives) {
  const auto path = test::data_folder() / "mouse";
  NEEDS_DATA(path);
  test::TemporaryFolder f;
  const auto tar = (f / "mouse.tar.gz").string();
  ASSERT_EQ(std::system(("tar -C '" + path.parent_path().string() + "' -czf '" + tar + "' mouse").c_str()), 0);
  const auto source = open(tar);
  EXPECT_EQ(source.kind, "coco");
  EXPECT_EQ(source.open("val")->get(15).image.size(1), 640);
}

TEST(SceneFiles, ReadDeepLabCut) {
  test::TemporaryFolder f;
  write_file(f / "config.yaml",
             "Task: reach\nscorer: Me\nbodyparts:\n- snout\n- leftear\n- rightear\nskeleton:\n- - snout\n"
             "  - leftear\n- - snout\n  - rightear\n");
  write_file(f / "labeled-data/video/img01.png", picture(400, 200));
  write_file(f / "labeled-data/video/CollectedData_Me.csv",
             "scorer,Me,Me,Me,Me,Me,Me\nbodyparts,snout,snout,leftear,leftear,rightear,rightear\ncoords,x,y,x,y,x,y\n"
             "labeled-data/video/img01.png,100,50,200.5,80,,\n");
  const auto source = open(f.path());
  EXPECT_EQ(source.kind, "deeplabcut");
  EXPECT_EQ(source.about.swap, (std::vector<int64_t>{0, 2, 1}));
  EXPECT_EQ(source.about.skeleton.size(), 2u);
  const auto scene = source.open("train")->get(0);
  EXPECT_EQ(floats(scene.keypoints), (std::vector<float>{100, 50, 2, 200.5f, 80, 2, 0, 0, 0}));
  EXPECT_NEAR(scene.boxes[0][0].item<double>(), 100 - 15.075, 1e-3);
  write_file(f / "labeled-data/video/CollectedData_Me.csv", "scorer,Me,Me\nbodyparts,tail,tail\ncoords,x,y\n");
  EXPECT_ERROR(open(f.path()), "the project has no body part \"tail\"");
  write_file(f / "labeled-data/video/CollectedData_Me.csv", "scorer,Me,Me\nbodyparts,snout,snout\ncoords,x,x\n");
  EXPECT_ERROR(open(f.path()), "two columns are the x of snout");
}

TEST(SceneFiles, DeepLabCutsHeadsAskForNoGigabytes) {
  SceneAbout about;
  std::string heads[] = {"scorer", "individuals", "bodyparts", "coords"};
  for (int i = 0; i < 400; ++i) {
    about.keypoints.push_back(fmt::format("p{}", i));
    const std::string fields[] = {"Me", fmt::format("m{}", i), fmt::format("p{}", i), "x"};
    for (size_t row = 0; row < 4; ++row) heads[row] += "," + fields[row];
  }
  FaultLog log;
  EXPECT_ERROR(parse_deeplabcut(fmt::format("{}\n", fmt::join(heads, "\n")), "t.csv", about, log),
               "400 animals of 400 points each are too many");
}

TEST(SceneFiles, ReadDeepLabCutsSeveralAnimals) {
  test::TemporaryFolder f;
  write_file(f / "config.yaml",
             "Task: mice\nmultianimalproject: true\nindividuals:\n- m1\n- m2\nuniquebodyparts:\n- corner\n"
             "multianimalbodyparts:\n- snout\n- tail\nbodyparts: MULTI!\nskeleton:\n- - snout\n  - tail\n"
             "- - snout\n  - wing\n");
  write_file(f / "labeled-data/v/img1.png", picture(300, 200));
  write_file(f / "labeled-data/v/img2.png", picture(300, 200));
  write_file(f / "labeled-data/v/CollectedData_Me.csv",
             "scorer,,,Me,Me,Me,Me,Me,Me,Me,Me,Me,Me\nindividuals,,,m1,m1,m1,m1,m2,m2,m2,m2,single,single\n"
             "bodyparts,,,snout,snout,tail,tail,snout,snout,tail,tail,corner,corner\ncoords,,,x,y,x,y,x,y,x,y,x,y\n"
             "labeled-data,v,img1.png,10,20,30,40,110,120,,,5,6\nlabeled-data,v,img2.png,,,,,1,2,3,4,,\n");
  const auto source = open(f.path());
  EXPECT_EQ(source.about.keypoints, (std::vector<std::string>{"snout", "tail", "corner"}));
  EXPECT_EQ(source.about.skeleton, (std::vector<std::array<int64_t, 2>>{{0, 1}})) << "there is no wing";
  EXPECT_EQ(source.faults->count(Fault::skeleton_wrong), 1);
  const auto data = source.open("train");
  ASSERT_EQ(data->size(), 2);
  EXPECT_EQ(floats(data->truth(0).keypoints), (std::vector<float>{10,  20,  2, 30, 40, 2, 0, 0, 0,     // m1
                                                                  110, 120, 2, 0,  0,  0, 0, 0, 0,     // m2
                                                                  0,   0,   0, 0,  0,  0, 5, 6, 2}));  // single
  EXPECT_EQ(data->truth(1).keypoints.size(0), 1) << "an animal without a point is not there";
}

TEST(SceneFiles, SayWhatIsThere) {
  test::TemporaryFolder f;
  write_file(f / "a.png", picture());
  EXPECT_ERROR(open(f.path()), "holds no labels of a known kind");
  EXPECT_ERROR(scene_sources().make({"auto", {}}), "data.path is not set");
  EXPECT_ERROR(scene_sources().make({"yoloo", {}}), "nearest: yolo");
}

TEST(SceneFiles, ShapesAreScenesToo) {
  const auto source = scene_sources().make({"shapes", {{"train", 3}, {"val", 1}}});
  const auto data = source.open("train");
  EXPECT_EQ(data->size(), 3);
  EXPECT_TRUE(data->get(0).masks.defined());
  EXPECT_FALSE(data->get(0, {.masks = false}).masks.defined());
  EXPECT_EQ(data->get(1, {.longest = 32}).masks.size(1), 32);
  EXPECT_EQ(data->name(2), "shapes/train[2]");
  EXPECT_EQ(class_counts(*data).sum().item<int64_t>(),
            data->truth(0).labels.size(0) + data->truth(1).labels.size(0) + data->truth(2).labels.size(0));
}
