#include "hadal/metrics/coco_files.h"

#include <nlohmann/json.hpp>

#include "hadal/io/file.h"
#include "hadal/metrics/keypoints.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

using Json = nlohmann::json;

void expect_oracle(const std::string& truth, const std::string& results, CocoKind kind,
                   const std::vector<double>& expected) {
  const auto folder = test::data_folder() / "coco-oracle";
  NEEDS_DATA(folder / truth);
  const auto scores = read_coco_files(folder / truth, folder / results, {.kind = kind}).evaluation.scores();
  ASSERT_EQ(scores.summary.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)  // the numbers are given with ten digits
    EXPECT_NEAR(scores.summary[i].second, expected[i], 1e-9) << scores.summary[i].first;
}

const std::string kTruth = R"({"images": [{"id": 1, "width": 20, "height": 10}],
  "categories": [{"id": 5, "name": "cat"}], "annotations": [
  {"id": 1, "image_id": 1, "category_id": 5, "bbox": [2, 2, 6, 6], "area": 36, "iscrowd": 0,
   "segmentation": [[2, 2, 8, 2, 8, 8, 2, 8]]}]})";

CocoFiles read(const std::string& results, CocoKind kind = CocoKind::kBox, const std::string& truth = kTruth) {
  return make_coco_files(parse_coco_truth(truth, "truth"), parse_coco_results(results, "results"), "results",
                         {.kind = kind});
}

std::string result(const std::string& rest) {
  return R"([{"image_id": 1, "category_id": 5, "score": 1, )" + rest + "}]";
}

}  // namespace

TEST(CocoFiles, TheBoxOracle) {
  expect_oracle("instances_val2014_100.json", "instances_val2014_fakebbox100_results.json", CocoKind::kBox,
                {.5045806987, .6969727247, .5729816670, .5856257209, .5193996948, .5013978986, .3868127796, .5936795763,
                 .5953529829, .6398109626, .5664205979, .5642905983});
}

TEST(CocoFiles, TheMaskOracle) {
  expect_oracle("instances_val2014_100.json", "instances_val2014_fakesegm100_results.json", CocoKind::kMask,
                {.3195452759, .5622883973, .2989265341, .3873740316, .3101827240, .3269339071, .2682297226, .4154486811,
                 .4168394992, .4694498623, .3767592267, .3814715100});
}

TEST(CocoFiles, TheKeypointOracle) {
  expect_oracle("keypoints_gt.json", "keypoints_dt.json", CocoKind::kKeypoints,
                {.5048844884, .7227722772, .6336633663, .4663366337, .7504950495, .5181818182, .7272727273, .6363636364,
                 .4666666667, .7500000000});
}

// mmpose's own test: the truth moved a little, scored by box and keypoints, doubles taken out.
TEST(CocoFiles, TheOracleWithScoresOfKeypointsAndSuppression) {
  const auto path = test::data_folder() / "coco-minis/test_coco.json";
  NEEDS_DATA(path);
  const auto truth = read_coco_truth(path);
  std::map<int64_t, std::vector<FoundKeypoints>> found;
  for (const auto& annotation : truth.annotations) {
    FoundKeypoints one;
    for (size_t i = 0; i < annotation.keypoints.size(); ++i) {
      const float by[] = {.98f, 1.02f, .8f};  // mmpose's numbers are single precision
      one.keypoints.push_back(static_cast<float>(annotation.keypoints[i]) * by[i % 3]);
    }
    one.score = keypoint_score(1 * .98f, one.keypoints);
    one.area = annotation.bbox->at(2) * 1.25 * annotation.bbox->at(3) * 1.25;
    found[annotation.image_id].push_back(one);
  }
  std::vector<CocoAnnotation> results;
  for (const auto& [picture, objects] : found)
    for (const auto i : keypoint_nms(objects, .9, coco_sigmas())) {
      auto& line = results.emplace_back();
      line.image_id = picture, line.category_id = 1;
      line.score = objects[i].score, line.keypoints = objects[i].keypoints;
    }
  EXPECT_EQ(results.size(), 14);
  const auto scores = make_coco_files(truth, results, "results", {.kind = CocoKind::kKeypoints}).evaluation.scores();
  const double expected[] = {.5287458745874587,  .9042904290429042, .5009900990099009,
                             .42475247524752474, .6219554455445544, .5833333333333333,
                             .9166666666666666,  .5833333333333334, .44,
                             .6857142857142857};
  for (size_t i = 0; i < scores.summary.size(); ++i)
    EXPECT_NEAR(scores.summary[i].second, expected[i], 1e-9) << scores.summary[i].first;
}

