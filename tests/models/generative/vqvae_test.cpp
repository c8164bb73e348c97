// Codes: the codebook of averages over steps, finite scalars, and the nets around them, against plain PyTorch.
#include "hadal/models/generative/vqvae.h"

#include "hadal/core/precision.h"

#include "tests/models/generative/golden.h"

using namespace hadal;
using namespace hadal::test;

namespace {

constexpr auto kVqvaeDouble = torch::kFloat64;
constexpr double kExact = 1e-9;

const GoldenFile& vqvae_reference() {
  static const GoldenFile file("vqvae");
  return file;
}

void same(const Tensor& ours, const std::string& key) {
  EXPECT_LT(relative_error(ours, vqvae_reference()[key]), kExact) << key;
}

/// Doubles from the hash, but for counts, which are above 0.
void fill_codebook(nn::Module& module) {
  fill_from_hash(module);
  module.to(kVqvaeDouble);
  const torch::NoGradGuard no_grad;
  for (auto& item : module.named_buffers())
    if (item.key().ends_with("cluster_size")) item.value().abs_().add_(1);
}

}  // namespace

TEST(VqVae, IsTheReferenceOverSteps) {
  for (const std::string name : {"ema", "fsq"}) {
    const auto about = vqvae_reference().about(name);
    const auto model = vqvaes().make({"vqvae", parse_toml(about["settings"].get<std::string>(), "golden")});
    fill_codebook(*model);
    const bool binary = about["kind"] == "bernoulli";
    Tensor loss, parameters;
    for (const std::string step : {"0", "1", "2"}) {
      const auto drawn = uniform("pictures" + step, {5, 2, 16, 16}).to(kVqvaeDouble);
      const auto x = binary ? (drawn > 0.3).to(kVqvaeDouble) : ((drawn * 0.6 + 0.5).clamp(0, 1) * 255).round() / 255;
      forget_gradients(*model);
      const auto out = model->forward(x);
      EXPECT_TRUE(torch::equal(out.codes, vqvae_reference()[name + "/codes" + step])) << name << step;
      same(loss = vqvae_loss(*model, out, x), name + "/loss" + step);
      parameters = out.parameters;
    }
    same(parameters, name + "/parameters");
    loss.backward();
    vqvae_reference().expect_gradients(name + "/gradients", *model, {}, kExact);
    for (const auto& item : model->named_buffers()) same(item.value(), name + "/" + item.key());
  }
}

TEST(EmaCodebook, MovesAsTheReference) {
  EmaCodebook book(7, 4, 0.9);
  fill_codebook(book);
  Tensor x, features, commitment;
  for (const std::string step : {"0", "1", "2", "3"}) {
    x = noise("features" + step, {3, 4, 5, 5}, kVqvaeDouble).requires_grad_();
    const auto out = book.forward(x);
    EXPECT_TRUE(torch::equal(out.codes, vqvae_reference()["book/codes" + step])) << step;
    same(out.commitment, "book/commitment" + step);
    features = out.features;
    commitment = out.commitment;
  }
  (commitment + (features * uniform("target", {3, 4, 5, 5})).sum()).backward();
  same(x.grad(), "book/slope");
  for (const auto& item : book.named_buffers()) same(item.value(), "book/" + item.key());
  book.eval();
  const auto before = book.named_buffers()["embedding"].clone();
  const auto out = book.forward(x);
  EXPECT_TRUE(torch::equal(before, book.named_buffers()["embedding"]));
  EXPECT_LT(relative_error(book.features(out.codes).permute({0, 3, 1, 2}), out.features), 1e-12);
}

TEST(EmaCodebook, CodesThatStandForNothingBeginAnew) {
  torch::manual_seed(1);
  EmaCodebook idle(8, 2, 0.5), fresh(8, 2, 0.5, 0.2);
  const auto x = torch::randn({4, 2, 8, 8}) + 100;  // far from every code: one takes all
  int64_t used[2] = {0, 0};
  for (int step = 0; step < 30; ++step) {
    used[0] = std::get<0>(at::_unique(idle.forward(x).codes)).numel();
    used[1] = std::get<0>(at::_unique(fresh.forward(x).codes)).numel();
  }
  EXPECT_EQ(used[0], 1);
  EXPECT_EQ(used[1], 8);
}

