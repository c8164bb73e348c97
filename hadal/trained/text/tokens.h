// What all that reads texts shares: a tokenizer that travels with the weights.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hadal/data/text/tokenizer.h"
#include "hadal/trained/trained.h"

namespace hadal {

/// Is it still to be learned from a text?
bool learns(const Part& tokenizer);
/// The texts it is to be learned from: those of `train`, and for characters of all splits, as nanoGPT takes them: one
/// that only val has would end the run there.
std::string texts_to_learn(const Part& tokenizer, const std::vector<std::string>& splits,
                           const std::function<std::string(const std::string& split)>& text_of);

/// The tokenizer of what was learned where `part` is of a kind that learns or names no other file; else what `part`
/// says, or learns from `training_text`, which is called at most once. `part` is given all its settings but what was
/// learned and what its files hold. Throws Error for weights that bring none to a `part` that would learn one: their
/// ids would mean nothing.
std::shared_ptr<const Tokenizer> settle_tokenizer(Part& part, const Table& learned, const Passport* weights,
                                                  const std::function<std::string()>& training_text);
/// As [learned] keeps it, with all that it learned or was read from: {tokenizer = {name = ..., ...}}.
Table learned_tokenizer(const Part& part, const Tokenizer& tokenizer);

/// What a task that learns begins with: what its run was taught, or else its weights'.
Table known_before(const Table& learned, const Passport* weights);

/// A whole-number setting of a model: what the recipe gives, which must be `value` (`or_more`: or above), or else
/// `value` itself.
void agree(Part& model, const char* key, int64_t value, const char* what, bool or_more = false);

}  // namespace hadal
