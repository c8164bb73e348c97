// Samples are asked for in one way, whatever makes them.
#include <fstream>

#include "hadal/core/stop.h"
#include "hadal/io/safetensors.h"
#include "hadal/ops/noise.h"
#include "hadal/trained/making/diffusion_maker.h"
#include "hadal/trained/making/gan_maker.h"
#include "hadal/trained/making/vae_maker.h"
#include "hadal/trained/making/vqvae_maker.h"

#include "tests/support/support.h"

namespace hadal {
namespace {

/// A small maker of each task, by class where it can be.
std::vector<std::pair<std::string, Table>> small() {
  return {
      {"gan", {{"model", Table{{"name", "dcgan"}, {"width", 4}, {"classes", 3}}}}},
      {"vae", {{"model", Table{{"name", "vae"}, {"hidden", 8}, {"latent", 4}, {"classes", 3}}}}},
      {"vqvae",
       {{"model", Table{{"name", "vqvae"}, {"width", 8}, {"codes", 16}, {"dim", 4}, {"blocks", 1}}},
        {"prior", Table{{"dim", 8}, {"depth", 1}, {"heads", 2}}},
        {"classes", 3}}},
      {"diffusion",
       {{"model",
         Table{
             {"name", "unet"}, {"image", 16}, {"classes", 3}, {"widths", List{8, 8}}, {"head_dim", 8}, {"groups", 2}}},
        {"generate", Table{{"sampler", "heun"}, {"steps", 3}, {"bound", 0.0}}}}}};
}

std::unique_ptr<Maker> make(const std::string& task, const Table& settings, int64_t batch = 16) {
  Use use;
  use.batch = batch;
  auto made = trained().make({task, settings}, Table{}, use);
  auto* maker = dynamic_cast<Maker*>(made.release());
  // A net that has never learned may end in zeros, which would show nothing.
  const torch::NoGradGuard no_grad;
  torch::manual_seed(3);
  for (auto& parameter : maker->model().parameters())
    if (parameter.dim() > 1) parameter.add_(torch::randn_like(parameter) * 0.2);
  return std::unique_ptr<Maker>(maker);
}

Tensor samples(Maker& maker, const Table& options) { return maker.samples(maker.making(options)); }

TEST(Maker, ASampleFollowsFromSeedAndNumberAlone) {
  for (const auto& [task, settings] : small()) {
    const auto all = samples(*make(task, settings, 5), {{"n", 5}, {"seed", 7}});
    const auto one_by_one = samples(*make(task, settings, 1), {{"n", 5}, {"seed", 7}});
    EXPECT_LT((all - one_by_one).abs().max().item<double>(), 1e-3) << task;
    const auto again = samples(*make(task, settings, 5), {{"n", 5}, {"seed", 7}});
    EXPECT_TRUE(all.equal(again)) << task;
    EXPECT_GT((all - samples(*make(task, settings, 5), {{"n", 5}, {"seed", 8}})).abs().max().item<double>(), 1e-2)
        << task;
  }
}

TEST(Maker, AClassIsAskedForByNameOrNumber) {
  const std::vector<std::string> names = {"cat", "dog", "owl"};
  const auto of = [&](std::vector<std::string> asked) {
    MakeOptions options{.n = 4};
    options.of = std::move(asked);
    return labels_of(options, names);
  };
  EXPECT_EQ(of({}), (std::vector<int64_t>{0, 1, 2, 0}));
  EXPECT_EQ(of({"owl"}), (std::vector<int64_t>{2, 2, 2, 2}));
  EXPECT_EQ(of({"1", "cat"}), (std::vector<int64_t>{1, 0, 1, 0}));
  EXPECT_ERROR(of({"cow"}), "there is no class \"cow\"; there are 3: cat, dog, owl");
  EXPECT_ERROR(of({"3"}), "there is no class \"3\"");
  EXPECT_ERROR(labels_of({.n = 1, .of = {"cat"}}, {}), "makes samples of no class");
  for (const auto& [task, settings] : small()) {
    EXPECT_ERROR(samples(*make(task, settings), {{"class", List{"9"}}}), "there is no class \"9\"");
    const auto each = samples(*make(task, settings), {{"n", 3}, {"class", List{"0"}}});
    EXPECT_GT((each - samples(*make(task, settings), {{"n", 3}, {"class", List{"2"}}})).abs().max().item<double>(),
              1e-4)
        << task;
  }
}

TEST(Maker, LatentsComeFromAFile) {
  const test::TemporaryFolder folder;
  const auto path = (folder / "z.safetensors").string();
  const auto write = [&](const std::string& name, const Tensor& z) { write_safetensors(path, {{{name, z}}, {}, {}}); };
  const auto [task, settings] = small()[0];
  const auto maker = make(task, settings);
  const auto z = sample_noise(7, 0, 5, {100});
  write("z", z.view({5, 100, 1, 1}));
  EXPECT_TRUE(samples(*maker, {{"n", 5}, {"latents", path}}).equal(samples(*maker, {{"n", 5}, {"seed", 7}})));
  EXPECT_ERROR(samples(*maker, {{"n", 6}, {"latents", path}}), "holds 5 latents and n=6 are wanted");
  write("z", torch::zeros({5, 99}));
  EXPECT_ERROR(samples(*maker, {{"n", 5}, {"latents", path}}), "is (5, 99) and this model takes (5, 100)");
  write("z", torch::zeros({5, 10, 10}));
  EXPECT_ERROR(samples(*maker, {{"n", 5}, {"latents", path}}), "is (5, 10, 10)");
  write("w", z);
  EXPECT_ERROR(samples(*maker, {{"n", 5}, {"latents", path}}), "it has no tensor z");
  write("z", torch::full({5, 100}, NAN));
  EXPECT_ERROR(samples(*maker, {{"n", 5}, {"latents", path}}), "not finite");
  EXPECT_ERROR(samples(*maker, {{"latents", (folder / "none").string()}}), "none");
}

TEST(Maker, AWalkGoesThroughItsCorners) {
  const MakeOptions options{.n = 3, .seed = 5, .walk = 4};
  const auto noise = noise_of(options, {32});
  ASSERT_EQ(noise.size(0), samples_in(options));
  ASSERT_EQ(noise.size(0), 9);
  const auto corners = sample_noise(5, 0, 3, {32});
  for (int64_t i = 0; i < 3; ++i) EXPECT_LT((noise[4 * i] - corners[i]).abs().max().item<double>(), 1e-5);
  // On the sphere between two corners, nowhere much nearer to the middle than they are.
  for (int64_t i = 0; i < 4; ++i)
    EXPECT_GT(noise[i].norm().item<double>(),
              0.95 * std::min(corners[0].norm().item<double>(), corners[1].norm().item<double>()));
  EXPECT_ERROR(make("gan", small()[0].second)->making({{"n", 1}, {"walk", 4}}), "wants at least two corners");
}

TEST(Maker, WritesWhatIsAskedFor) {
  for (const auto& [task, settings] : small()) {
    const auto maker = make(task, settings, 4);
    std::vector<std::string> files, classes;
    std::string last;
    double part = 0;
    maker->generate({}, {{"n", 6}, {"raw", true}, {"layout", "folders"}}, [&](const Piece& piece) {
      EXPECT_GE(piece.part, 0);
      part = std::max(part, piece.part);
      if (!piece.made) return true;
      EXPECT_EQ(piece.made->json["index"], files.size());
      EXPECT_EQ(piece.made->json["file"], piece.made->files.front().ending);
      files.push_back(piece.made->files.front().ending);
      classes.push_back(piece.made->json["class"]);
      EXPECT_GT(piece.made->files.front().bytes().size(), 50u);
      if (files.size() == 6) {
        last = piece.made->files.back().bytes();
        EXPECT_EQ(piece.made->files[1].ending, "grid.png");
      }
      return true;
    });
    EXPECT_EQ(part, 1) << task;
    EXPECT_EQ(files, (std::vector<std::string>{"0/0000.png", "1/0001.png", "2/0002.png", "0/0003.png", "1/0004.png",
                                               "2/0005.png"}))
        << task;
    EXPECT_EQ(classes[4], "1");
    const auto raw = read_safetensors(std::as_bytes(std::span(last)), "raw", {});
    EXPECT_TRUE(raw.at("samples").equal(samples(*maker, {{"n", 6}}))) << task;
  }
}

TEST(Maker, StopsWhenItIsTold) {
  for (const auto& [task, settings] : small()) {
    int64_t made = 0;
    make(task, settings, 2)->generate({}, {{"n", 9}}, [&](const Piece& piece) {
      made += piece.made != nullptr;
      return made < 4;
    });
    EXPECT_EQ(made, 4) << task;
  }
}

TEST(Maker, StopsWithinABatch) {
  for (const auto& [task, settings] : small()) {
    int64_t calls = 0, made = 0;
    make(task, settings, 16)->generate({}, {{"n", 16}}, [&](const Piece& piece) {
      made += piece.made != nullptr;
      return ++calls < 2;
    });
    EXPECT_LE(calls, 3) << task;  // of as many as it has samples and steps
    EXPECT_LE(made, 1) << task;
    const auto maker = make(task, settings);
    stop_requested() = true;
    EXPECT_THROW(samples(*maker, {{"n", 2}}), Stopped) << task;
    stop_requested() = false;
    auto making = maker->making({{"n", 2}});
    bool finished = false;
    making.make = [&, inner = making.make](const Wanted& wanted, const HowFar& told) {
      stop_requested() = true;
      const auto raw = inner(wanted, told);
      return finished = true, raw;
    };
    EXPECT_THROW(maker->samples(making), Stopped) << task;
    EXPECT_EQ(finished, task == "gan" || task == "vae") << task << ": others go step by step";
    stop_requested() = false;
  }
}

TEST(Maker, RefusesWhatCannotBe) {
  const auto gan = make("gan", small()[0].second);
  EXPECT_ERROR(gan->making({{"n", 0}}), "n");
  EXPECT_ERROR(gan->making({{"steps", 3}}), "steps");
  const Input prompt{"prompt", "a cat"};
  EXPECT_ERROR(gan->generate({&prompt, 1}, {}, [](const Piece&) { return true; }), "reads no prompt");
}

TEST(DiffusionMaker, BeginsAtAPictureOrWithinAMask) {
  const test::TemporaryFolder folder;
  const auto maker = make("diffusion", small()[3].second);
  const auto picture = (folder / "p.safetensors").string();
  EXPECT_ERROR(maker->making({{"steps", 0}}), "steps");
  EXPECT_ERROR(maker->making({{"strength", 2.0}}), "strength");
  EXPECT_ERROR(maker->making({{"strength", 0.5}}), "strength=0.5 wants the picture that it belongs to");
  EXPECT_ERROR(maker->making({{"profile", "slow"}}), "hold one average alone");
  EXPECT_ERROR(maker->making({{"mask", "m.png"}}), "wants the picture that it belongs to");
  EXPECT_ERROR(maker->making({{"image", picture}}), "p.safetensors");
  auto settings = small()[3].second;
  settings.set("process", "ddpm");
  EXPECT_ERROR(make("diffusion", settings)->making({{"steps", 1001}}), "are more than the 1000 times");
  settings.set_path("model.classes", 0);
  EXPECT_ERROR(make("diffusion", settings)->making({{"guidance", 2.0}}), "wants a model with classes");
}

TEST(DiffusionMaker, ConsistencyTakesOneLookOrAFew) {
  auto settings = small()[3].second;
  settings.set("objective", "consistency");
  settings.set("process", "edm");
  const auto maker = make("diffusion", settings);
  const auto once = samples(*maker, {{"n", 3}, {"steps", 1}}), thrice = samples(*maker, {{"n", 3}, {"steps", 3}});
  EXPECT_EQ(once.sizes(), thrice.sizes());
  EXPECT_FALSE(once.equal(thrice));
  EXPECT_TRUE(thrice.equal(samples(*maker, {{"n", 3}, {"steps", 3}})));
  EXPECT_ERROR(maker->making({{"guidance", 2.0}}), "guidance wants steps that see noise");
  EXPECT_ERROR(maker->making({{"path", 3}}), "path wants steps that see noise");
}

TEST(DiffusionMaker, TheSlowAverageFollowsTheNetwork) {
  auto settings = small()[3].second;
  settings.set("slow", true);
  const auto maker = make("diffusion", settings);
  auto& model = dynamic_cast<DiffusionMaker&>(*maker).model();
  const auto fast = model.network->parameters()[0].detach().clone(), slow = model.slow->parameters()[0].clone();
  model.follow(0.9, 1'000'000);
  EXPECT_LT((model.slow->parameters()[0] - (0.9 * slow + 0.1 * fast)).abs().max().item<double>(), 1e-6);
  model.follow(0.9, 0);  // early, so that the random start is soon forgotten
  EXPECT_LT((model.slow->parameters()[0] - fast).abs().max().item<double>(),
            0.11 * (slow - fast).abs().max().item<double>() + 1e-6);
  EXPECT_NO_THROW(samples(*maker, {{"n", 2}, {"profile", "slow"}}));
}

}  // namespace
}  // namespace hadal
