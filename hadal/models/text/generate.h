// Texts written token by token, several at once, with the model's cache.
#pragma once
#include <functional>
#include <vector>

#include "hadal/models/text/beam_search.h"
#include "hadal/models/text/language_model.h"
#include "hadal/models/text/sampling.h"

namespace hadal {

struct GenerateConfig {
  int64_t tokens = 200;  // at most this many new ones
  SamplingConfig sampling;
  uint64_t seed = 1;               // sequence i draws from a stream of its own, whatever else is in the batch
  int64_t vocabulary = 0;          // ids from here on are never drawn (0: all of the model's may be)
  std::vector<int64_t> stop = {};  // ids that end a text; they are not part of it
};

/// Called with each new token of sequence `index`; true ends that sequence.
using TokenListener = std::function<bool(size_t index, int64_t token)>;

/// Goes on with each prompt (at least one token each); gives the new tokens. Prompts of unequal length are padded on
/// the left inside.
///
/// A text may grow beyond the model's context. With positions inside attention (rotary, ALiBi, relative) the cache
/// rolls: each token sees the context() before it. With learned positions the window slides: when a text fills the
/// context, its last half is read again. Throws Error for ids out of range and scores that are no numbers, UsageError
/// for an empty prompt.
std::vector<std::vector<int64_t>> generate(LanguageModel& model, const std::vector<std::vector<int64_t>>& prompts,
                                           const GenerateConfig& config, const TokenListener& listen = {});

/// Goes on with each prompt by beam search: the likeliest texts instead of drawn ones. Of `config` the tokens, the
/// vocabulary and the stop ids count. With learned positions, prompt and new tokens end at the context.
std::vector<std::vector<Continuation>> generate_likeliest(LanguageModel& model,
                                                          const std::vector<std::vector<int64_t>>& prompts,
                                                          const GenerateConfig& config, BeamOptions options);

}  // namespace hadal
