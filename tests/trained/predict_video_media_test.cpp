// `hadal predict` on videos, with models that are none: one that answers every frame, one that finds red squares.
#include "hadal/io/file.h"
#include "hadal/io/image.h"
#include "hadal/trained/predict.h"
#include "hadal/trained/vision/detection_answers.h"

#include "tests/support/support.h"

using namespace hadal;
using nlohmann::json;

namespace {

/// Two red squares with a point in each, on lines of their own; one goes right, one left.
void write_clip(const std::filesystem::path& path, int64_t frames, double rate = 25) {
  VideoWriter writer(path, rate);
  for (int64_t i = 0; i < frames; ++i) {
    auto image = torch::full({64, 96, 3}, 40, torch::kUInt8);
    image.slice(0, 8, 24).slice(1, 2 * i, 2 * i + 16).select(2, 0).fill_(230);
    image.slice(0, 40, 56).slice(1, 80 - 2 * i, 96 - 2 * i).select(2, 0).fill_(230);
    writer.add(image);
  }
  writer.close();
}

/// Says how red a picture is; draws its answer as a PNG alone, as models do that know nothing of videos.
class Redness : public Trained {
 public:
  Model& model() override { return model_; }
  Takes takes() const override { return Takes::picture; }
  std::string summary() const override { return "redness"; }
  int64_t at_once() const override { return 4; }
  std::vector<Answer> predict(std::span<const Input> inputs, const Table&) override {
    most = std::max(most, std::ssize(inputs));
    std::vector<Answer> answers;
    for (const auto& input : inputs) {
      const auto image = input.image.defined() ? input.image : decode_image(input.bytes, input.name);
      const auto red = image.select(2, 0).gt(130).sum().item<int64_t>();
      answers.push_back({{{"input", input.name}, {"red", red}}, {}, {}});
      answers.back().files = {{".png", [image] { return encode_png(255 - image); }}, {".txt", [] { return "x"; }}};
    }
    return answers;
  }
  ptrdiff_t most = 0;

 private:
  Model model_;
};

std::vector<json> lines_of(const std::filesystem::path& folder) {
  std::vector<json> out;
  std::istringstream lines(read_file(folder / "predictions.jsonl"));
  for (std::string line; std::getline(lines, line);) out.push_back(json::parse(line));
  return out;
}

int64_t frames_of(const std::filesystem::path& path) {
  VideoReader reader(path);
  int64_t count = 0;
  while (reader.next()) ++count;
  return count;
}

}  // namespace

TEST(PredictVideo, IsALineAFrameAndAVideo) {
  const test::TemporaryFolder folder;
  write_clip(folder / "in/clip.mp4", 10);
  write_clip(folder / "in/b.mkv", 6);
  write_image(folder / "in/a.png", torch::zeros({8, 8, 3}, torch::kUInt8));
  Redness redness;
  const auto sources = list_inputs(Takes::picture, {(folder / "in").string()}, {});
  ASSERT_EQ(sources.size(), 3u);
  const auto count = predict_all(redness, sources, {}, {.out = folder / "out"});
  EXPECT_EQ(count.answered, 17);
  EXPECT_EQ(redness.most, 4) << "a video is not held as a whole";
  const auto lines = lines_of(folder / "out");
  ASSERT_EQ(lines.size(), 17u);
  EXPECT_FALSE(lines[0].contains("frame"));
  EXPECT_EQ(lines[1].at("input"), (folder / "in/b.mkv").string());
  EXPECT_EQ(lines[1].at("frame"), 0);
  EXPECT_EQ(lines[16].at("frame"), 9);
  EXPECT_DOUBLE_EQ(lines[16].at("time").get<double>(), 0.36);
  EXPECT_NEAR(lines[16].at("red").get<int64_t>(), 512, 80);
  EXPECT_TRUE(std::filesystem::exists(folder / "out/pictures/a.png"));
  EXPECT_TRUE(std::filesystem::exists(folder / "out/clip-9.txt"));
  EXPECT_EQ(frames_of(folder / "out/clip.mp4"), 10);
  EXPECT_EQ(frames_of(folder / "out/b.mp4"), 6);
  VideoReader reader(folder / "out/clip.mp4");
  EXPECT_EQ(reader.rate(), 25);
  const auto first = reader.next();
  ASSERT_TRUE(first);
  EXPECT_NEAR(first->image[36][48][0].item<int64_t>(), 215, 14) << "what the model drew";
}

TEST(PredictVideo, IsNotWrittenOverAndEndsAtTheLimit) {
  const test::TemporaryFolder folder;
  write_clip(folder / "clip.mp4", 10);
  Redness redness;
  const auto sources = list_inputs(Takes::picture, {(folder / "cl*.mp4").string()}, {});
  ASSERT_EQ(sources.size(), 1u);
  EXPECT_EQ(predict_all(redness, sources, {}, {.out = folder.path(), .limit = 7}).answered, 7);
  EXPECT_EQ(frames_of(folder / "clip.mp4"), 10);
  EXPECT_EQ(frames_of(folder / "clip-2.mp4"), 7);
  EXPECT_ERROR(list_inputs(Takes::picture, {(folder / "no*.mp4").string()}, {}), "nothing matches");
}

TEST(PredictVideo, CutShortAnswersWhatDecodes) {
  const test::TemporaryFolder folder;
  write_clip(folder / "clip.mkv", 40);
  const auto bytes = read_file(folder / "clip.mkv");
  write_file(folder / "clip.mkv", bytes.substr(0, bytes.size() * 3 / 4));
  write_file(folder / "text.mp4", "no video");
  write_clip(folder / "whole.mp4", 3);
  Redness redness;
  const auto count = predict_all(
      redness,
      list_inputs(Takes::picture,
                  {(folder / "text.mp4").string(), (folder / "clip.mkv").string(), (folder / "whole.mp4").string()},
                  {}),
      {}, {.out = folder / "out"});
  EXPECT_EQ(count.failed, 2);
  EXPECT_GT(count.answered, 4);
  EXPECT_LT(count.answered, 40);
  const auto lines = lines_of(folder / "out");
  EXPECT_THAT(lines[0].at("error").get<std::string>(), testing::HasSubstr("text.mp4: not a video"));
  EXPECT_THAT(lines[lines.size() - 4].at("error").get<std::string>(), testing::HasSubstr("clip.mkv: cut short"));
  EXPECT_EQ(frames_of(folder / "out/clip.mp4"), count.answered - 3);
  EXPECT_EQ(frames_of(folder / "out/whole.mp4"), 3);
}

TEST(PredictVideo, PointsAreATableForAllVideos) {
  const SceneAbout about{.classes = {"mouse, grey"}, .keypoints = {"nose", "tail"}};
  EXPECT_EQ(points_table_head(about), "input,frame,time,id,class,nose_x,nose_y,nose_score,tail_x,tail_y,tail_score\n");
  Detection found{.name = "mouse, grey", .score = 0.9, .keypoints = torch::tensor({{1.5, 2.25, 0.5}, {3., 4., 1.}})};
  const Input input{.name = "clip.mp4", .frame = 17, .time = 0.68};
  EXPECT_EQ(points_table(input, {found}), "clip.mp4,17,0.68,,\"mouse, grey\",1.50,2.25,0.5000,3.00,4.00,1.0000\n");
  found.id = 3;
  EXPECT_EQ(points_table(input, {found}), "clip.mp4,17,0.68,3,\"mouse, grey\",1.50,2.25,0.5000,3.00,4.00,1.0000\n");
  EXPECT_EQ(detections_json({found})[0].at("id"), 3);
}
