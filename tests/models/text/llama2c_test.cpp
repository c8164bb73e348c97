// llama2.c's files: the reader, and the model it makes against that program's own arithmetic.
#include "hadal/io/llama2c.h"

#include "hadal/core/random.h"
#include "hadal/io/file.h"
#include "hadal/io/weights.h"
#include "hadal/models/text/causal_lm.h"

#include "tests/io/hostile.h"

using namespace hadal;
using namespace hadal::test;

namespace {

constexpr int32_t kDim = 8, kHidden = 6, kLayers = 2, kHeads = 2, kShared = 1, kWords = 5, kContext = 4;
constexpr int32_t kWidth = kDim / kHeads, kShort = kShared * kWidth;

std::string numbers(std::vector<int32_t> header) {
  return {reinterpret_cast<const char*>(header.data()), header.size() * sizeof(int32_t)};
}

/// A whole file of random weights.
std::string file(bool own_head = false) {
  auto bytes = numbers({kDim, kHidden, kLayers, kHeads, kShared, own_head ? -kWords : kWords, kContext});
  const auto layer = 2 * kDim + 2 * kDim * kDim + 2 * kDim * kShort + 3 * kDim * kHidden;
  const auto count = kWords * kDim * (own_head ? 2 : 1) + kLayers * layer + kDim + kContext * kWidth;
  Random random(5);
  for (int64_t i = 0; i < count; ++i) {
    const auto value = static_cast<float>(random.normal() * 0.5);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  return bytes;
}

/// The forward pass as llama2.c writes it, token by token, features 2i and 2i + 1 turning together.
Tensor by_its_own_arithmetic(const std::string& bytes, const std::vector<int64_t>& ids) {
  size_t at = 7 * sizeof(int32_t);
  const auto take = [&](std::vector<int64_t> shape) {
    const auto tensor = torch::empty(shape);
    std::memcpy(tensor.data_ptr(), bytes.data() + at, tensor.nbytes());
    at += tensor.nbytes();
    return tensor;
  };
  const auto words = take({kWords, kDim}), norm_1 = take({kLayers, kDim}), wq = take({kLayers, kDim, kDim}),
             wk = take({kLayers, kShort, kDim}), wv = take({kLayers, kShort, kDim}), wo = take({kLayers, kDim, kDim}),
             norm_2 = take({kLayers, kDim}), w1 = take({kLayers, kHidden, kDim}), w2 = take({kLayers, kDim, kHidden}),
             w3 = take({kLayers, kHidden, kDim}), last = take({kDim});
  const auto norm = [](const Tensor& x, const Tensor& weight) {
    return weight * x / (x.square().mean() + 1e-5).sqrt();
  };
  const auto turned = [](const Tensor& x, int64_t place) {
    auto out = x.clone();
    for (int64_t i = 0; i < x.size(0); i += 2) {
      const auto angle = static_cast<double>(place) * std::pow(10000, -static_cast<double>(i % kWidth) / kWidth);
      out[i] = x[i] * std::cos(angle) - x[i + 1] * std::sin(angle);
      out[i + 1] = x[i] * std::sin(angle) + x[i + 1] * std::cos(angle);
    }
    return out;
  };
  std::vector<std::vector<Tensor>> keys(kLayers), values(kLayers);
  std::vector<Tensor> logits;
  for (size_t place = 0; place < ids.size(); ++place) {
    auto x = words[ids[place]];
    for (int64_t l = 0; l < kLayers; ++l) {
      const auto y = norm(x, norm_1[l]);
      const auto q = turned(wq[l].mv(y), static_cast<int64_t>(place));
      keys[l].push_back(turned(wk[l].mv(y), static_cast<int64_t>(place)));
      values[l].push_back(wv[l].mv(y));
      std::vector<Tensor> heads;
      for (int64_t h = 0; h < kHeads; ++h) {
        const auto weights = (torch::stack(keys[l]).mv(q.slice(0, h * kWidth, (h + 1) * kWidth)) / 2).softmax(0);
        heads.push_back(torch::stack(values[l]).t().mv(weights));
      }
      x = x + wo[l].mv(torch::cat(heads));
      const auto z = norm(x, norm_2[l]);
      x = x + w2[l].mv(torch::silu(w1[l].mv(z)) * w3[l].mv(z));
    }
    logits.push_back(words.mv(norm(x, last)));
  }
  return torch::stack(logits);
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace

TEST(Llama2c, GivesTheModelOfItsOwnArithmetic) {
  const torch::NoGradGuard no_grad;
  const TemporaryFolder folder;
  write_file(folder / "model.bin", file());
  auto weights = read_weights(folder / "model.bin");
  const auto table = parse_toml(weights.metadata.at("config"), "config");
  const auto settings = *table.find("model")->get_if<Table>();
  auto own = settings;
  own.erase("name");
  const auto model = language_models().make({"llama", own});
  weights.entries = model->own_names(weights.entries);
  EXPECT_TRUE(load_weights(*model, weights).clean());
  const std::vector<int64_t> ids = {3, 1, 4, 0};
  const auto logits = model->forward(torch::tensor(ids).unsqueeze(0))[0];
  EXPECT_LT(relative_error(logits, by_its_own_arithmetic(file(), ids)), 1e-5);
}

TEST(Llama2c, KeepsAHeadOfItsOwn) {
  const auto tied = file(), untied = file(true);
  EXPECT_FALSE(read_llama2c(bytes_of(tied), "x").find("lm_head.weight"));
  const auto read = read_llama2c(bytes_of(untied), "x");
  EXPECT_EQ(read.at("lm_head.weight").sizes(), (std::vector<int64_t>{kWords, kDim}));
  EXPECT_THAT(read.metadata.at("config"), testing::HasSubstr("tied = false"));
}

TEST(Llama2c, RefusesWhatIsNone) {
  const auto whole = file();
  const Reader reader = [](std::span<const std::byte> bytes) { read_llama2c(bytes, "x.bin"); };
  damage_everywhere(reader, whole, true);
  EXPECT_FALSE(is_llama2c(bytes_of(whole + "1")));
  const auto expect = [&](const std::string& bytes, const char* text) {
    EXPECT_ERROR(read_llama2c(bytes_of(bytes), "x.bin"), text);
  };
  expect(whole.substr(0, 40), "its header asks for");
  expect("", "x.bin at byte 0: cut short");
  for (const auto& header :
       std::vector<std::vector<int32_t>>{{0, 6, 2, 2, 1, 5, 4},
                                         {8, 6, -2, 2, 1, 5, 4},
                                         {8, 6, 2, 3, 1, 5, 4},
                                         {8, 6, 2, 2, 0, 5, 4},
                                         {8, 6, 2, 8, 1, 5, 4},
                                         {8, 6, 2, 2, 1, INT32_MIN, 4},
                                         {INT32_MAX, INT32_MAX, INT32_MAX, 1, 1, INT32_MAX, INT32_MAX}})
    expect(numbers(header) + whole.substr(28), "the seven numbers of the header are no model of llama2.c's");
  expect(numbers({1 << 20, 1 << 20, 4096, 1, 1, 1 << 20, 1 << 20}), "its header asks for 1261");
}