TEST(CocoFiles, WhatIsLeftOutIsSaid) {
  EXPECT_NEAR(read(result(R"("bbox": [2, 2, 6, 6])")).evaluation.scores().at("AP"), 1, 1e-12);
  const auto notes = [](const CocoFiles& files) { return files.notes.empty() ? "" : files.notes[0]; };
  EXPECT_EQ(notes(read(result(R"("bbox": [2, 2, 6, 6])"))), "");
  EXPECT_THAT(notes(read("[]")), testing::HasSubstr("there are no results"));
  EXPECT_EQ(read("[]").evaluation.scores().at("AP"), 0);
  EXPECT_THAT(notes(read(R"([{"image_id": 1, "category_id": 6, "score": 1, "bbox": [1, 1, 1, 1]},
                             {"image_id": 1, "category_id": 5, "score": 1, "bbox": [1, 1, 1, 1]}])")),
              testing::HasSubstr("1 of 2 results are of categories that the truth does not have (6)"));
  auto truth = kTruth;
  truth.replace(truth.find("\"id\": 1, \"image_id\""), 7, "\"id\": 0");
  const auto zero = read(result(R"("bbox": [2, 2, 6, 6])"), CocoKind::kBox, truth);
  EXPECT_THAT(notes(zero), testing::HasSubstr("an annotation has the id 0"));
  EXPECT_EQ(zero.evaluation.scores().at("AP"), 0);
}

TEST(CocoFiles, PointsThatNobodyMeasuredAreAlike) {
  const auto truth = R"({"images": [], "annotations": [], "categories": [{"id": 1, "name": "mouse",
                      "keypoints": ["nose", "tail", "left_ear", "right_ear"]}]})";
  EXPECT_THAT(read("[]", CocoKind::kKeypoints, truth).evaluation.settings().sigmas, testing::Each(.25));
}

// For masks that come without one, the box is the mask.
TEST(CocoFiles, ABoxIsAMaskToo) {
  EXPECT_NEAR(read(result(R"("bbox": [2, 2, 6, 6])"), CocoKind::kMask).evaluation.scores().at("AP"), 1, 1e-12);
  EXPECT_NEAR(read(result(R"("segmentation": [[2, 2, 8, 2, 8, 8, 2, 8]])")).evaluation.scores().at("AP"), 1, 1e-12);
}

