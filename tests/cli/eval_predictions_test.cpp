// eval of a results file in COCO's form.
#include <nlohmann/json.hpp>

#include "tests/support/program.h"

namespace hadal {
namespace {

using nlohmann::json;
using test::expect_mistake;

const char* const kTruth = R"({"images": [{"id": 1, "width": 20, "height": 10}, {"id": 2, "width": 20, "height": 10}],
  "categories": [{"id": 5, "name": "cat"}, {"id": 6, "name": "dog \u00e4"}], "annotations": [
  {"id": 1, "image_id": 1, "category_id": 5, "bbox": [2, 2, 6, 6], "area": 36, "iscrowd": 0},
  {"id": 2, "image_id": 2, "category_id": 6, "bbox": [2, 2, 6, 6], "area": 36, "iscrowd": 0}]})";
const char* const kResults = R"([{"image_id": 1, "category_id": 5, "bbox": [2, 2, 6, 6], "score": 0.5},
  {"image_id": 2, "category_id": 7, "bbox": [2, 2, 6, 6], "score": 0.5}])";

class EvalPredictions : public testing::Test {
 protected:
  void SetUp() override {
    write_file(folder_ / "truth.json", kTruth);
    write_file(folder_ / "results.json", kResults);
  }
  test::Ran run(std::vector<std::string> more) {
    more.insert(more.begin(), "eval");
    return test::run_program(more, folder_.path());
  }
  test::TemporaryFolder folder_;
};

TEST_F(EvalPredictions, PrintsATableAndWritesFlatMetrics) {
  const auto ran = run({"predictions=results.json", "data=truth.json", "iou=bbox", "out=scores"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  for (const auto* text : {"1 results for 2 objects in 2 pictures, 2 classes", "note: 1 of 2 results are of categories",
                           "AP_large", "dog \xc3\xa4", "missed 0.5000"})
    EXPECT_THAT(ran.out, testing::HasSubstr(text));
  const auto metrics = json::parse(read_file(folder_ / "scores/metrics.json"));
  EXPECT_NEAR(metrics.at("AP").get<double>(), .5, 1e-12);
  for (const auto* key : {"AP50", "AP75", "AP_small", "AR1", "AR10", "AR100", "AR_small"})
    EXPECT_NEAR(metrics.at(key).get<double>(), .5, 1e-12) << key;
  for (const auto* key : {"AP_medium", "AP_large", "AR_medium", "AR_large"}) EXPECT_EQ(metrics.at(key), -1) << key;
  EXPECT_NEAR(metrics.at("class/cat/AP").get<double>(), 1, 1e-12);
  EXPECT_EQ(metrics.at("error/missed"), .5);
}

TEST_F(EvalPredictions, MistakesAreOneLine) {
  expect_mistake(run({"predictions=results.json"}), 2, "predictions= wants data=TRUTH.json too");
  expect_mistake(run({"predictions=results.json", "data=truth.json", "iou=box"}), 2, "iou is bbox, segm or keypoints");
  expect_mistake(run({"predictions=results.json", "data=truth.json", "iuo=bbox"}), 2, "does not know iuo=bbox");
  expect_mistake(run({"model", "predictions=results.json", "data=truth.json"}), 2, "what is \"model\"?");
  expect_mistake(run({"predictions=nothing.json", "data=truth.json"}), 1, "nothing.json: No such file");
  expect_mistake(run({"predictions=truth.json", "data=truth.json"}), 1, "results are a list");
  expect_mistake(run({"predictions=results.json", "data=results.json"}), 1, "this is a list, as results are");
  expect_mistake(run({"predictions=results.json", "data=truth.json", "iou=segm"}), 1,
                 "this annotation has no segmentation");
  expect_mistake(run({"predictions=results.json", "data=truth.json", "sigmas=.1"}), 2, "sigmas= is for iou=keypoints");
  expect_mistake(run({"predictions=results.json", "data=truth.json", "iou=keypoints", "sigmas=a"}), 2, "sigmas");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "runs"));
}

}  // namespace
}  // namespace hadal
