// What every registered language model must do, in a small_language_model build of it.
#include <algorithm>
#include <array>
#include <cmath>

#include "hadal/io/weights.h"
#include "hadal/models/text/bert.h"
#include "hadal/models/text/causal_lm.h"
#include "hadal/models/text/text_classifier.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {

std::shared_ptr<LanguageModel> small_language_model(const std::string& name, const Table& more = {}) {
  torch::manual_seed(0);
  Table settings{{"vocabulary", 11}, {"context", 12}, {"dim", 24}, {"depth", 2}, {"heads", 6}, {"mlp", 16}};
  if (const auto* shared = language_models().at(name).schema.defaults().find("kv_heads");
      shared && *shared->get_if<int64_t>() > 0)
    settings.set("kv_heads", 2);
  settings.merge(more);
  auto model = language_models().make({name, settings});
  for (auto& parameter : model->parameters())
    if (parameter.dim() == 2) parameter.data().normal_(0, 0.3);
  model->eval();
  return model;
}

Tensor some_ids(int64_t batch, int64_t length) { return torch::randint(0, 11, {batch, length}, torch::kInt64); }

class LanguageModels : public testing::TestWithParam<std::string> {};

std::vector<std::string> causal_names() {
  auto names = language_models().names();
  std::erase_if(names, [](const std::string& name) { return name.starts_with("bert"); });
  return names;
}

class CausalModels : public testing::TestWithParam<std::string> {};

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  auto name = info.param;
  std::replace_if(name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
}

}  // namespace

TEST_P(LanguageModels, GivesLogitsAndAGradientToEveryParameter) {
  const auto model = small_language_model(GetParam());
  model->train();
  const auto logits = model->forward(some_ids(3, 12));
  EXPECT_EQ(logits.sizes(), (std::vector<int64_t>{3, 12, 11}));
  logits.square().sum().backward();
  for (const auto& parameter : model->named_parameters()) {
    ASSERT_TRUE(parameter.value().grad().defined()) << parameter.key();
    EXPECT_TRUE(parameter.value().grad().isfinite().all().item<bool>()) << parameter.key();
  }
}

TEST_P(LanguageModels, IsTheSameAfterSavingAndLoading) {
  const TemporaryFolder folder;
  const auto first = small_language_model(GetParam()), second = small_language_model(GetParam());
  for (auto& parameter : second->parameters()) parameter.data().zero_();
  save_weights(folder / "weights.safetensors", *first);
  load_weights(*second, folder / "weights.safetensors");
  const auto ids = some_ids(2, 7);
  EXPECT_TRUE(torch::equal(first->forward(ids), second->forward(ids)));
}

TEST_P(LanguageModels, RefusesIdsThatItDoesNotHave) {
  const auto model = small_language_model(GetParam());
  EXPECT_ERROR(model->forward(torch::full({1, 3}, 11, torch::kInt64)),
               "[embedding] there is no row for id 11; ids are 0 to 10");
  EXPECT_ERROR(model->forward(torch::full({1, 3}, -1, torch::kInt64)), "there is no row for id -1");
}

TEST_P(LanguageModels, BeginsNearTheUniformGuess) {
  torch::manual_seed(0);
  Table settings{{"vocabulary", 50}, {"context", 16}, {"dim", 96}, {"depth", 2}, {"heads", 6}};
  if (language_models().at(GetParam()).schema.find("kv_heads")) settings.set("kv_heads", 2);
  const auto model = language_models().make({GetParam(), settings});
  model->eval();
  const auto ids = torch::randint(0, 50, {4, 16}, torch::kInt64);
  const auto loss = F::cross_entropy(model->forward(ids).flatten(0, 1), torch::randint(0, 50, {64}, torch::kInt64));
  EXPECT_NEAR(loss.item<double>(), std::log(50.0), 0.35);
}

TEST_P(CausalModels, DecodesWithItsCacheAsWithout) {
  const torch::NoGradGuard no_grad;
  const auto model = small_language_model(GetParam());
  const auto ids = some_ids(3, 9);
  const auto whole = model->forward(ids);
  auto cache = model->make_cache(3, 12);
  std::vector<Tensor> parts = {model->forward(ids.slice(1, 0, 4), &cache)};
  for (int64_t t = 4; t < 9; ++t) parts.push_back(model->forward(ids.slice(1, t, t + 1), &cache));
  EXPECT_LT(relative_error(torch::cat(parts, 1), whole), 1e-4);
}

