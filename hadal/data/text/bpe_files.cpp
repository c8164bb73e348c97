// Byte-pair encodings that Hadal trains, and tiktoken's ranks.
#include <algorithm>
#include <charconv>
#include <map>

#include "hadal/data/text/bpe_tokenizer.h"
#include "hadal/data/text/text_split.h"
#include "hadal/data/text/tokenizer_files.h"
#include "hadal/data/text/unicode.h"
#include "hadal/io/base64.h"
#include "hadal/io/bytes.h"

namespace hadal {
namespace {

// What OpenAI's encodings cut a text by; read from tiktoken's published definitions.
constexpr auto kCl100k =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr auto kO200k =
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|"
    "'d)?|"
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|"
    "'d)?|"
    "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

void cut_gpt2(std::string_view text, bool, const SubwordSteps::Sink& sink) {
  for (size_t at = 0; at < text.size();) {
    const auto end = gpt2_piece_end(text, at);
    sink(text.substr(at, end - at));
    at = end;
  }
}

/// What no match covers is a piece too.
SubwordSteps::Cut pattern_cut(const std::string& pattern, std::string_view name) {
  if (pattern == "gpt2") return cut_gpt2;
  const auto* known = pattern == "cl100k" ? kCl100k : pattern == "o200k" ? kO200k : nullptr;
  const auto regex = std::make_shared<const TextPattern>(known ? known : pattern, PatternSyntax::rust, name);
  return [regex](std::string_view text, bool, const SubwordSteps::Sink& sink) {
    size_t end = 0;
    regex->find_all(text, [&](const TextPattern::Match& match) {
      if (match.begin > end) sink(text.substr(end, match.begin - end));
      sink(text.substr(match.begin, match.end - match.begin));
      end = match.end;
    });
    if (end < text.size()) sink(text.substr(end));
  };
}

constexpr size_t kLongestToken = 1024;
constexpr int64_t kLargestGap = 64;  // published ranks leave out one or two ids, those of special tokens

/// Any two tokens that make a third are a merge of the third's rank: what tiktoken does without a list of merges.
std::vector<BpeMerge> merges_of(const std::vector<std::string>& tokens) {
  std::unordered_map<std::string_view, int32_t> ids;
  for (size_t i = 0; i < tokens.size(); ++i) ids.emplace(tokens[i], static_cast<int32_t>(i));
  std::vector<BpeMerge> merges;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string_view token = tokens[i];
    for (size_t cut = 1; cut < token.size(); ++cut) {
      const auto left = ids.find(token.substr(0, cut));
      if (left == ids.end()) continue;
      const auto right = ids.find(token.substr(cut));
      if (right == ids.end()) continue;
      const auto id = static_cast<int32_t>(i);
      merges.push_back({left->second, right->second, id, id});
    }
  }
  return merges;
}

std::vector<std::string> parse_ranks(std::string_view ranks, std::string_view name) {
  std::vector<std::string> tokens;
  int64_t line = 0;
  for (size_t at = 0; at < ranks.size();) {
    const auto end = std::min(ranks.find('\n', at), ranks.size());
    auto text = ranks.substr(at, end - at);
    at = end + 1;
    ++line;
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.empty()) continue;
    const auto refuse = [&](std::string_view why) { throw FileError(fmt::format("{} line {}", name, line), why); };
    const auto space = text.find(' ');
    auto token = space == std::string_view::npos ? std::nullopt : from_base64(text.substr(0, space));
    if (!token || token->empty())
      refuse(fmt::format("{} is no token in base64 with its rank behind a space", shown(text)));
    if (token->size() > kLongestToken)
      refuse(fmt::format("a token of {} bytes; at most {} are read", token->size(), kLongestToken));
    int64_t rank = -1;
    const auto digits = text.substr(space + 1);
    const auto [last, error] = std::from_chars(digits.data(), digits.data() + digits.size(), rank);
    const auto next = std::ssize(tokens);
    if (error != std::errc() || last != digits.data() + digits.size() || rank < next || rank > next + kLargestGap)
      refuse(fmt::format("the rank is {}, expected {} or a little more: ranks go up", shown(digits), next));
    tokens.resize(static_cast<size_t>(rank));
    tokens.push_back(*std::move(token));
  }
  return tokens;
}

