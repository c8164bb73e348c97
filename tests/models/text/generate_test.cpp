#include "hadal/models/text/generate.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "hadal/io/safetensors.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;
using Ids = std::vector<int64_t>;

namespace {

std::shared_ptr<LanguageModel> small(const std::string& name, int64_t context = 12) {
  torch::manual_seed(0);
  auto model = language_models().make(
      {name, {{"vocabulary", 11}, {"context", context}, {"dim", 24}, {"depth", 2}, {"heads", 6}, {"mlp", 16}}});
  for (auto& parameter : model->parameters())
    if (parameter.dim() == 2) parameter.data().normal_(0, 0.3);
  return model;
}

GenerateConfig greedy(int64_t tokens) { return {.tokens = tokens, .sampling = {.temperature = 0}}; }

}  // namespace

TEST(Sampling, FiltersAsTransformersDoes) {
  const auto file = read_safetensors(golden("language.safetensors"));
  const auto seen = file.at("filters/seen");
  for (const char* name : {"penalty", "temperature", "top_k", "top_p", "all"}) {
    const auto about = nlohmann::json::parse(file.metadata.at(std::string("filters/") + name));
    const SamplingConfig config{about[0], about[1], about[2], about[3]};
    const auto got = filtered_logits(file.at("filters/logits"), {seen.const_data_ptr<int64_t>(), 4}, config);
    const auto& expected = file.at(std::string("filters/") + name);
    EXPECT_TRUE(torch::equal(got.eq(-INFINITY), expected.eq(-INFINITY))) << name;
    EXPECT_LT(relative_error(got.nan_to_num(0, 0, 0), expected.nan_to_num(0, 0, 0)), 1e-5) << name;
  }
}

TEST(Sampling, DrawsByTheSoftmax) {
  const auto logits = torch::tensor({0.0, std::log(2.0), -HUGE_VAL, std::log(5.0)}).to(torch::kFloat32);
  Random random(1);
  std::vector<double> counts(4);
  for (int i = 0; i < 8000; ++i) ++counts[static_cast<size_t>(pick_token(logits, {}, {}, random))];
  EXPECT_NEAR(counts[0] / 8000, 1.0 / 8, 0.02);
  EXPECT_NEAR(counts[1] / 8000, 2.0 / 8, 0.02);
  EXPECT_EQ(counts[2], 0);
  EXPECT_EQ(pick_token(logits, {}, {.temperature = 0}, random), 3);
  EXPECT_EQ(pick_token(logits, {}, {.top_k = 1}, random), 3);
  EXPECT_EQ(pick_token(logits, {}, {.top_p = 0.01}, random), 3);
}

TEST(Sampling, TinyTemperaturesAndPenaltiesAreGreedy) {
  const auto logits = torch::tensor({1.f, 9.f, 3.f, 2.f});
  Random random(1);
  for (const auto temperature : {1e-30, 1e-40, 1e-300})
    EXPECT_EQ(pick_token(logits, {}, {.temperature = temperature}, random), 1) << temperature;
  const Ids seen = {2};
  EXPECT_EQ(pick_token(logits, seen, {.repetition_penalty = 1e-300}, random), 2);
  EXPECT_EQ(pick_token(logits, seen, {.temperature = 1e-40, .repetition_penalty = 1e-300}, random), 2);
}

TEST(Sampling, RefusesWhatMakesNoSense) {
  EXPECT_ERROR(SamplingConfig{.temperature = -1}.validate(), "temperature (-1) must be at least 0");
  EXPECT_ERROR(SamplingConfig{.top_p = 0}.validate(), "top_p (0) must be above 0 and at most 1");
  EXPECT_ERROR(SamplingConfig{.repetition_penalty = 0}.validate(), "repetition_penalty (0) must be above 0");
}

