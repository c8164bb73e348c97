// How BERT's texts are cleaned and cut into words before WordPiece, character for character as the tokenizers library
// does it: its tables know Unicode 8, and the ids of published models were learned with them.
#pragma once
#include <functional>
#include <string>
#include <string_view>

namespace hadal {

struct BertCleaning {
  bool clean = true;          // control characters go, white space becomes spaces
  bool apart = true;          // Chinese characters become words of their own
  bool strip_accents = true;  // NFD without its non-spacing marks
  bool lower = true;
};

/// In this order. Bytes that are not UTF-8 go with the control characters. strip_accents and lower throw Error in a
/// build without a Unicode library.
std::string bert_clean(std::string_view text, const BertCleaning& cleaning);

/// Words between white space, each punctuation mark by itself.
void bert_cut(std::string_view text, const std::function<void(std::string_view word)>& sink);

/// Without characters that combine with others (the normalizer StripAccents).
std::string without_marks(std::string_view text);

}  // namespace hadal
