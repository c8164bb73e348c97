#include "hadal/metrics/coco.h"

#include <nlohmann/json.hpp>

#include "hadal/io/file.h"
#include "hadal/metrics/coco_errors.h"
#include "hadal/metrics/coco_files.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

using Json = nlohmann::json;
using Numbers = std::vector<double>;

CocoFiles files(const Json& one) {
  CocoSettings settings{.kind = coco_kind(one["kind"].get<std::string>()), .one_class = one["name"] == "one class"};
  const auto truth = parse_coco_truth(one["truth"].dump(), "truth");
  return make_coco_files(truth, parse_coco_results(one["found"].dump(), "found"), "found", settings);
}

Json cases() { return Json::parse(read_file(test::golden("coco/scores.json"))); }

Json case_named(const std::string& name) {
  for (auto& one : cases())
    if (one["name"] == name) return one;
  throw Error("no case " + name);
}

void expect_summary(const CocoScores& scores, const Numbers& expected) {
  ASSERT_GE(scores.summary.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(scores.summary[i].second, expected[i], 1e-9) << scores.summary[i].first;
}

// A picture's truth: a box of 40 x 40 at 10, 10, found with this shift and score.
CocoObject square(int64_t picture, double shift = 0, double score = 1, int64_t label = 0) {
  return {.picture = picture, .label = label, .score = score, .box = {10 + shift, 10, 40, 40}};
}

}  // namespace

TEST(Coco, ScoresAreThoseOfPycocotools) {
  for (const auto& one : cases()) {
    SCOPED_TRACE(one["name"].get<std::string>());
    const auto read = files(one);
    const auto scores = read.evaluation.scores();
    expect_summary(scores, one["stats"].get<Numbers>());
    const auto labels = one["classes"].get<std::vector<int64_t>>();
    const auto ranges = scores.settings.ranges.size(), thresholds = scores.settings.thresholds.size(),
               most = scores.settings.most.size();
    for (size_t k = 0; k < scores.classes.size(); ++k) {
      const auto row = scores.settings.one_class
                           ? 0
                           : std::find(labels.begin(), labels.end(), scores.classes[k].label) - labels.begin();
      const auto& precision = one["precision"][static_cast<size_t>(row)];
      const auto& confidence = one["confidence"][static_cast<size_t>(row)];
      const auto& recall = one["recall"][static_cast<size_t>(row)];
      for (size_t a = 0; a < ranges; ++a)
        for (size_t t = 0; t < thresholds; ++t) {
          const auto* curve = scores.curve(k, t, a);
          EXPECT_NEAR(std::accumulate(curve, curve + 101, 0.0) / 101, precision[a][t].get<double>(), 1e-9);
          const auto* score = scores.confidence.data() + (curve - scores.precision.data());
          EXPECT_NEAR(std::accumulate(score, score + 101, 0.0) / 101, confidence[a][t].get<double>(), 1e-9);
          for (size_t m = 0; m < most; ++m)
            EXPECT_NEAR(scores.recall[((k * ranges + a) * most + m) * thresholds + t], recall[a][m][t].get<double>(),
                        1e-9);
        }
    }
  }
}

TEST(Coco, OneThreadAndSeveralGiveTheSame) {
  const auto read = files(case_named("ties"));
  const auto before = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = read.evaluation.scores();
  at::set_num_threads(4);
  const auto several = read.evaluation.scores();
  at::set_num_threads(before);
  EXPECT_EQ(one.summary, several.summary);
  EXPECT_EQ(one.precision, several.precision);
}

TEST(Coco, ErrorsAreThoseOfTide) {
  int checked = 0;
  for (const auto& one : cases()) {
    if (!one.contains("tide")) continue;
    SCOPED_TRACE(one["name"].get<std::string>());
    ++checked;
    const auto errors = coco_errors(files(one).evaluation);
    const auto& tide = one["tide"];
    EXPECT_NEAR(errors.ap * 100, tide["ap"].get<double>(), 1e-9);
    const char* names[] = {"Cls", "Loc", "Both", "Dupe", "Bkg", "Miss"};
    for (size_t i = 0; i < 6; ++i) {
      EXPECT_NEAR(errors.lost[i] * 100, tide["errors"][names[i]].get<double>(), 1e-9) << names[i];
      EXPECT_EQ(errors.count[i], tide["counts"][names[i]].get<int64_t>()) << names[i];
    }
    EXPECT_NEAR(errors.lost_to_wrong * 100, tide["special"]["FalsePos"].get<double>(), 1e-9);
    EXPECT_NEAR(errors.lost_to_missed * 100, tide["special"]["FalseNeg"].get<double>(), 1e-9);
  }
  EXPECT_EQ(checked, 4);
}

