#include "hadal/data/vision/coco_json.h"

#include "hadal/io/file.h"

#include "tests/io/hostile.h"

using namespace hadal;

namespace {

const std::string kTruth = R"({"info": {"a": [1, 2.5e3, {"b": null}]},
 "images": [{"id": 7, "file_name": "a\u00e4\n.jpg", "width": 6, "height": 5}, {"id": 9000000000, "file_name": "b.jpg"}],
 "categories": [{"id": 3, "name": "cat", "supercategory": "animal", "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]}],
 "annotations": [
  {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 1, 3.5, 2], "area": 7.5, "iscrowd": 0,
   "segmentation": [[1, 1, 4, 1, 4, 3, 1, 3]], "keypoints": [1, 2, 2, 0, 0, 0], "num_keypoints": 1},
  {"id": 2, "image_id": 7, "category_id": 3, "bbox": [], "iscrowd": true,
   "segmentation": {"size": [5, 6], "counts": [6, 3, 21]}},
  {"id": 3.0, "image_id": 7, "category_id": 3, "segmentation": {"size": [5, 6], "counts": "63e0"}}]})";

const std::string kResults = R"([{"image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.25},
 {"image_id": 7, "category_id": 3, "keypoints": [1.5, 2, 0.5], "score": 1e-400}])";

}  // namespace

TEST(CocoJson, ReadsTruth) {
  const auto truth = parse_coco_truth(kTruth, "t.json");
  ASSERT_EQ(truth.pictures.size(), 2);
  EXPECT_EQ(truth.pictures[0].file_name, "a\xc3\xa4\n.jpg");
  EXPECT_EQ(truth.pictures[0].height, 5);
  EXPECT_EQ(truth.pictures[1].id, 9000000000);
  EXPECT_EQ(truth.pictures[1].width, 0);
  ASSERT_EQ(truth.categories.size(), 1);
  EXPECT_EQ(truth.categories[0].supercategory, "animal");
  EXPECT_EQ(truth.categories[0].keypoints, (std::vector<std::string>{"nose", "tail"}));
  EXPECT_EQ(truth.categories[0].skeleton, (std::vector<std::array<int64_t, 2>>{{1, 2}}));
  ASSERT_EQ(truth.annotations.size(), 3);
  const auto &first = truth.annotations[0], &second = truth.annotations[1], &third = truth.annotations[2];
  EXPECT_EQ(first.bbox, (std::array<double, 4>{1, 1, 3.5, 2}));
  EXPECT_EQ(first.area, 7.5);
  EXPECT_EQ(first.num_keypoints, 1);
  EXPECT_EQ(first.keypoints.size(), 6);
  EXPECT_EQ(kTruth[first.at], '{');
  EXPECT_FALSE(second.bbox.has_value());
  EXPECT_TRUE(second.iscrowd);
  EXPECT_EQ(third.id, 3);
  EXPECT_EQ(rle_area(*coco_mask(first.segmentation, 5, 6, "t")), 6);
  EXPECT_EQ(coco_mask(second.segmentation, 5, 6, "t")->counts, (std::vector<uint32_t>{6, 3, 21}));
  EXPECT_EQ(coco_mask(third.segmentation, 5, 6, "t")->counts, (std::vector<uint32_t>{6, 3, 21}));
}

TEST(CocoJson, ReadsResults) {
  const auto results = parse_coco_results(kResults, "r.json");
  ASSERT_EQ(results.size(), 2);
  EXPECT_EQ(results[0].score, 0.25);
  EXPECT_EQ(results[0].bbox, (std::array<double, 4>{1, 2, 3, 4}));
  EXPECT_EQ(results[1].score, 0);
  EXPECT_EQ(results[1].keypoints, (std::vector<double>{1.5, 2, .5}));
  EXPECT_EQ(results[1].entry, 2);
  EXPECT_TRUE(parse_coco_results(" [ ] ", "r.json").empty());
  EXPECT_EQ(parse_coco_results("\xEF\xBB\xBF" + kResults, "r.json").size(), 2) << "with some editors' mark of UTF-8";
  EXPECT_EQ(parse_coco_truth("\xEF\xBB\xBF" + kTruth, "t.json").annotations.size(), 3);
}

