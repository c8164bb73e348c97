#include "hadal/trained/vision/tracker.h"

#include "hadal/io/safetensors.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

Tensor golden(const std::string& name) { return read_safetensors(test::golden("tracking.safetensors")).at(name); }

std::vector<int64_t> ids_of(Tracker& tracker, std::vector<std::array<double, 3>> middles) {
  auto boxes = torch::zeros({std::ssize(middles), 4}, torch::kFloat64), scores = torch::zeros({std::ssize(middles)});
  for (int64_t i = 0; i < std::ssize(middles); ++i) {
    const auto [x, y, score] = middles[static_cast<size_t>(i)];
    boxes[i] = torch::tensor({x - 10, y - 20, x + 10, y + 20}, torch::kFloat64);
    scores[i] = score;
  }
  return tracker.update(boxes, scores);
}

}  // namespace

TEST(Tracker, FollowsAsByteTrackDoes) {
  const auto rows = golden("track.rows");  // frame, x1 y1 x2 y2, score, object
  Tracker tracker;
  const auto frames = rows.select(1, 0);
  int64_t given = 0;
  for (int64_t t = 0; t <= frames.max().item<int64_t>(); ++t) {
    const auto of = rows.index({frames == static_cast<double>(t)});
    const auto ids = tracker.update(of.slice(1, 1, 5), of.select(1, 5));
    for (int64_t i = 0; i < of.size(0); ++i) {
      ASSERT_EQ(ids[static_cast<size_t>(i)], of[i][6].item<int64_t>()) << "frame " << t << ", detection " << i;
      given += ids[static_cast<size_t>(i)] > 0;
    }
  }
  EXPECT_GT(given, 500);
}

TEST(Tracker, MovesBoxesAsTheReferencesFilterDoes) {
  const auto states = golden("motion");
  BoxMotion motion({80, 10, 120, 90});
  for (int64_t t = 0; t < states.size(0); ++t) {
    if (t > 0) motion.step(t != 5 && t != 6);
    if (t > 0 && t != 5 && t != 6) {
      const auto x = 100.0 + 3 * t, y = 50.0 - t, h = 80.0 + t, w = h * (0.5 + 0.01 * t);
      motion.see({x - w / 2, y - h / 2, x + w / 2, y + h / 2});
    }
    const auto box = motion.box();
    const auto height = states[t][3].item<double>(), width = states[t][2].item<double>() * height;
    EXPECT_NEAR(box[2] - box[0], width, 1e-9) << t;
    EXPECT_NEAR(box[3] - box[1], height, 1e-9) << t;
    EXPECT_NEAR((box[0] + box[2]) / 2, states[t][0].item<double>(), 1e-9) << t;
    EXPECT_NEAR((box[1] + box[3]) / 2, states[t][1].item<double>(), 1e-9) << t;
  }
}

TEST(Tracker, KeepsIdsWherePathsCross) {
  Tracker tracker;
  for (int64_t t = 0; t < 60; ++t) {
    const auto x = static_cast<double>(4 * t);
    // One goes right, one left, on lines 12 pixels apart; the order of detections changes.
    const std::array<double, 3> right{x, 100, 0.9}, left{240 - x, 112, 0.8};
    const auto ids = t % 2 ? ids_of(tracker, {left, right}) : ids_of(tracker, {right, left});
    EXPECT_EQ(ids, (t % 2 ? std::vector<int64_t>{2, 1} : std::vector<int64_t>{1, 2})) << t;
  }
}

TEST(Tracker, RemembersTheHiddenAndTheFaint) {
  Tracker tracker;
  for (int64_t t = 0; t < 50; ++t) {
    const auto x = static_cast<double>(3 * t);
    if (t >= 20 && t < 28) {
      EXPECT_TRUE(ids_of(tracker, {}).empty());
      continue;
    }
    const bool faint = t >= 10 && t < 15;
    EXPECT_EQ(ids_of(tracker, {{x, 100, faint ? 0.15 : 0.9}}), (std::vector<int64_t>{1})) << t;
  }
  // Out of sight for too long, it is another one; seen for the first time, none yet.
  for (int64_t t = 0; t < 40; ++t) ids_of(tracker, {});
  EXPECT_EQ(ids_of(tracker, {{290, 100, 0.9}}), (std::vector<int64_t>{-1}));
  EXPECT_EQ(ids_of(tracker, {{293, 100, 0.9}}), (std::vector<int64_t>{2}));
}

TEST(Tracker, DoesNotFollowTheFaintOrTheFlat) {
  Tracker tracker;
  EXPECT_EQ(ids_of(tracker, {{10, 10, 0.2}, {80, 80, 0.05}}), (std::vector<int64_t>{-1, -1}));
  EXPECT_EQ(tracker.update(torch::tensor({{5., 5., 9., 5.}}), torch::tensor({0.9})), (std::vector<int64_t>{-1}));
}

TEST(Tracker, ATableHasRoomForWhoComesWhenAnotherHasGone) {
  TrackColumns columns(2);
  using Ids = std::vector<int64_t>;
  EXPECT_EQ(columns.update({3}), (Ids{3, -1}));
  EXPECT_EQ(columns.update({5, 3}), (Ids{3, 5}));
  EXPECT_EQ(columns.update({7, 5, 3}), (Ids{3, 5})) << "there is no room for a third";
  EXPECT_EQ(columns.update({5}), (Ids{-1, 5}));
  EXPECT_EQ(columns.update({3, 5}), (Ids{3, 5})) << "each comes back to its own";
  EXPECT_EQ(columns.update({9, 3}), (Ids{3, 9}));
  EXPECT_EQ(columns.update({-1}), (Ids{-1, -1}));
  EXPECT_EQ(TrackColumns(0).update({1}), Ids{});
}