TEST(Generate, GreedyIsTheLikeliestOfEachStep) {
  const torch::NoGradGuard no_grad;
  const std::vector<Ids> prompts = {{1, 2, 3, 4, 5}, {7}, {3, 3}};
  for (const char* name : {"gpt2", "llama"}) {
    const auto model = small(name);
    const auto texts = generate(*model, prompts, greedy(7));
    model->eval();
    for (size_t i = 0; i < prompts.size(); ++i) {
      auto text = prompts[i];
      for (int step = 0; step < 7; ++step)
        text.push_back(model->forward(torch::tensor(text).unsqueeze(0)).select(1, -1).argmax().item<int64_t>());
      EXPECT_EQ(texts[i], Ids(text.begin() + std::ssize(prompts[i]), text.end())) << name << " " << i;
    }
  }
}

TEST(Generate, GoesOnBeyondTheContext) {
  const torch::NoGradGuard no_grad;
  const auto rolling = small("llama", 4), sliding = small("gpt2", 4);
  EXPECT_EQ(generate(*rolling, {{1, 2, 3, 4, 5, 6}, {2}}, greedy(20))[1].size(), 20);
  const auto text = generate(*sliding, {{1, 2, 3}}, greedy(6))[0];
  sliding->eval();
  Ids all = {1, 2, 3}, window = {1, 2, 3};
  for (int step = 0; step < 6; ++step) {
    const auto next = sliding->forward(torch::tensor(window).unsqueeze(0)).select(1, -1).argmax().item<int64_t>();
    all.push_back(next);
    window.push_back(next);
    if (window.size() > 4) window.assign(all.end() - 2, all.end());  // full: its last half is read again
  }
  EXPECT_EQ(text, Ids(all.begin() + 3, all.end()));
  EXPECT_EQ(generate(*sliding, {{1, 2, 3, 4, 5, 6, 7}}, greedy(3))[0].size(), 3);
}

TEST(Generate, EachSequenceDrawsForItself) {
  const auto model = small("llama");
  GenerateConfig config{.tokens = 8, .seed = 3};
  const auto both = generate(*model, {{1, 2}, {1, 2}}, config), again = generate(*model, {{1, 2}, {1, 2}}, config);
  EXPECT_EQ(both, again);
  EXPECT_NE(both[0], both[1]);
  EXPECT_EQ(generate(*model, {{1, 2}}, config)[0], both[0]);
  config.seed = 4;
  EXPECT_NE(generate(*model, {{1, 2}}, config)[0], both[0]);
}

TEST(Generate, EndsWhereItIsTold) {
  const auto model = small("gpt2");
  const auto whole = generate(*model, {{1, 2}, {5}}, greedy(8));
  auto config = greedy(8);
  config.stop = {whole[0][3]};
  const auto stopped = generate(*model, {{1, 2}, {5}}, config);
  EXPECT_EQ(stopped[0], Ids(whole[0].begin(), std::find(whole[0].begin(), whole[0].end(), whole[0][3])));
  std::vector<Ids> heard(2);
  const auto cut = generate(*model, {{1, 2}, {5}}, greedy(8), [&](size_t index, int64_t token) {
    heard[index].push_back(token);
    return index == 0 && heard[0].size() == 2;
  });
  EXPECT_EQ(cut, heard);
  EXPECT_EQ(cut[0].size(), 2);
  EXPECT_EQ(cut[1], whole[1]);  // the other one goes on as if nothing had happened
}

TEST(Generate, ATextIsTheSameWhateverItsNeighboursAre) {
  const auto model = small("gpt2", 8);
  const std::vector<Ids> prompts = {{1, 2, 3, 4, 5, 6, 7}, {2, 9, 4}, {5, 1, 5, 2, 5, 3, 5, 4, 5, 6}, {7}};
  const auto together = generate(*model, prompts, greedy(15));
  for (size_t i = 0; i < prompts.size(); ++i)
    EXPECT_EQ(together[i], generate(*model, {prompts[i]}, greedy(15))[0]) << i;
}

TEST(Generate, DrawsNoTokenThatTheTokenizerHasNot) {
  const auto model = small("gpt2");
  const auto text = generate(*model, {{1}}, {.tokens = 10, .vocabulary = 3})[0];
  for (const auto token : text) EXPECT_LT(token, 3);
}

