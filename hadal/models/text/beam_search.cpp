#include "hadal/models/text/beam_search.h"

#include <algorithm>
#include <cmath>

#include "hadal/core/error.h"
#include "hadal/core/shape.h"

namespace hadal {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

struct Beam {
  std::vector<int64_t> tokens;
  double log_probability = 0;
};

/// One row of the batch: what is still being written, and what is done.
struct Search {
  size_t row;
  int64_t longest;
  std::vector<Beam> live;
  std::vector<Continuation> done;
};

double score_of(double log_probability, size_t length, double penalty) {
  return log_probability / std::pow(static_cast<double>(std::max<size_t>(length, 1)), penalty);
}

void finish(Search& search, Beam beam, bool ended, const BeamOptions& options) {
  const auto length = beam.tokens.size() + (ended ? 1 : 0);
  const auto score = score_of(beam.log_probability, length, options.length_penalty);
  Continuation made{std::move(beam.tokens), beam.log_probability, score, ended};
  const auto place = std::find_if(search.done.begin(), search.done.end(),
                                  [&](const Continuation& other) { return other.score < made.score; });
  search.done.insert(place, std::move(made));
  if (static_cast<int64_t>(search.done.size()) > options.best) search.done.pop_back();
}

/// Whether no beam that is still written can come before the worst of those that are done.
bool is_over(const Search& search, const BeamOptions& options) {
  if (search.live.empty()) return true;
  if (static_cast<int64_t>(search.done.size()) < options.best) return false;
  // Log-probabilities only fall, and the highest score that they leave is at the longest length, or, where the penalty
  // is turned round, at the next one.
  const auto length =
      options.length_penalty > 0 ? static_cast<size_t>(search.longest) : search.live[0].tokens.size() + 1;
  return score_of(search.live[0].log_probability, length, options.length_penalty) <= search.done.back().score;
}

struct Candidate {
  float log_probability;
  int64_t parent, token;
  bool operator<(const Candidate& other) const {  // the likeliest first, always in the same order
    if (log_probability != other.log_probability) return log_probability > other.log_probability;
    return std::pair(parent, token) < std::pair(other.parent, other.token);
  }
};

/// The next beams of one row, and which beam each comes from.
std::vector<int64_t> advance(Search& search, const std::vector<Candidate>& candidates, const BeamOptions& options) {
  std::vector<Beam> next;
  std::vector<int64_t> parents;
  int64_t rank = 0;
  for (const auto& [log_probability, parent, token] : candidates) {
    if (static_cast<int64_t>(next.size()) == options.beams || !(log_probability > kNever)) break;
    Beam beam{search.live[static_cast<size_t>(parent)].tokens, log_probability};
    // An end counts only where it is among the best `beams`: else a poor short text would fill the places.
    if (std::find(options.ends.begin(), options.ends.end(), token) != options.ends.end()) {
      if (rank++ < options.beams) finish(search, std::move(beam), true, options);
      continue;
    }
    ++rank;
    beam.tokens.push_back(token);
    next.push_back(std::move(beam));
    parents.push_back(parent);
  }
  search.live = std::move(next);
  if (!search.live.empty() && static_cast<int64_t>(search.live[0].tokens.size()) >= search.longest) {
    for (auto& beam : search.live) finish(search, std::move(beam), false, options);
    search.live.clear();
  }
  return parents;
}

}  // namespace

void check_scores(std::string_view where, const Tensor& highest) {
  if (!highest.isfinite().all().item<bool>())
    fail("[{}] the model's scores are not finite: its weights are broken, or a lower precision overflowed", where);
}

std::vector<std::vector<Continuation>> beam_search(const NextTokens& model, const Tensor& start,
                                                   const std::vector<int64_t>& longest, const BeamOptions& options) {
  require(options.beams >= 1, "[beam search] beams ({}) must be at least 1", options.beams);
  require(options.best >= 1 && options.best <= options.beams, "[beam search] best ({}) must be from 1 to beams ({})",
          options.best, options.beams);
  expect_shape("beam search", start, {static_cast<int64_t>(longest.size())});
  const torch::NoGradGuard no_grad;
  std::vector<std::vector<Continuation>> out(longest.size());
  std::vector<Search> searches;
  for (size_t row = 0; row < longest.size(); ++row) {
    require(longest[row] >= 1, "[beam search] a text of at most {} tokens leaves nothing to write", longest[row]);
    searches.push_back({row, longest[row], {Beam{}}, {}});
  }
  auto tokens = start;
  while (!searches.empty()) {
    auto scores = model.next(tokens).to(torch::kFloat32);  // (R, V); rows are the live beams of each search in turn
    const auto vocabulary = scores.size(1);
    std::vector<float> before;
    for (const auto& search : searches)
      for (const auto& beam : search.live) before.push_back(static_cast<float>(beam.log_probability));
    const auto rows = static_cast<int64_t>(before.size());
    expect_shape("beam search", scores, {rows, vocabulary});
    scores = scores + torch::tensor(before).to(scores.device()).unsqueeze(1);
    if (static_cast<int64_t>(searches[0].live[0].tokens.size()) < options.least)
      for (const auto end : options.ends) scores.select(1, end).fill_(kNever);

    std::vector<Search> going;
    std::vector<int64_t> kept, latest;
    // Twice as many candidates as beams: half of them may be ends, one of each beam; more where a beam has more ends.
    const auto most = std::min(options.beams + std::max(options.beams, std::ssize(options.ends)), vocabulary);
    auto [values, indices] = scores.topk(most, 1);
    const auto value = values.cpu().contiguous(), index = indices.cpu().contiguous();
    check_scores("beam search", value.select(1, 0));  // each row's highest
    int64_t first = 0;
    for (auto& search : searches) {
      const auto width = static_cast<int64_t>(search.live.size());
      std::vector<Candidate> candidates;
      for (int64_t i = 0; i < width; ++i)
        for (auto k = (first + i) * most; k < (first + i + 1) * most; ++k)
          candidates.push_back({value.const_data_ptr<float>()[k], i, index.const_data_ptr<int64_t>()[k]});
      std::sort(candidates.begin(), candidates.end());
      const auto parents = advance(search, candidates, options);
      if (is_over(search, options)) {
        out[search.row] = std::move(search.done);
      } else {
        for (size_t i = 0; i < parents.size(); ++i) {
          kept.push_back(first + parents[i]);
          latest.push_back(search.live[i].tokens.back());
        }
        going.push_back(std::move(search));
      }
      first += width;
    }
    searches = std::move(going);
    if (searches.empty()) break;
    model.select(torch::tensor(kept, torch::kInt64));
    tokens = torch::tensor(latest, torch::kInt64).to(start.device());
  }
  return out;
}

}  // namespace hadal
