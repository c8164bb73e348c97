// The next token out of a model's logits: greedy, or drawn from what temperature, top-k and top-p leave.
#pragma once
#include <span>
#include <vector>

#include "hadal/core/random.h"
#include "hadal/core/torch.h"

namespace hadal {

struct SamplingConfig {
  double temperature = 1;         // 0: always the likeliest token
  int64_t top_k = 0;              // of this many likeliest (0: of all)
  double top_p = 1;               // of the likeliest that together have this probability (Holtzman et al. 2019,
                                  // arXiv:1904.09751)
  double repetition_penalty = 1;  // above 1: tokens that were there are less likely (Keskar et al. 2019,
                                  // arXiv:1909.05858)

  /// Throws UsageError for a value out of range.
  void validate() const;
};

/// logits (V) and the tokens so far -> (V) float32: penalised, divided by the temperature, -inf where top_k and top_p
/// leave a token out. In this order, as transformers does. A temperature of 0 divides by nothing.
Tensor filtered_logits(const Tensor& logits, std::span<const int64_t> tokens, const SamplingConfig& config);

/// A token drawn from the softmax of filtered_logits(), or the likeliest one.
int64_t pick_token(const Tensor& logits, std::span<const int64_t> tokens, const SamplingConfig& config, Random& random);

}  // namespace hadal