TEST(Coco, ConfusionHasARowAndAColumnForNothing) {
  CocoEvaluation evaluation;
  evaluation.add_truth(square(1, 0, 1, 3));
  evaluation.add_truth(square(1, 100, 1, 5));
  evaluation.add_truth(square(1, 300, 1, 5));
  auto crowd = square(1, 200, 1, 3);
  crowd.crowd = true;
  evaluation.add_truth(crowd);
  evaluation.add_found(square(1, 2, .9, 5));    // a 3 taken for a 5
  evaluation.add_found(square(1, 101, .5, 5));  // right
  evaluation.add_found(square(1, 103, .9, 5));  // a double: nothing is there any more
  evaluation.add_found(square(1, 200, .9, 3));  // on the crowd
  evaluation.add_found(square(1, 300, .1, 5));  // not sure enough
  const auto confusion = coco_confusion(evaluation);
  EXPECT_EQ(confusion.labels, (std::vector<int64_t>{3, 5}));
  EXPECT_EQ(confusion.counts, (std::vector<int64_t>{0, 1, 0, 0, 1, 1, 0, 1, 0}));
}

TEST(Coco, TensorsOfAPictureBecomeObjects) {
  const auto boxes = torch::tensor({{1.f, 2.f, 4.f, 6.f}, {0.f, 0.f, 1.f, 1.f}});
  const auto masks = torch::stack({torch::ones({4, 5}), torch::zeros({4, 5})});
  const auto points = torch::tensor({{{1.f, 2.f, 2.f}}, {{1.f, 2.f, 0.f}}});
  const auto objects = coco_objects(9, boxes, torch::tensor({3, 4}), torch::tensor({.5f, .25f}), masks, points);
  ASSERT_EQ(objects.size(), 2);
  EXPECT_EQ(objects[0].picture, 9);
  EXPECT_EQ(objects[1].label, 4);
  EXPECT_EQ(objects[0].box, (std::array<double, 4>{1, 2, 3, 4}));
  EXPECT_EQ(objects[1].score, .25);
  EXPECT_EQ(rle_area(objects[0].mask), 20);
  EXPECT_EQ(objects[0].keypoints, (Numbers{1, 2, 2}));
  EXPECT_FALSE(objects[0].ignore);
  EXPECT_TRUE(objects[1].ignore);
  EXPECT_ERROR(coco_objects(9, boxes, torch::tensor({3})), "boxes (N, 4), labels (N)");
}

TEST(Coco, NothingAtAll) {
  const auto scores = CocoEvaluation().scores();
  EXPECT_EQ(scores.at("AP"), -1);
  EXPECT_EQ(scores.at("AR_large"), -1);
  EXPECT_TRUE(scores.classes.empty());
  CocoEvaluation only_truth;
  only_truth.add_truth(square(1));
  EXPECT_EQ(only_truth.scores().at("AP"), 0);
  EXPECT_EQ(only_truth.scores().at("AP_small"), -1);
  EXPECT_EQ(coco_errors(only_truth).count[5], 1);
  EXPECT_EQ(coco_errors(only_truth).lost_to_missed, 0);
  EXPECT_EQ(coco_errors(CocoEvaluation()).ap, 0);
}

TEST(Coco, OtherThresholdsAndCounts) {
  CocoEvaluation evaluation({.thresholds = {.5, .9}, .most = {1, 2}});
  for (int64_t picture = 0; picture < 4; ++picture) {
    evaluation.add_truth(square(picture));
    evaluation.add_found(square(picture, picture == 0 ? 0 : 8, .5));
  }
  const auto scores = evaluation.scores();
  EXPECT_NEAR(scores.at("AP50"), 1, 1e-12);
  EXPECT_EQ(scores.at("AP75"), -1);
  EXPECT_NEAR(scores.at("AR2"), (1 + .25) / 2, 1e-12);
  EXPECT_EQ(scores.classes[0].truth, 4);
  EXPECT_ERROR(scores.at("AP5"), "there is no score \"AP5\"; nearest: AP");
}

TEST(Coco, RefusesWhatCannotBeScored) {
  CocoEvaluation boxes, masks({.kind = CocoKind::kMask}), points({.kind = CocoKind::kKeypoints});
  EXPECT_ERROR(boxes.add_found(square(7, 0, NAN)), "[coco] a result of picture 7 has the score nan");
  EXPECT_ERROR(boxes.add_truth(square(7, INFINITY)), "[coco] an object of picture 7 has inf in its box");
  EXPECT_ERROR(masks.add_truth(square(7)), "has no mask");
  EXPECT_ERROR(points.add_found(square(7)), "has 0 numbers for its keypoints, expected 51");
  EXPECT_ERROR(CocoEvaluation({.thresholds = {0}}), "a threshold is above 0 and at most 1, got 0");
  EXPECT_ERROR(CocoEvaluation({.most = {10, 1}}), "must be at least 1, and rise");
  EXPECT_ERROR(CocoEvaluation({.thresholds = Numbers(33, .5)}), "at most 32 thresholds");
  EXPECT_ERROR(coco_kind("box"), "iou is bbox, segm or keypoints, got \"box\"; nearest: bbox");
}
