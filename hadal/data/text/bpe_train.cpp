#include <algorithm>
#include <queue>
#include <unordered_map>

#include "hadal/core/error.h"
#include "hadal/data/text/bpe.h"

namespace hadal {
namespace {

using Pair = std::pair<int32_t, int32_t>;
struct PairHash {
  size_t operator()(const Pair& pair) const {
    return (static_cast<uint64_t>(static_cast<uint32_t>(pair.first)) << 32 | static_cast<uint32_t>(pair.second)) *
           0x9E3779B97F4A7C15u;
  }
};

struct Word {
  std::vector<int32_t> symbols;
  int64_t count;
};

/// How often a pair occurs, and in which words it may.
struct Places {
  int64_t count = 0;
  std::vector<size_t> words;
  void add(int64_t times, size_t word) {
    count += times;
    if (words.empty() || words.back() != word) words.push_back(word);
  }
};

struct Candidate {
  int64_t count;
  Pair pair;
  bool operator<(const Candidate& other) const {
    return count != other.count ? count < other.count : pair > other.pair;  // for a queue that gives its largest
  }
};

class Trainer {
 public:
  explicit Trainer(std::span<const std::pair<std::string, int64_t>> words) {
    for (const auto byte : bytes_in_order()) add(std::string(1, static_cast<char>(byte)));
    for (const auto& [text, count] : words) {
      Word word{{}, count};
      for (const auto c : text) word.symbols.push_back(ids_.at(std::string(1, c)));
      words_.push_back(std::move(word));
    }
    for (size_t i = 0; i < words_.size(); ++i)
      for (size_t k = 0; k + 1 < words_[i].symbols.size(); ++k)
        pairs_[{words_[i].symbols[k], words_[i].symbols[k + 1]}].add(words_[i].count, i);
    for (const auto& [pair, places] : pairs_) queue_.push({places.count, pair});
  }

  BpeVocabulary run(size_t size, int64_t least) {
    while (made_.tokens.size() < size && !queue_.empty()) {
      const auto top = queue_.top();
      queue_.pop();
      const auto found = pairs_.find(top.pair);
      if (found == pairs_.end()) continue;
      if (found->second.count != top.count) {  // merges since then took some away
        if (found->second.count > 0) queue_.push({found->second.count, top.pair});
        continue;
      }
      if (top.count < least) break;
      const auto into = add(made_.tokens[top.pair.first] + made_.tokens[top.pair.second]);
      made_.merges.push_back({top.pair.first, top.pair.second, into, static_cast<int32_t>(made_.merges.size())});
      auto places = std::move(found->second);
      pairs_.erase(found);
      merge(top.pair, into, places.words);
    }
    return std::move(made_);
  }

 private:
  /// The token's id; two merges may give the same bytes.
  int32_t add(const std::string& token) {
    const auto [at, fresh] = ids_.emplace(token, static_cast<int32_t>(made_.tokens.size()));
    if (fresh) made_.tokens.push_back(token);
    return at->second;
  }

  void merge(const Pair& pair, int32_t into, const std::vector<size_t>& places) {
    std::vector<Pair> grown;
    for (const auto place : places) {
      auto& [symbols, count] = words_[place];
      const auto change = [&](const Pair& changed, int64_t by) {
        if (changed == pair) return;  // it is going altogether
        if (by > 0) {
          pairs_[changed].add(by, place);
          grown.push_back(changed);
        } else if (const auto at = pairs_.find(changed); at != pairs_.end()) {
          at->second.count += by;
        }
      };
      size_t kept = 0;
      for (size_t i = 0; i < symbols.size(); ++i, ++kept) {
        const bool here = symbols[i] == pair.first && i + 1 < symbols.size() && symbols[i + 1] == pair.second;
        if (here && kept > 0) change({symbols[kept - 1], pair.first}, -count), change({symbols[kept - 1], into}, count);
        if (here && i + 2 < symbols.size())
          change({pair.second, symbols[i + 2]}, -count), change({into, symbols[i + 2]}, count);
        symbols[kept] = here ? into : symbols[i];
        i += here;
      }
      symbols.resize(kept);
    }
    std::sort(grown.begin(), grown.end());
    grown.erase(std::unique(grown.begin(), grown.end()), grown.end());
    for (const auto& changed : grown) queue_.push({pairs_[changed].count, changed});
  }

  BpeVocabulary made_;
  std::unordered_map<std::string, int32_t> ids_;
  std::vector<Word> words_;
  std::unordered_map<Pair, Places, PairHash> pairs_;
  std::priority_queue<Candidate> queue_;
};

}  // namespace

BpeVocabulary train_bpe(std::span<const std::pair<std::string, int64_t>> words, int64_t size, int64_t least) {
  require(size >= 256, "[bpe] a vocabulary of {} has no room for the 256 bytes; try size=8000", size);
  return Trainer(words).run(static_cast<size_t>(size), least);
}

}  // namespace hadal