/// "TEXT=ID", or "TEXT" for the next id that is behind all.
std::vector<AddedToken> special_tokens(const std::vector<std::string>& special,
                                       const std::vector<std::string>& tokens) {
  std::vector<AddedToken> added;
  const auto ranks = std::ssize(tokens);
  auto next = ranks;
  for (const auto& item : special) {
    const auto equals = item.rfind('=');
    auto id = next;
    auto text = item;
    if (equals != std::string::npos && equals > 0) {
      const auto* end = item.data() + item.size();
      const auto [last, error] = std::from_chars(item.data() + equals + 1, end, id);
      if (error == std::errc() && last == end)
        text.resize(equals);
      else
        id = next;
    }
    require(!text.empty(), "tokenizer.special holds an empty token");
    require(id >= 0 && id <= ranks * 4 + 65536, "tokenizer.special gives {} the id {}; there are {} ranks", text, id,
            ranks);
    const bool taken = id < ranks && !tokens[static_cast<size_t>(id)].empty();
    const bool twice = std::any_of(added.begin(), added.end(), [&](const auto& other) { return other.id == id; });
    require(!taken && !twice, "tokenizer.special gives {} the id {}, which another token has", text, id);
    added.push_back({text, id});
    next = std::max(next, id + 1);
  }
  return added;
}

struct TiktokenConfig {
  std::string path, pattern = "gpt2";
  std::vector<std::string> special;
  Table files;
  static Fields<TiktokenConfig> fields() {
    using C = TiktokenConfig;
    return {{"path", &C::path, "file of ranks (.tiktoken); $DATA is HADAL_DATA", file_path()},
            {"pattern", &C::pattern, "what words are cut by: gpt2, cl100k, o200k or a regular expression"},
            {"special", &C::special, "special tokens: TEXT=ID, or TEXT for the next id behind the ranks"},
            {"files", &C::files, kFilesHelp}};
  }
  void validate() const { require(!path.empty() || !files.empty(), "tokenizer.path is not set: name a file of ranks"); }
};

/// "left right" with every byte as its stand-in, as merges.txt has it.
std::string stand_ins(std::string_view bytes) {
  std::string out;
  for (const auto c : bytes) out += to_utf8(byte_stand_in(static_cast<uint8_t>(c)));
  return out;
}

}  // namespace

std::shared_ptr<const BpeTokenizer> parse_tiktoken(std::string_view ranks, const std::string& pattern,
                                                   const std::vector<std::string>& special, std::string_view name,
                                                   Table settings) {
  BpeParts parts;
  auto& subwords = parts.subwords;
  subwords.name = name;
  subwords.steps.cut = {pattern_cut(pattern, name)};
  subwords.tokens = parse_ranks(ranks, name);
  subwords.added = special_tokens(special, subwords.tokens);
  subwords.settings = std::move(settings);
  parts.merges = merges_of(subwords.tokens);
  parts.rules.whole_pieces = true;
  return std::make_shared<const BpeTokenizer>(std::move(parts));
}

Fields<BpeTrainingConfig> BpeTrainingConfig::fields() {
  using C = BpeTrainingConfig;
  return {{"size", &C::size, "tokens to learn, the 256 bytes among them", at_least(256)},
          {"least", &C::least, "how often a pair must occur to become a token", at_least(1)},
          {"merges", &C::merges, "what was learned: pairs of tokens, the first merged first (empty: learn)"}};
}

std::shared_ptr<const BpeTokenizer> make_trained_bpe(const BpeTrainingConfig& config, std::string_view text) {
  BpeVocabulary vocabulary;
  if (config.merges.empty()) {
    std::map<std::string_view, int64_t> counts;  // ordered: the same text gives the same tokens everywhere
    for (size_t at = 0; at < text.size();) {
      const auto end = gpt2_piece_end(text, at);
      ++counts[text.substr(at, end - at)];
      at = end;
    }
    const std::vector<std::pair<std::string, int64_t>> words(counts.begin(), counts.end());
    vocabulary = train_bpe(words, config.size, config.least);
  } else {
    vocabulary = bpe_from_merges(config.merges);
  }
  auto settings = config;
  auto& [tokens, merges] = vocabulary;
  settings.merges.clear();
  for (const auto& merge : merges)
    settings.merges.push_back(stand_ins(tokens[merge.left]) + " " + stand_ins(tokens[merge.right]));
  BpeParts parts;
  parts.subwords.name = "bpe";
  parts.subwords.steps.cut = {cut_gpt2};
  parts.subwords.tokens = std::move(tokens);
  parts.subwords.settings = write_config(settings);
  parts.merges = std::move(merges);
  return std::make_shared<const BpeTokenizer>(std::move(parts));
}

void register_bpe(TokenizerCatalog& catalog) {
  catalog.add("bpe", "byte-pair encoding, learned from the training text", BpeTrainingConfig{},
              [](const BpeTrainingConfig& config, std::string_view text) { return make_trained_bpe(config, text); });
  catalog.add(
      "tiktoken", "byte-pair encoding from tiktoken's ranks", TiktokenConfig{},
      [](TiktokenConfig config, std::string_view) {
        constexpr auto kRanks = "ranks.tiktoken";
        const auto files =
            settled_files(config.files, config.path, [&](const auto& path) { return read_one_file(path, kRanks); });
        return parse_tiktoken(files.need(kRanks), config.pattern, config.special, files.name, write_config(config));
      });
}

}  // namespace hadal
