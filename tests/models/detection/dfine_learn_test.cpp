// How D-FINE learns and what it refuses; that it does so as its reference is dfine_test.cpp's.
#include <ATen/autocast_mode.h>
#include <nlohmann/json.hpp>
#include <torch/optim/adamw.h>

#include "hadal/models/detection/dfine.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {

DfineConfig learnable_dfine() {
  DfineConfig config;
  config.classes = 3;
  config.backbone = {
      .stem = {8, 8}, .inner = {8, 8, 16, 16}, .out = {16, 32, 32, 64}, .blocks = {1, 1, 1, 1}, .layers = 2};
  config.points = {3, 3};
  config.encoder_dim = config.dim = config.encoder_hidden = config.hidden = 32;
  config.heads = 4;
  config.depth = 0.34;
  config.layers = 2;
  config.queries = 20;
  config.denoising = 10;
  return config;
}

Tensor sizes_of(const Tensor& pixels) {
  return torch::tensor({pixels.size(2), pixels.size(3)}, torch::kInt64).repeat({pixels.size(0), 1});
}

Targets one(float x1, float y1, float x2, float y2, int64_t label = 1) {
  return {torch::tensor({{x1, y1, x2, y2}}), torch::tensor({label}), torch::tensor({int64_t{0}}), {}, {}};
}

Targets nothing() {
  return {torch::zeros({0, 4}), torch::zeros({0}, torch::kInt64), torch::zeros({0}, torch::kInt64), {}, {}};
}

Tensor total_of(const TensorsByName& losses) {
  auto sum = torch::zeros({});
  for (const auto& [name, loss] : losses) {
    EXPECT_EQ(loss.scalar_type(), torch::kFloat32) << name;
    EXPECT_TRUE(loss.isfinite().all().item<bool>()) << name;
    sum = sum + loss;
  }
  return sum;
}

}  // namespace

TEST(Dfine, LearnsOnePicture) {
  torch::manual_seed(3);
  DfineImpl model(learnable_dfine());
  auto pixels = torch::full({1, 3, 128, 128}, 0.2);
  pixels.slice(2, 16, 90).slice(3, 30, 100).fill_(0.9);
  const auto truth = one(30, 16, 100, 90);
  torch::optim::AdamW optimizer(model.parameters(), torch::optim::AdamWOptions(2e-3));
  double first = 0, last = 0;
  for (int step = 0; step < 80; ++step) {
    optimizer.zero_grad();
    const auto sum = total_of(model.losses(pixels, sizes_of(pixels), truth));
    sum.backward();
    optimizer.step();
    (step == 0 ? first : last) = sum.item<double>();
  }
  EXPECT_LT(last, 0.5 * first);
  model.eval();
  const auto found = model.find(pixels, sizes_of(pixels), {.conf = 0.3})[0];
  ASSERT_GE(found.boxes.size(0), 1);
  EXPECT_LT((found.boxes[0] - truth.boxes[0]).abs().max().item<double>(), 8) << found.boxes[0];
  EXPECT_EQ(found.labels[0].item<int64_t>(), 1);
}

TEST(Dfine, GivesEveryWeightAGradient) {
  DfineImpl model(learnable_dfine());
  const auto pixels = torch::rand({2, 3, 64, 96});
  for (const auto& truth : {one(10, 10, 50, 60), nothing()}) {
    model.zero_grad();
    total_of(model.losses(pixels, sizes_of(pixels), truth)).backward();
    for (const auto& parameter : model.named_parameters())
      EXPECT_EQ(parameter.value().grad().defined(), parameter.value().requires_grad()) << parameter.key();
  }
}

TEST(Dfine, LearnsFromMoreObjectsThanItHasQueries) {
  auto config = learnable_dfine();
  config.queries = 2;
  DfineImpl model(config);
  const auto pixels = torch::rand({1, 3, 64, 64});
  const auto count = 5;
  const Targets many{torch::tensor({{4.0F, 6.0F, 50.0F, 60.0F}}).repeat({count, 1}),
                     torch::zeros({count}, torch::kInt64),
                     torch::zeros({count}, torch::kInt64),
                     {},
                     {}};
  total_of(model.losses(pixels, sizes_of(pixels), many)).backward();
}

