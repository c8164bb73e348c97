// Beam search: the most likely continuations, several kept at every step.
#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <string_view>
#include <vector>

#include "hadal/core/torch.h"

namespace hadal {

/// What beam search asks of a model, whatever the model is.
struct NextTokens {
  /// tokens (R) int64, the latest of each row -> log-probabilities (R, V) float of what follows.
  std::function<Tensor(const Tensor& tokens)> next;
  /// From now on row i goes on from what row rows[i] has read; rows (R') int64 on the CPU. A model forgets the others.
  std::function<void(const Tensor& rows)> select;
};

struct BeamOptions {
  int64_t beams = 5;
  int64_t best = 1;           // continuations to return for each row, at most `beams`
  double length_penalty = 1;  // the score is the log-probability / length^penalty; 0: no difference
  std::vector<int64_t> ends;  // the tokens that end a text
  int64_t least = 0;          // tokens before an end may come
};

struct Continuation {
  std::vector<int64_t> tokens;  // without the end
  double log_probability = 0, score = 0;
  bool ended = false;  // false: it reached its longest length
};

/// Throws Error unless the highest score of every row, (R), is a number: NaN counts as the highest.
void check_scores(std::string_view where, const Tensor& highest);

/// Continues every row of `start` (B), whose model has B rows, by at most longest[b] tokens, the end among them.
/// Returns up to `best` continuations a row, the highest score first. Stops a row as soon as nothing unfinished in its
/// beam can still be better. Throws UsageError on options that do not fit, Error where the model's scores are no
/// numbers.
std::vector<std::vector<Continuation>> beam_search(const NextTokens& model, const Tensor& start,
                                                   const std::vector<int64_t>& longest, const BeamOptions& options);

}  // namespace hadal
