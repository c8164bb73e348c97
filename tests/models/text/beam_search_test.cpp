#include "hadal/models/text/beam_search.h"

#include <algorithm>
#include <cmath>

#include "hadal/core/random.h"

#include "tests/support/support.h"

using namespace hadal;
using Ids = std::vector<int64_t>;

namespace {

constexpr int64_t kVocabulary = 4, kEnd = 0;

/// What follows depends on all that was read: a row that select() mixed up gives other numbers.
std::vector<float> after(uint64_t seed, const Ids& read) {
  Random random(seed);
  for (const auto token : read) random = random.split(static_cast<uint64_t>(token) + 1);
  std::vector<float> scores;
  double sum = 0;
  for (int64_t i = 0; i < kVocabulary; ++i) {
    scores.push_back(static_cast<float>(2 * random.normal() + (i == kEnd ? 0.5 : 0)));
    sum += std::exp(scores.back());
  }
  for (auto& score : scores) score -= static_cast<float>(std::log(sum));
  return scores;
}

/// Keeps what each row has read, as a model's cache does.
struct HandMade {
  uint64_t seed;
  std::vector<Ids> rows;
  int64_t calls = 0;

  NextTokens asked() {
    return {[this](const Tensor& tokens) {
              ++calls;
              EXPECT_EQ(tokens.size(0), static_cast<int64_t>(rows.size()));
              auto out = torch::empty({tokens.size(0), kVocabulary});
              for (size_t i = 0; i < rows.size(); ++i) {
                rows[i].push_back(tokens[static_cast<int64_t>(i)].item<int64_t>());
                const auto scores = after(seed, rows[i]);
                std::copy(scores.begin(), scores.end(), out.mutable_data_ptr<float>() + i * kVocabulary);
              }
              return out;
            },
            [this](const Tensor& kept) {
              std::vector<Ids> next;
              for (int64_t i = 0; i < kept.size(0); ++i) next.push_back(rows.at(kept[i].item<int64_t>()));
              rows = next;
            }};
  }
};

/// Every text there is, scored.
void enumerate(uint64_t seed, Ids read, Ids written, double sum, int64_t longest, const BeamOptions& options,
               std::vector<Continuation>& out) {
  const auto add = [&](const Ids& tokens, double total, size_t length, bool ended) {
    out.push_back({tokens, total, total / std::pow(static_cast<double>(length), options.length_penalty), ended});
  };
  const auto scores = after(seed, read);
  for (int64_t token = 0; token < kVocabulary; ++token) {
    const auto total = sum + scores[static_cast<size_t>(token)];
    if (token == kEnd) {
      if (static_cast<int64_t>(written.size()) >= options.least) add(written, total, written.size() + 1, true);
      continue;
    }
    auto more = written, seen = read;
    more.push_back(token), seen.push_back(token);
    if (static_cast<int64_t>(more.size()) == longest)
      add(more, total, more.size(), false);
    else
      enumerate(seed, seen, more, total, longest, options, out);
  }
}

std::vector<Continuation> brute_force(uint64_t seed, int64_t start, int64_t longest, const BeamOptions& options) {
  std::vector<Continuation> out;
  enumerate(seed, {start}, {}, 0, longest, options, out);
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
  out.resize(std::min<size_t>(out.size(), static_cast<size_t>(options.best)));
  return out;
}

}  // namespace

TEST(BeamSearch, AWideBeamFindsWhatBruteForceFinds) {
  for (uint64_t seed = 0; seed < 30; ++seed)
    for (const double penalty : {0.0, 0.6, 1.0, 2.0, -0.5})
      for (const int64_t least : {0, 2}) {
        const BeamOptions options{.beams = 300, .best = 3, .length_penalty = penalty, .ends = {kEnd}, .least = least};
        const Ids starts = {1, 3, 2}, longest = {5, 3, 4};
        HandMade model{seed, std::vector<Ids>(3)};
        const auto found = beam_search(model.asked(), torch::tensor(starts), longest, options);
        ASSERT_EQ(found.size(), 3u);
        for (size_t row = 0; row < 3; ++row) {
          const auto expected = brute_force(seed, starts[row], longest[row], options);
          ASSERT_EQ(found[row].size(), expected.size());
          for (size_t i = 0; i < expected.size(); ++i) {
            EXPECT_EQ(found[row][i].tokens, expected[i].tokens) << seed << " " << penalty << " " << row << " " << i;
            EXPECT_NEAR(found[row][i].score, expected[i].score, 1e-5);
            EXPECT_NEAR(found[row][i].log_probability, expected[i].log_probability, 1e-5);
            EXPECT_EQ(found[row][i].ended, expected[i].ended);
          }
        }
      }
}