TEST(Dfine, LooksForFewerObjectsWhereAPictureHasFewPlaces) {
  DfineImpl model(learnable_dfine());
  model.eval();
  // 2 x 2 places of 1/16 and one of 1/32; as many queries, each of three classes.
  const auto pixels = torch::rand({1, 3, 32, 32});
  EXPECT_EQ(model.find(pixels, sizes_of(pixels), {.conf = 0})[0].boxes.size(0), 5);
}

TEST(Dfine, DrawsTheSameNoiseForTheSameSeedAndNoneForScores) {
  DfineImpl model(learnable_dfine());
  const auto pixels = torch::rand({1, 3, 64, 64});
  const auto loss = [&](uint64_t seed) {
    torch::manual_seed(seed);
    return total_of(model.losses(pixels, sizes_of(pixels), one(4, 6, 50, 60))).item<double>();
  };
  EXPECT_EQ(loss(1), loss(1));
  EXPECT_NE(loss(1), loss(2));
  model.eval();
  EXPECT_EQ(loss(1), loss(2));
}

TEST(Dfine, TrainsInHalfPrecisionToo) {
  DfineImpl model(learnable_dfine());
  const auto pixels = torch::rand({1, 3, 64, 64});
  at::autocast::set_autocast_enabled(at::kCPU, true);
  const auto losses = model.losses(pixels, sizes_of(pixels), one(4, 6, 50, 60));
  at::autocast::set_autocast_enabled(at::kCPU, false);
  at::autocast::clear_cache();
  total_of(losses).backward();
}

TEST(Dfine, KeepsFrozenNorms) {
  auto config = learnable_dfine();
  config.backbone.frozen_norm = true;
  DfineImpl model(config);
  model.train();
  const std::string norm = "model.backbone.model.embedder.stem1.normalization.";
  const auto before = model.named_buffers()[norm + "running_mean"].clone();
  const auto pixels = torch::rand({1, 3, 64, 64});
  total_of(model.losses(pixels, sizes_of(pixels), one(4, 6, 50, 60))).backward();
  EXPECT_TRUE(torch::equal(before, model.named_buffers()[norm + "running_mean"]));
  EXPECT_FALSE(model.named_parameters()[norm + "weight"].requires_grad());
  EXPECT_TRUE(model.named_parameters()["model.backbone.model.embedder.stem1.convolution.weight"].grad().defined());
}

TEST(Dfine, RefusesWhatDoesNotFit) {
  DfineImpl model(learnable_dfine());
  const auto pixels = torch::rand({1, 3, 64, 64});
  EXPECT_ERROR(model.forward(torch::rand({1, 3, 64, 60})),
               "[d_fine] wants sides that are multiples of 32, got 64 x 60");
  EXPECT_ERROR(model.forward(torch::rand({1, 1, 64, 64})), "[d_fine] wants (any, 3, any, any), got (1, 1, 64, 64)");
  EXPECT_ERROR(model.losses(pixels, sizes_of(pixels), one(4, 6, 50, 60, 3)), "[d_fine]");
  EXPECT_ERROR(model.losses(pixels, sizes_of(pixels), one(50, 6, 50, 60)), "[d_fine]");
  EXPECT_ERROR(model.find(pixels, torch::tensor({{96, 64}}), {}), "[d_fine] picture 0 of 96 x 64 does not fit");
  const auto refused = [](auto change) {
    auto config = learnable_dfine();
    change(config);
    DfineImpl made(config);
  };
  EXPECT_ERROR(refused([](auto& c) { c.heads = 5; }), "[d_fine] dim (32) must be divisible by heads (5)");
  EXPECT_ERROR(refused([](auto& c) { c.points = {1, 1, 1, 1, 1}; }), "points must name 1 to 4 levels, got 5");
  EXPECT_ERROR(refused([](auto& c) { c.bins = 7; }), "bins (7) must be even");
  EXPECT_ERROR(refused([](auto& c) { c.expansion = 0.01; }), "expansion (0.01) leaves a block no channel");
  EXPECT_ERROR(refused([](auto& c) { c.backbone.blocks = {1, 1}; }), "must name 4 stages, got 2");
  EXPECT_ERROR(refused([](auto& c) { c.pairing = "none"; }), "own, transformers");
}

