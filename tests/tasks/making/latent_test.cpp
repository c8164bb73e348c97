// Diffusion on what a trained autoencoder sees of pictures.
#include "hadal/train/trainer.h"
#include "hadal/data/vision/sources.h"
#include "hadal/trained/making/diffusion_maker.h"

#include "tests/support/support.h"
#include "tests/support/trained.h"

namespace hadal {
namespace {

const Table kShapes{{"size", 16}, {"classes", 3}, {"train", 48}, {"val", 12}, {"test", 12}};
const Table kData = [] {
  auto out = kShapes;
  out.set("kind", "shapes");
  return out;
}();

std::unique_ptr<Task> make(const std::string& task, const Table& settings) {
  TaskContext context;
  context.batch = 8;
  context.workers = 0;
  context.learns = true;
  return tasks().make({task, settings}, context);
}

class Latent : public testing::Test {
 protected:
  Latent() {
    const auto codes = make(
        "vqvae",
        {{"model", Table{{"name", "vqvae"}, {"width", 8}, {"codes", 16}, {"dim", 4}, {"blocks", 1}, {"halvings", 1}}},
         {"prior", Table{{"dim", 8}, {"depth", 1}, {"heads", 2}}},
         {"data", kData}});
    test::save_task(*codes, "vqvae", autoencoder_);
  }
  Table settings(const std::string& process = "flow") const {
    return {{"model", Table{{"name", "unet"}, {"widths", List{8, 8}}, {"head_dim", 8}, {"groups", 2}}},
            {"process", process},
            {"autoencoder", autoencoder_.string()},
            {"conditional", true},
            {"generate", Table{{"sampler", "euler"}, {"steps", 2}}},
            {"data", kData}};
  }

  test::TemporaryFolder folder_;
  std::filesystem::path autoencoder_ = folder_ / "codes.safetensors";
};

TEST_F(Latent, FeaturesAreStandardAndComeBackThroughTheCodes) {
  for (const auto& [process, deviation] : {std::pair{"flow", 1.0}, {"edm", 0.5}}) {
    const auto task = make("diffusion", settings(process));
    const Use use;
    LatentSpace space(autoencoder_.string(), use);
    LatentScale scale;
    read_config(scale, *task->learned().find("latents"), "learned.latents");
    ASSERT_EQ(scale.mean.size(), 4U);
    space.scale(scale, deviation);
    const auto pictures = torch::rand({6, space.pictures().channels, 16, 16}) * 2 - 1;
    const auto latents = space.encode(pictures);
    EXPECT_EQ(latents.sizes(), (std::vector<int64_t>{6, 4, 8, 8}));
    const auto opened = open_trained(autoencoder_);
    auto& codes = *dynamic_cast<VqVaeMaker&>(*opened).model().autoencoder;
    codes.eval();
    const auto direct = mean_picture(codes.likelihood(), codes.decode(codes.encode((pictures + 1) / 2))) * 2 - 1;
    EXPECT_LT((space.decode(latents) - direct).abs().max().item<double>(), 1e-4) << process;
    space.scale({{0, 0, 0, 0}, {1, 1, 1, 1}}, deviation);
    const auto features = codes.features((pictures + 1) / 2) * deviation;
    EXPECT_LT((space.encode(pictures) - features).abs().max().item<double>(), 1e-5) << process;
  }
}

TEST_F(Latent, ScaleComesFromTheTrainingPictures) {
  const auto task = make("diffusion", settings());
  LatentScale scale;
  read_config(scale, *task->learned().find("latents"), "learned.latents");
  LatentSpace space(autoencoder_.string(), Use{});
  const auto data = classification_sources().make({"shapes", kShapes}).open("train");
  std::vector<Tensor> pictures;
  for (int64_t i = 0; i < data->size(); ++i)
    pictures.push_back(data->get(i).image.permute({2, 0, 1}).to(torch::kFloat32) / 127.5 - 1);
  const auto expected = space.measure(torch::stack(pictures));
  for (size_t i = 0; i < expected.mean.size(); ++i) {
    EXPECT_NEAR(scale.mean[i], expected.mean[i], 1e-4);
    EXPECT_NEAR(scale.spread[i], expected.spread[i], 1e-4);
  }
}

TEST_F(Latent, LearnsSavesAndMakesPictures) {
  const auto task = make("diffusion", settings());
  const auto before = read_passport(autoencoder_).tensors;
  const auto first = task->evaluate("val", 12).front().second;
  Trainer(*task, TrainConfig{.steps = 60,
                             .optimizer = {"adam", {{"lr", 2e-3}}},
                             .schedule = {"constant", {}},
                             .device = "cpu",
                             .checkpoint_seconds = 0})
      .run();
  EXPECT_LT(task->evaluate("val", 12).front().second, 0.9 * first);
  const auto path = folder_ / "w.safetensors";
  test::save_task(*task, "diffusion", path);
  const auto maker = load_maker(path);
  EXPECT_EQ(maker->noise_shape(), (std::vector<int64_t>{4, 8, 8}));
  EXPECT_EQ((*maker)(3, {{"class", List{"square"}}}).sizes(), (std::vector<int64_t>{3, 16, 16, 3}));
  EXPECT_FALSE(test::task_of_weights(path)->evaluate("val", 4).empty());
  const auto after = read_passport(autoencoder_).tensors;
  for (size_t i = 0; i < after.size(); ++i) EXPECT_TRUE(after.entries[i].second.equal(before.entries[i].second));
}

TEST_F(Latent, RefusesWhatDoesNotFit) {
  auto other = settings();
  other.set("autoencoder", (folder_ / "none.safetensors").string());
  EXPECT_ERROR(make("diffusion", other), "is not there: train it first, with the task vqvae");
  const auto plain = make("vae", {{"model", Table{{"name", "vae"}, {"hidden", 16}, {"latent", 4}}}, {"data", kData}});
  test::save_task(*plain, "vae", folder_ / "vae.safetensors");
  other.set("autoencoder", (folder_ / "vae.safetensors").string());
  EXPECT_ERROR(make("diffusion", other), "is no VQ-VAE");
  other = settings();
  other.set("model", Table{{"name", "unet"}, {"image", 16}, {"widths", List{8, 8}}, {"head_dim", 8}, {"groups", 2}});
  EXPECT_ERROR(make("diffusion", other), "the network works on 4 x 16 x 16 and the autoencoder");
}

}  // namespace
}  // namespace hadal