TEST(Quantisers, LookInFullPrecisionAtWhatNetsOfFewBitsGive) {
  torch::manual_seed(1);
  EmaCodebook book(64, 8, 0.9), twin(64, 8, 0.9);
  {
    const torch::NoGradGuard no_grad;
    for (auto& item : twin.named_buffers()) item.value().copy_(book.named_buffers()[item.key()]);
  }
  Fsq fsq({8, 6, 5}), fsq_twin({8, 6, 5});
  const auto features = torch::randn({4, 8, 6, 6}).to(torch::kBFloat16);
  const auto same_answer = [](Quantiser& one, Quantiser& other, const Tensor& x) {
    const auto expected = one.forward(x.to(torch::kFloat32));
    const Autocast autocast(torch::kCPU, "bf16");
    const auto got = other.forward(x);
    EXPECT_TRUE(got.codes.equal(expected.codes));
    EXPECT_TRUE(got.features.equal(expected.features));
  };
  same_answer(book, twin, features);
  EXPECT_TRUE(twin.named_buffers()["embedding"].equal(book.named_buffers()["embedding"])) << "moved alike";
  same_answer(fsq, fsq_twin, features.slice(1, 0, 3));
}

TEST(Fsq, IsTheReference) {
  const auto x = uniform("features", {4, 3, 5, 5}, 3).to(kVqvaeDouble);
  for (const auto& levels : std::vector<std::vector<int64_t>>{{4, 3, 5}, {8, 6, 5}, {2, 7, 2}}) {
    Fsq fsq(levels);
    const auto name = fmt::format("fsq{}", fmt::join(levels, ""));
    const auto out = fsq.forward(x);
    same(out.features, name + "/features");
    EXPECT_TRUE(torch::equal(out.codes, vqvae_reference()[name + "/codes"])) << name;
    EXPECT_LT(relative_error(fsq.features(out.codes).permute({0, 3, 1, 2}), out.features), 1e-6) << name;
    EXPECT_LT(out.codes.max().item<int64_t>(), fsq.size());
    const auto every = torch::arange(fsq.size());
    EXPECT_EQ(std::get<0>(at::unique_dim(fsq.features(every), 0)).size(0), fsq.size());
  }
}

TEST(VqVae, GoesThroughItsCodes) {
  for (const auto* name : {"vqvae", "vqvae-fsq"}) {
    const auto model = vqvaes().make({name, {{"width", 8}}});
    const auto x = torch::rand({2, 1, 28, 28});
    model->eval();
    const auto codes = model->encode(x);
    EXPECT_EQ(codes.sizes(), (std::vector<int64_t>{2, 7, 7}));
    EXPECT_LT(relative_error(model->decode(codes), model->forward(x).parameters), 1e-4) << name;
    EXPECT_ERROR(model->decode(codes + model->codes()), "there is no code");
    EXPECT_ERROR(model->decode(codes.slice(1, 0, 6)), "codes] wants (any, 7, 7), got (2, 6, 7)");
    EXPECT_ERROR(model->encode(torch::zeros({1, 3, 28, 28})), "wants (any, 1, 28, 28), got (1, 3, 28, 28)");
  }
  EXPECT_ERROR(Fsq({4, 1}), "a dimension has at least 2 levels, got 1");
  EXPECT_ERROR(Fsq({1 << 16, 1 << 16}), "make too many codes");
  EXPECT_ERROR(EmaCodebook(0, 4), "size (0) and dim (4) must be at least 1");
  EXPECT_ERROR(VqVae(VqVaeConfig{.image = 30}), "image (30) must be divisible by 2^halvings (4); nearest: 32");
}