TEST(Generate, SaysWhatIsWrong) {
  const auto model = small("gpt2");
  EXPECT_ERROR(generate(*model, {{}}, {}), "[generate] prompt 1 is empty; a text needs a token to begin with");
  EXPECT_ERROR(generate(*model, {{11}}, {}), "there is no row for id 11; ids are 0 to 10");
  EXPECT_ERROR(generate(*small("bert"), {{1}}, {}), "a model that learns hidden words writes no text");
  const auto flat = language_models().make({"gpt2", {{"vocabulary", 11}, {"dim", 24}, {"depth", 0}, {"heads", 6}}});
  EXPECT_ERROR(generate(*flat, {{1}}, {}), "a model without layers has no cache to remember a text with");
  model->parameters()[0].data()[1].fill_(NAN);
  EXPECT_ERROR(generate(*model, {{1}}, {}), "[generate] the model's scores are not finite");
}

TEST(GenerateLikeliest, FindsTheBestOfAllTextsWhenItKeepsAll) {
  const torch::NoGradGuard no_grad;
  const std::vector<Ids> prompts = {{1, 2, 3}, {7}};
  for (const char* name : {"gpt2", "llama"}) {
    const auto model = small(name);
    const auto found =
        generate_likeliest(*model, prompts, {.tokens = 3}, {.beams = 121, .best = 2, .length_penalty = 0});
    model->eval();
    for (size_t i = 0; i < prompts.size(); ++i) {
      // Every text of three tokens with its log-probability.
      std::vector<std::pair<double, Ids>> all;
      std::vector<Tensor> rows;
      for (int64_t text = 0; text < 11 * 11 * 11; ++text) {
        all.push_back({0, {text / 121, text / 11 % 11, text % 11}});
        auto row = prompts[i];
        row.insert(row.end(), all.back().second.begin(), all.back().second.end());
        rows.push_back(torch::tensor(row));
      }
      const auto said = model->forward(torch::stack(rows)).log_softmax(2);
      for (size_t text = 0; text < all.size(); ++text)
        for (int64_t t = 0; t < 3; ++t)
          all[text].first +=
              said[static_cast<int64_t>(text)][std::ssize(prompts[i]) - 1 + t][all[text].second[t]].item<double>();
      std::sort(all.rbegin(), all.rend());
      for (size_t k = 0; k < 2; ++k) {
        EXPECT_EQ(found[i][k].tokens, all[k].second) << name;
        EXPECT_NEAR(found[i][k].log_probability, all[k].first, 1e-3) << name;
      }
    }
  }
}

// One token of the best of several beams is the likeliest: that which greedy drawing takes.
TEST(GenerateLikeliest, SeesWhatDrawingSeesOfALongPrompt) {
  int differ = 0;
  for (uint64_t seed = 0; seed < 12; ++seed) {
    const auto model = small("llama", 4);
    torch::manual_seed(seed);
    for (auto& parameter : model->parameters())
      if (parameter.dim() == 2) parameter.data().normal_(0, 0.5);
    const Ids prompt = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 2, 4}, end(prompt.end() - 4, prompt.end());
    const auto drawn = generate(*model, {prompt}, greedy(1))[0];
    EXPECT_EQ(generate_likeliest(*model, {prompt}, {.tokens = 1}, {.beams = 3})[0][0].tokens, drawn);
    differ += generate(*model, {end}, greedy(1))[0] != drawn;
  }
  EXPECT_GT(differ, 0);  // what lies before the context matters, through the layers
}

TEST(GenerateLikeliest, KeepsToTheContext) {
  const auto model = small("gpt2", 5);
  const auto alone = generate_likeliest(*model, {{7}}, {.tokens = 5}, {.beams = 2});
  EXPECT_EQ(alone[0][0].tokens.size(), 5);
  EXPECT_EQ(generate_likeliest(*model, {{1, 2, 3}, {7}}, {.tokens = 5}, {.beams = 2})[1][0].tokens, alone[0][0].tokens);
  EXPECT_EQ(generate_likeliest(*model, {{1, 2, 3}}, {.tokens = 9}, {.beams = 2})[0][0].tokens.size(), 3);
  EXPECT_ERROR(generate_likeliest(*model, {{1, 2, 3, 4, 5, 6}}, {.tokens = 9}, {.beams = 2}),
               "a prompt of 6 tokens leaves beam search no room in the context of 5");
}