TEST(Dfine, ReadsThePublishedNames) {
  DfineImpl model(learnable_dfine());
  const auto tensor = torch::zeros({1});
  const auto named = [&](const std::string& name) { return model.own_names({{name, tensor}}).at(0).first; };
  EXPECT_EQ(named("model.encoder.encoder.0.layers.0.fc2.bias"), "model.encoder.aifi.0.layers.0.mlp.layers.1.bias");
  EXPECT_EQ(named("model.encoder.encoder.0.layers.0.self_attn.out_proj.weight"),
            "model.encoder.aifi.0.layers.0.self_attn.o_proj.weight");
  EXPECT_EQ(named("model.decoder.layers.1.fc1.weight"), "model.decoder.layers.1.mlp.layers.0.weight");
  EXPECT_EQ(named("model.decoder.pre_bbox_head.layers.1.weight"), "model.decoder.pre_bbox_head.layers.1.weight");
  EXPECT_EQ(named("bbox_embed.1.layers.0.weight"), "model.decoder.bbox_embed.1.layers.0.weight");
  // Files that have the heads twice.
  const auto twice = model.own_names({{"class_embed.0.bias", tensor}, {"model.decoder.class_embed.0.bias", tensor}});
  ASSERT_EQ(twice.size(), 1);
  EXPECT_EQ(twice[0].first, "model.decoder.class_embed.0.bias");
}

TEST(Dfine, IsWhatItsPublishedConfigSays) {
  const auto read = [](const std::string& text) { return dfine_settings(nlohmann::json::parse(text), "config.json"); };
  const auto settings = [&](const std::string& text) {
    DfineConfig config;
    const auto part = read(text);
    read_config(config, part.settings, part.name);
    return config;
  };
  const auto plain = settings(R"({"model_type": "d_fine"})");
  EXPECT_EQ(plain.layers, 6);
  EXPECT_EQ(plain.points, (std::vector<int64_t>{4, 4, 4}));
  EXPECT_TRUE(plain.backbone.frozen_norm);
  const std::string n =
      R"({"model_type": "d_fine", "architectures": ["DFineForObjectDetection"], "num_feature_levels": 2, "d_model": 128,
          "encoder_hidden_dim": 128, "decoder_in_channels": [128, 128], "decoder_n_points": [6, 6], "reg_scale": 8.0,
          "feat_strides": [16, 32], "encode_proj_layers": [1], "id2label": {"0": "cat", "1": "dog"},
          "backbone_config": {"model_type": "hgnet_v2", "stem_channels": [3, 16, 16], "out_indices": [3, 4],
            "stage_in_channels": [16, 64, 256, 512], "stage_mid_channels": [16, 32, 64, 128],
            "stage_out_channels": [64, 256, 512, 1024], "stage_num_blocks": [1, 1, 2, 1],
            "stage_numb_of_layers": [3, 3, 3, 3], "use_learnable_affine_block": true}})";
  EXPECT_EQ(read(n).name, "d_fine-n");
  const auto config = settings(n);
  EXPECT_EQ(config.classes, 2);
  EXPECT_EQ(config.dim, 128);
  EXPECT_EQ(config.reach, 8);
  EXPECT_EQ(config.points, (std::vector<int64_t>{6, 6}));
  EXPECT_TRUE(config.backbone.affine);
  for (const auto& [more, why] : std::vector<std::pair<std::string, std::string>>{
           {R"("eval_idx": 2)", "eval_idx is 2 and not the last layer"},
           {R"("decoder_n_points": [3, -6, 3])", "decoder_n_points is no list of 1 to 4 numbers"},
           {R"("decoder_method": "discrete")", "decoder_method is discrete"},
           {R"("num_feature_levels": 4)", "out_indices"},
           {R"("backbone_config": {"out_indices": [2, 3, 4], "stage_kernel_size": [3, 3, 3, 3]})", "stage_kernel_size"},
           {R"("backbone_config": {"stage_out_channels": [64, 512, 1024, 2048]})", "stage_in_channels"},
           {R"("backbone_config": {"stem_channels": [3, 1e99, 48]})", "stem_channels is no list of 3 numbers"},
           {R"("learn_initial_query": true)", "learn_initial_query is true"},
           {R"("architectures": ["DFineModel"])", "architectures is DFineModel"}})
    EXPECT_ERROR(read(R"({"model_type": "d_fine", )" + more + "}"), why);
}