TEST(CocoJson, SaysWhatIsWrongAndWhere) {
  const auto truth = [](const std::string& images, const std::string& annotations) {
    return parse_coco_truth(R"({"images": [)" + images + R"(], "annotations": [)" + annotations + "]}", "t.json");
  };
  const std::string head = R"("image_id": 1, "category_id": 1)";
  EXPECT_ERROR(parse_coco_truth("[]", "t.json"), "this is a list, as results are");
  EXPECT_ERROR(parse_coco_truth("{}", "t.json"), "t.json: this is no truth of COCO's kind: it has no \"images\"");
  EXPECT_ERROR(parse_coco_truth(R"({"images": []})", "t.json"), "has no \"annotations\"");
  EXPECT_ERROR(parse_coco_truth(R"({"images": [], "annotations": []} x)", "t.json"), "something follows");
  EXPECT_ERROR(truth(R"({"id": 1}, {"id": 1})", ""), "two pictures have the id 1");
  EXPECT_ERROR(truth(R"({"width": 1})", ""), "t.json at byte 24: the picture that ends here has no \"id\"");
  EXPECT_ERROR(truth(R"({"id": "1"})", ""), "expected a number, got a text");
  EXPECT_ERROR(truth(R"({"id": 1.5})", ""), "expected a whole number, got 1.5");
  EXPECT_ERROR(truth("", R"({"image_id": 1})"), "has no \"category_id\"");
  EXPECT_ERROR(truth("", "{" + head + R"(, "bbox": [1, 2, 3]})"), "a bbox is [x, y, width, height], got 3 numbers");
  EXPECT_ERROR(truth("", "{" + head + R"(, "bbox": [NaN, 2, 3, 4]})"), "got NaN or Infinity, which JSON does not have");
  EXPECT_ERROR(truth("", "{" + head + R"(, "area": 1e999})"), "this number is too large");
  EXPECT_ERROR(truth("", "{" + head + R"(, "keypoints": [1, 2]})"),
               "keypoints are x, y, visibility each, got 2 numbers");
  EXPECT_ERROR(truth("", "{" + head + R"(, "segmentation": [1, 2]})"), "a segmentation is a list of polygons");
  EXPECT_ERROR(truth("", "{" + head + R"(, "segmentation": {"size": [1, 2]}})"), "wants \"size\" and \"counts\"");
  EXPECT_ERROR(truth("", "{" + head + R"(, "segmentation": {"size": [1, 2], "counts": [-1]}})"), "a run of -1 pixels");
  EXPECT_ERROR(parse_coco_results("{}", "r.json"), "results are a list");
  EXPECT_ERROR(parse_coco_results("[{" + head + "}]", "r.json"), "has no \"score\"");
  EXPECT_ERROR(parse_coco_results(std::string(500, '['), "r.json"), "expected a table, got a list");
  EXPECT_ERROR(parse_coco_results("[{\"a\": " + std::string(500, '['), "r.json"), "nested more than 200 deep");
  EXPECT_ERROR(read_coco_truth("no-such.json"), "no-such.json: No such file");
}

TEST(CocoJson, MasksThatDoNotFit) {
  const auto mask = [](const std::string& text) {
    const auto made =
        parse_coco_results(R"([{"image_id": 1, "category_id": 1, "score": 1, "segmentation": )" + text + "}]", "r");
    return coco_mask(made[0].segmentation, 5, 6, "r.json at byte 1");
  };
  EXPECT_FALSE(mask("[]").has_value());
  EXPECT_ERROR(mask("[[1, 2, 3, 4]]"), "r.json at byte 1: a polygon needs at least three corners, got 2");
  EXPECT_ERROR(mask(R"({"size": [6, 5], "counts": [30]})"),
               "the mask is of a picture of 5 x 6 pixels, but the picture has 6 x 5");
  EXPECT_ERROR(mask(R"({"size": [5, 6], "counts": [31]})"),
               "the runs of the mask cover 31 pixels, but the picture has 6 x 5 = 30");
  EXPECT_ERROR(mask(R"({"size": [5, 6], "counts": "Z"})"), "the mask's text is cut off");
}

TEST(CocoJson, DamagedFilesAreRefusedOrRead) {
  const auto view = [](std::span<const std::byte> bytes) {
    return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  test::damage_everywhere(
      [&](std::span<const std::byte> bytes) {
        const auto truth = parse_coco_truth(view(bytes), "t");
        for (const auto& annotation : truth.annotations) (void)coco_mask(annotation.segmentation, 5, 6, "t");
      },
      kTruth, true);
  test::damage_everywhere([&](std::span<const std::byte> bytes) { (void)parse_coco_results(view(bytes), "r"); },
                          kResults, true);
}

TEST(CocoJson, KnowsTheNumbersOfItsOwnClasses) {
  std::vector<std::string> classes = {"person", "bicycle", "car",  "motorbike",     "aeroplane",    "bus",
                                      "train",  "truck",   "boat", "traffic light", "fire hydrant", "stop sign"};
  EXPECT_TRUE(coco_numbers(classes).empty());
  const auto names = test::data_folder().parent_path() / "weights/yolo-fastest/coco.names";
  NEEDS_DATA(names);
  std::istringstream lines(read_file(names));
  classes.clear();
  for (std::string line; std::getline(lines, line);) classes.push_back(line);
  const auto numbers = coco_numbers(classes);
  ASSERT_EQ(numbers.size(), 80u);
  EXPECT_EQ(numbers[0], 1);
  EXPECT_EQ(numbers[11], 13);  // stop sign
  EXPECT_EQ(numbers[62], 72);  // tv
  EXPECT_EQ(numbers[79], 90);
  classes[57] = "couch";
  EXPECT_EQ(coco_numbers(classes), numbers);
  std::swap(classes[0], classes[1]);
  EXPECT_TRUE(coco_numbers(classes).empty());
}