TEST(BeamSearch, OneBeamIsGreedyAndMoreSeeFurther) {
  int better = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    HandMade model{seed, {Ids{}}}, wider{seed, {Ids{}}};
    const auto one =
        beam_search(model.asked(), torch::tensor({1}), {6}, {.beams = 1, .length_penalty = 0, .ends = {kEnd}});
    const auto four =
        beam_search(wider.asked(), torch::tensor({1}), {6}, {.beams = 4, .length_penalty = 0, .ends = {kEnd}});
    Ids read = {1}, written;
    for (int i = 0; i < 6; ++i) {
      const auto scores = after(seed, read);
      const auto token = std::max_element(scores.begin(), scores.end()) - scores.begin();
      if (token == kEnd) break;
      written.push_back(token), read.push_back(token);
    }
    EXPECT_EQ(one[0].at(0).tokens, written) << seed;
    EXPECT_GE(four[0].at(0).score, one[0].at(0).score - 1e-6) << seed;
    better += four[0].at(0).score > one[0].at(0).score + 1e-6;
  }
  EXPECT_GT(better, 3);
}

TEST(BeamSearch, StopsWhenNothingCanBeBetter) {
  // The end has nearly all the probability: one question is enough, whatever the longest length.
  int64_t calls = 0;
  const NextTokens model{[&](const Tensor& tokens) {
                           ++calls;
                           auto scores = torch::full({tokens.size(0), kVocabulary}, -20.0f);
                           scores.select(1, kEnd).fill_(-1e-6f);
                           return scores;
                         },
                         [](const Tensor&) {}};
  const auto found =
      beam_search(model, torch::tensor({1, 1}), {50, 50}, {.beams = 2, .length_penalty = 0, .ends = {kEnd}});
  EXPECT_TRUE(found[0].at(0).tokens.empty());
  EXPECT_TRUE(found[1].at(0).ended);
  EXPECT_EQ(calls, 1);
}

TEST(BeamSearch, AnyOfSeveralTokensEndsAText) {
  const NextTokens model{[&](const Tensor& tokens) {
                           auto scores = torch::full({tokens.size(0), kVocabulary}, -20.0f);
                           scores.select(1, 3).fill_(-1e-6f);
                           return scores;
                         },
                         [](const Tensor&) {}};
  const auto found = beam_search(model, torch::tensor({1}), {50}, {.beams = 2, .ends = {kEnd, 3}});
  EXPECT_TRUE(found[0].at(0).tokens.empty());
  EXPECT_TRUE(found[0].at(0).ended);
  const auto later = beam_search(model, torch::tensor({1}), {50}, {.beams = 2, .ends = {kEnd, 3}, .least = 2});
  EXPECT_EQ(later[0].at(0).tokens.size(), 2);
}

TEST(BeamSearch, SaysThatScoresAreNoNumbers) {
  const NextTokens model{[](const Tensor& tokens) { return torch::full({tokens.size(0), kVocabulary}, NAN); },
                         [](const Tensor&) {}};
  EXPECT_ERROR(beam_search(model, torch::tensor({1}), {5}, {}), "[beam search] the model's scores are not finite");
}

TEST(BeamSearch, MistakesSayWhatCame) {
  HandMade model{1, {Ids{}}};
  const auto start = torch::tensor({1});
  EXPECT_ERROR(beam_search(model.asked(), start, {5}, {.beams = 0}), "[beam search] beams (0) must be at least 1");
  EXPECT_ERROR(beam_search(model.asked(), start, {5}, {.beams = 2, .best = 3}), "best (3) must be from 1 to beams (2)");
  EXPECT_ERROR(beam_search(model.asked(), start, {0}, {}), "a text of at most 0 tokens leaves nothing to write");
  EXPECT_ERROR(beam_search(model.asked(), start, {5, 5}, {}), "[beam search] wants (2), got (1)");
}