TEST(CocoFiles, SaysWhatIsWrong) {
  EXPECT_ERROR(read(R"([{"image_id": 2, "category_id": 5, "score": 1, "bbox": [1, 1, 1, 1]}])"),
               "results entry 1 at byte 1: a result of picture 2, which truth does not have");
  EXPECT_ERROR(read(R"([{"image_id": 1, "category_id": 5, "score": 1, "bbox": [1, 1, 1, 1]},
                       {"image_id": 3, "category_id": 5, "score": 1, "bbox": [1, 1, 1, 1]}])"),
               "results entry 2 at byte 93: a result of picture 3");
  EXPECT_ERROR(read(R"([{"image_id": 1, "category_id": 1, "score": 1, "bbox": [1, 1, 1, 1]}])"),
               "results: no result is of a category that truth has: their category_id is one of 1, the truth's "
               "categories are 5 (cat)");
  EXPECT_ERROR(read(result(R"("keypoints": [1, 1, 1])")), "this result has neither bbox nor segmentation");
  EXPECT_ERROR(read(result(R"("keypoints": [1, 1, 1])"), CocoKind::kMask), "this result has no segmentation");
  EXPECT_ERROR(read(result(R"("bbox": [1, 1, 1, 1])"), CocoKind::kKeypoints), "this result has no keypoints");
  EXPECT_ERROR(read(result(R"("keypoints": [1, 1, 1])"), CocoKind::kKeypoints), "1 keypoints, expected 17");
  EXPECT_ERROR(read(result(R"("segmentation": [[1, 2, 3, 4]])"), CocoKind::kMask),
               "results entry 1 at byte 1: a polygon needs at least three corners, got 2");
  EXPECT_ERROR(read(result(R"("segmentation": {"size": [20, 10], "counts": [200]})"), CocoKind::kMask),
               "the mask is of a picture of 10 x 20 pixels, but the picture has 20 x 10");
  EXPECT_ERROR(read("[]", CocoKind::kBox, R"({"images": [], "annotations": []})"), "this truth has no \"categories\"");
  auto twice = Json::parse(kTruth);
  twice["annotations"].push_back(twice["annotations"][0]);
  EXPECT_ERROR(read("[]", CocoKind::kBox, twice.dump()), "two annotations have the id 1");
  auto bare = Json::parse(kTruth);
  bare["annotations"][0].erase("bbox");
  EXPECT_ERROR(read("[]", CocoKind::kBox, bare.dump()), "this annotation has no bbox");
  bare["annotations"][0].erase("segmentation");
  EXPECT_ERROR(read("[]", CocoKind::kMask, bare.dump()), "this annotation has no segmentation");
}

TEST(CocoFiles, ResultsMayNameTheirPictures) {
  const auto truth = R"({"images": [{"id": 100, "width": 20, "height": 10, "file_name": "in/a.jpg"},
                                    {"id": 200, "width": 20, "height": 10, "file_name": "b.jpg"},
                                    {"id": 300, "file_name": "x/c.jpg"}, {"id": 400, "file_name": "y/c.jpg"}],
    "categories": [{"id": 5, "name": "cat"}, {"id": 17, "name": "dog"}], "annotations": [
    {"id": 1, "image_id": 100, "category_id": 5, "bbox": [2, 2, 6, 6], "area": 36, "iscrowd": 0},
    {"id": 2, "image_id": 200, "category_id": 17, "bbox": [1, 1, 4, 4], "area": 16, "iscrowd": 0}]})";
  const auto results = [&](const std::string& first, const std::string& second) {
    return read(fmt::format(R"([{{{}, "category_id": 5, "score": 1, "bbox": [2, 2, 6, 6]}},
                                {{{}, "category_id": 17, "score": 1, "bbox": [1, 1, 4, 4]}}])",
                            first, second),
                CocoKind::kBox, truth);
  };
  for (const auto& [first, second] :
       {std::pair{R"("image_id": 100)", R"("image_id": 200)"},
        {R"("image_id": "a", "file_name": "a.jpg")", R"("file_name": "out/b.jpg", "image_id": "b")"},
        {R"("image_id": "in/a.jpg")", R"("image_id": "b")"},
        {R"("image_id": 1, "file_name": "a.jpg")", R"("image_id": 200, "file_name": "elsewhere.jpg")"}})
    EXPECT_NEAR(results(first, second).evaluation.scores().at("AP"), 1, 1e-12) << first;
  const auto crossed = results(R"("image_id": 200, "file_name": "a.jpg")", R"("image_id": 100, "file_name": "b.jpg")");
  EXPECT_NEAR(crossed.evaluation.scores().at("AP"), 1, 1e-12);
  EXPECT_THAT(crossed.notes, testing::ElementsAre(testing::HasSubstr("2 results name another picture")));
  EXPECT_ERROR(
      results(R"("image_id": 100)", R"("image_id": "c")"),
      "entry 2 at byte 104: a result of picture \"c\", and no file_name of truth is that of one picture alone");
  EXPECT_ERROR(results(R"("image_id": 7, "file_name": "d.jpg")", R"("image_id": 1)"), "a result of picture 7, which");
}
