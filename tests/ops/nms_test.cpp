// Suppression against torchvision's, with boxes and scores that repeat; soft suppression against the paper's figure 2.
#include "hadal/ops/nms.h"

#include "hadal/io/safetensors.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {

const NamedTensors& nms_reference() {
  static const auto file = read_safetensors(golden("boxes.safetensors"));
  return file;
}

}  // namespace

TEST(Nms, KeepsWhatTorchvisionKeeps) {
  const auto& boxes = nms_reference().at("nms/boxes");
  const auto &scores = nms_reference().at("nms/scores"), &classes = nms_reference().at("nms/classes");
  for (const auto* iou : {"0.3", "0.5", "0.7"}) {
    EXPECT_TRUE(torch::equal(nms(boxes, scores, std::stod(iou)), nms_reference().at(std::string("nms/") + iou)));
    EXPECT_TRUE(
        torch::equal(nms(boxes, scores, classes, std::stod(iou)), nms_reference().at(std::string("nms/class/") + iou)));
  }
}

TEST(Nms, AnswersTheSameClassByClassAsAlone) {
  torch::manual_seed(1);
  const auto corner = torch::rand({4000, 2}) * 90;
  const auto boxes = torch::cat({corner, corner + torch::rand({4000, 2}) * 20}, 1);
  const auto scores = (torch::rand({4000}) * 100).round(), classes = torch::randint(0, 7, {4000}, torch::kInt64);
  const auto together = nms(boxes, scores, classes, 0.5);
  std::set<int64_t> alone;
  for (int64_t c = 0; c < 7; ++c) {
    const auto of_class = classes.eq(c).nonzero().squeeze(1);
    const auto kept =
        of_class.index_select(0, nms(boxes.index_select(0, of_class), scores.index_select(0, of_class), 0.5));
    for (int64_t i = 0; i < kept.size(0); ++i) alone.insert(kept[i].item<int64_t>());
  }
  EXPECT_EQ(together.size(0), static_cast<int64_t>(alone.size()));
  for (int64_t i = 0; i < together.size(0); ++i) EXPECT_TRUE(alone.count(together[i].item<int64_t>()));
  EXPECT_TRUE(scores.index_select(0, together).diff().le(0).all().item<bool>());
}

TEST(Nms, LowersScoresSoftlyAsThePaperDoes) {
  const auto boxes = nms_reference().at("nms/boxes").slice(0, 0, 120).to(torch::kFloat64);
  for (const auto& [name, kind] :
       {std::pair{"linear", SoftNms::Kind::linear}, std::pair{"gaussian", SoftNms::Kind::gaussian}}) {
    const auto [places, lowered] = soft_nms(boxes, nms_reference().at("soft/scores"), {}, SoftNms{.kind = kind});
    const auto key = std::string("soft/") + name;
    EXPECT_TRUE(torch::equal(places, nms_reference().at(key)));
    EXPECT_LT(relative_error(lowered, nms_reference().at(key + "/scores")), 1e-9);
  }
  const auto alone = torch::arange(120);  // each box of a class of its own: nothing is lowered
  EXPECT_TRUE(torch::equal(soft_nms(boxes, nms_reference().at("soft/scores"), alone, {}).second,
                           std::get<0>(nms_reference().at("soft/scores").sort(0, true))));
}

TEST(Nms, OfNothingIsNothing) {
  EXPECT_EQ(nms(torch::zeros({0, 4}), torch::zeros({0}), 0.5).size(0), 0);
  EXPECT_EQ(nms(torch::zeros({0, 4}), torch::zeros({0}), torch::zeros({0}, torch::kInt64), 0.5).size(0), 0);
  EXPECT_EQ(soft_nms(torch::zeros({0, 4}), torch::zeros({0}), {}, {}).first.size(0), 0);
  EXPECT_ERROR(nms(torch::zeros({2, 4}), torch::zeros({3}), 0.5), "got (2, 4), (3) and none");
}