TEST_P(CausalModels, DecodesPaddedBatchesAsEachAlone) {
  const torch::NoGradGuard no_grad;
  const auto model = small_language_model(GetParam());
  const auto shorter = some_ids(1, 3), longer = some_ids(1, 6), next = some_ids(2, 3);
  const auto padded = torch::cat({torch::cat({torch::zeros({1, 3}, torch::kInt64), shorter}, 1), longer});
  auto cache = model->make_cache(2, 12);
  cache.starts = torch::tensor({3, 0});
  auto read = model->forward(padded, &cache);
  for (int64_t t = 0; t < 3; ++t) read = torch::cat({read, model->forward(next.slice(1, t, t + 1), &cache)}, 1);
  EXPECT_LT(relative_error(read[0].slice(0, 3), model->forward(torch::cat({shorter, next.slice(0, 0, 1)}, 1))[0]),
            1e-4);
  EXPECT_LT(relative_error(read[1], model->forward(torch::cat({longer, next.slice(0, 1)}, 1))[0]), 1e-4);
}

TEST_P(CausalModels, KeepsToItsContext) {
  const torch::NoGradGuard no_grad;
  const auto model = small_language_model(GetParam());
  if (!model->rolls()) {
    EXPECT_ERROR(model->forward(some_ids(1, 13)), "[language model] 13 tokens do not fit into the context of 12");
    auto cache = model->make_cache(1, 12);
    model->forward(some_ids(1, 12), &cache);
    EXPECT_ERROR(model->forward(some_ids(1, 1), &cache), "13 tokens do not fit into the context of 12");
    return;
  }
  auto cache = model->make_cache(1, 4);
  const auto windowed = small_language_model(GetParam(), {{"window", 4}});
  const auto ids = some_ids(1, 10);
  std::vector<Tensor> parts;
  for (int64_t t = 0; t < 10; ++t) parts.push_back(model->forward(ids.slice(1, t, t + 1), &cache));
  EXPECT_LT(relative_error(torch::cat(parts, 1), windowed->forward(ids)), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(All, LanguageModels, testing::ValuesIn(language_models().names()), test_name);
INSTANTIATE_TEST_SUITE_P(All, CausalModels, testing::ValuesIn(causal_names()), test_name);

TEST(CausalLm, TakesEveryKindOfPositions) {
  const torch::NoGradGuard no_grad;
  for (const char* positions : {"none", "learned", "sinusoidal", "rotary", "alibi", "relative"}) {
    const auto model = small_language_model("gpt", {{"positions", positions}});
    const auto ids = torch::tensor({{1, 2, 3, 4}, {2, 1, 3, 4}});
    const auto logits = model->forward(ids);
    const auto far = relative_error(logits[0][3], logits[1][3]);
    if (std::string(positions) == "none")
      EXPECT_GT(far, 0);  // the causal mask alone tells later tokens little of order
    else
      EXPECT_GT(far, 1e-4) << positions;
    auto cache = model->make_cache(2, 12);
    const auto first = model->forward(ids.slice(1, 0, 2), &cache), second = model->forward(ids.slice(1, 2), &cache);
    EXPECT_LT(relative_error(torch::cat({first, second}, 1), logits), 1e-4) << positions;
  }
}

TEST(CausalLm, RefusesWhatDoesNotFitTogether) {
  EXPECT_ERROR(language_models().make({"gpt2", {{"dim", 770}}}),
               "[language model] dim (770) must be divisible by heads (12); nearest: 768");
  EXPECT_ERROR(language_models().make({"llama", {{"kv_heads", 4}}}), "heads (6) must be divisible by kv_heads (4)");
  EXPECT_ERROR(language_models().make({"llama", {{"dim", 18}, {"heads", 6}}}),
               "rotary positions want heads of even width, got 3");
  EXPECT_ERROR(language_models().make({"gpt3", {}}), "unknown model \"gpt3\"");
}

TEST(CausalLm, ToldByItsShapesNanoGptsMatricesLieTheOtherWay) {
  static const std::pair<std::string, std::string> rows[] = {{"decoder.layers.", "h."},
                                                             {"decoder.norm.", "ln_f."},
                                                             {"self_attention.in_proj_", "attn.c_attn."},
                                                             {"self_attention.out_proj.", "attn.c_proj."},
                                                             {"mlp.0.", "mlp.c_fc."},
                                                             {"mlp.3.", "mlp.c_proj."}};
  for (const int64_t mlp : {96, 24}) {  // 24: all but queries, keys and values are square
    const auto model = small_language_model("gpt2", {{"mlp", mlp}, {"dim", 24}});
    const auto ours = state_dict(*model);
    for (const bool in_first : {false, true})
      for (const auto* prefix : {"transformer.", ""}) {
        TensorsByName file;
        for (auto [name, tensor] : ours.entries) {
          bool matrix = false;
          for (const auto& [old, theirs] : rows)
            if (const auto at = name.find(old); at != std::string::npos) {
              name.replace(at, old.size(), theirs);
              matrix = matrix || (theirs.find(".c_") != std::string::npos && tensor.dim() == 2);
            }
          file.emplace_back(prefix + name, matrix && in_first ? tensor.t().contiguous() : tensor);
        }
        const auto back = model->own_names(file);
        ASSERT_EQ(back.size(), ours.size());
        for (const auto& [name, tensor] : back)
          EXPECT_TRUE(torch::equal(tensor, ours.at(name))) << name << " " << mlp << " " << in_first << prefix;
      }
  }
}

TEST(CausalLm, SaysWhetherTheHeadIsTheEmbedding) {
  const auto tied = small_language_model("gpt2"), untied = small_language_model("gpt2", {{"tied", false}});
  auto file = state_dict(*tied);
  EXPECT_ERROR(untied->own_names(file.entries),
               "has no head (lm_head.weight); where the head is the embedding, set model.tied=true");
  file.add("lm_head.weight", file.at("wte.weight").clone());
  EXPECT_TRUE(load_weights(*tied, {tied->own_names(file.entries), {}, "x"}).clean());
  EXPECT_TRUE(load_weights(*untied, {untied->own_names(file.entries), {}, "x"}).clean());
  file.entries.back().second[0][0] += 1;
  EXPECT_ERROR(tied->own_names(file.entries), "(lm_head.weight) has weights of its own: set model.tied=false");
  file.entries.back().second = torch::ones({12, 24});
  EXPECT_ERROR(tied->own_names(file.entries), "has weights of its own");
}

namespace {

/// A small_language_model BERT's weights as the hub's bert-base-uncased has them, the heads of BertForPreTraining among
/// them.
TensorsByName published(const nn::Module& words) {
  static const std::pair<std::string, std::string> rows[] = {
      {"encoder.layers.", "encoder.layer."},
      {"self_attention.out_proj.", "attention.output.dense."},
      {"ln_1.weight", "attention.output.LayerNorm.gamma"},
      {"ln_1.bias", "attention.output.LayerNorm.beta"},
      {"ln_2.weight", "output.LayerNorm.gamma"},
      {"ln_2.bias", "output.LayerNorm.beta"},
      {"mlp.0.", "intermediate.dense."},
      {"mlp.3.", "output.dense."},
      {"embeddings.LayerNorm.weight", "embeddings.LayerNorm.gamma"},
      {"embeddings.LayerNorm.bias", "embeddings.LayerNorm.beta"},
  };
  TensorsByName out;
  for (auto [name, tensor] : state_dict(words).entries) {
    for (const auto& [ours, theirs] : rows)
      if (const auto at = name.find(ours); at != std::string::npos) name.replace(at, ours.size(), theirs);
    const std::string joined = "self_attention.in_proj_";
    if (const auto at = name.find(joined); at != std::string::npos) {
      const auto parts = tensor.chunk(3);
      for (size_t i = 0; i < 3; ++i)
        out.emplace_back(name.substr(0, at) + "attention.self." + std::array{"query.", "key.", "value."}[i] +
                             name.substr(at + joined.size()),
                         parts[i]);
      continue;
    }
    if (name.starts_with("transform.")) name = "cls.predictions.transform.dense." + name.substr(10);
    if (name.starts_with("norm.")) name = "cls.predictions.transform.LayerNorm." + name.substr(5);
    if (name == "bias") name = "cls.predictions.bias";
    out.emplace_back(name, tensor);
  }
  const int64_t dim = 24;
  for (const auto& [name, tensor] : TensorsByName(out))
    if (name == "bert.embeddings.word_embeddings.weight") out.emplace_back("cls.predictions.decoder.weight", tensor);
  for (const auto* name : {"bert.pooler.dense.weight", "cls.seq_relationship.weight"})
    out.emplace_back(name, torch::full({dim, dim}, 3.0));
  for (const auto* name : {"bert.pooler.dense.bias", "cls.seq_relationship.bias"})
    out.emplace_back(name, torch::full({dim}, 3.0));
  return out;
}

}  // namespace

TEST(Bert, RefusesADecoderOfItsOwn) {
  const auto model = small_language_model("bert");
  auto file = published(*model);
  const auto words = std::find_if(file.begin(), file.end(), [](const auto& item) {
    return item.first == "bert.embeddings.word_embeddings.weight";
  });
  ASSERT_NE(words, file.end());
  const auto tied = words->second;
  std::erase_if(file, [](const auto& item) { return item.first == "cls.predictions.decoder.weight"; });
  file.emplace_back("cls.predictions.decoder.weight", tied.clone());
  EXPECT_NO_THROW(model->own_names(file));
  file.back().second = tied + 1;
  EXPECT_ERROR(model->own_names(file), "cls.predictions.decoder.weight is not its bert.embeddings.word_embeddings");
}

TEST(Bert, TakesPublishedFiles) {
  const torch::NoGradGuard no_grad;
  const auto first = small_language_model("bert"), second = small_language_model("bert");
  for (auto& parameter : second->parameters()) parameter.data().zero_();
  const auto file = published(*first);
  load_weights(*second, {second->own_names(file), {}, "x"});
  const auto ids = some_ids(2, 7);
  EXPECT_TRUE(torch::equal(first->forward(ids), second->forward(ids)));

  const auto classifier = text_classifiers().make(
      {"bert_classifier", {{"vocabulary", 11}, {"context", 12}, {"dim", 24}, {"depth", 2}, {"heads", 6}, {"mlp", 16}}});
  auto bare = file;  // BertModel's: no heads, and no "bert."
  std::erase_if(bare, [](const auto& entry) { return entry.first.starts_with("cls."); });
  for (auto& [name, tensor] : bare) name.erase(0, 5);
  for (const auto& weights : {file, bare}) {
    const auto report =
        load_weights(*classifier, {classifier->own_names(weights), {}, "x"}, {.head = classifier->heads()});
    EXPECT_THAT(report.missing_head, testing::ElementsAre("net.classifier.weight", "net.classifier.bias"));
    EXPECT_EQ(state_dict(*classifier).at("net.pooler.bias")[0].item<double>(), 3);
  }
  // A BERT that Hadal trained on hidden words.
  const auto own = load_weights(*classifier, {classifier->own_names(state_dict(*first).entries), {}, "x"},
                                {.head = classifier->heads()});
  EXPECT_EQ(own.missing_head.size(), 4);
}

TEST(Bert, LooksBothWaysAndIgnoresPadding) {
  const torch::NoGradGuard no_grad;
  const auto model = small_language_model("bert");
  EXPECT_ERROR(model->make_cache(1, 8), "a model that learns hidden words writes no text");
  const auto ids = some_ids(1, 6);
  auto changed = ids.clone();
  changed[0][5] = (ids[0][5].item<int64_t>() + 1) % 11;
  EXPECT_GT(relative_error(model->forward(changed)[0][0], model->forward(ids)[0][0]), 1e-4);
  auto& bert = dynamic_cast<BertForWordsImpl&>(*model);
  const auto mask = torch::tensor({{1, 1, 1, 1, 1, 0}});
  EXPECT_LT(
      relative_error(bert.words({ids, {}, mask})[0].slice(0, 0, 5), bert.words({changed, {}, mask})[0].slice(0, 0, 5)),
      1e-6);
  EXPECT_LT(relative_error(bert.words({ids, {}, mask})[0].slice(0, 0, 5), model->forward(ids.slice(1, 0, 5))[0]), 1e-4);
  EXPECT_ERROR(bert.words({ids, {}, mask.slice(1, 1)}), "[bert's mask] wants (1, 6), got (1, 5)");
}
