#include "hadal/trained/text/beam_translator.h"

#include <algorithm>
#include <numeric>

#include "hadal/data/text/buckets.h"

namespace hadal {

Tensor lengths_of(std::span<const std::vector<int64_t>> rows) {
  std::vector<int64_t> lengths;
  for (const auto& row : rows) lengths.push_back(static_cast<int64_t>(row.size()));
  return torch::tensor(lengths, torch::kInt64);
}

std::vector<int64_t> Translator::encode(std::string_view text) const {
  auto ids = tokenizer_->encode(" " + std::string(text));
  ids.push_back(ends_.end);
  return ids;
}

std::string Translator::decode(std::span<const int64_t> ids) const {
  std::vector<int64_t> words;
  for (const auto id : ids)
    if (id < ends_.padding) words.push_back(id);
  auto text = tokenizer_->decode(words);
  if (text.starts_with(' ')) text.erase(0, 1);
  return text;
}

std::vector<std::vector<Continuation>> Translator::search(std::span<const std::vector<int64_t>> sources,
                                                          const TranslatorOptions& options) const {
  const auto count = static_cast<int64_t>(sources.size());
  const auto source = padded(sources, ends_.padding).to(device_), lengths = lengths_of(sources).to(device_);
  std::vector<int64_t> longest;
  for (const auto& row : sources)
    longest.push_back(std::min(options.longest, static_cast<int64_t>(row.size()) * 2 + 10));
  auto memory = model_.encode(source, lengths);
  auto mask = padding_mask(lengths, source.size(1));
  auto cache = model_.make_cache(count, *std::max_element(longest.begin(), longest.end()));
  const NextTokens next{.next =
                            [&](const Tensor& tokens) {
                              const auto features = model_.decode(tokens.unsqueeze(1), memory, mask, &cache);
                              auto scores = model_.logits(features.squeeze(1)).to(torch::kFloat32).log_softmax(1);
                              scores.slice(1, ends_.padding, ends_.end).fill_(-std::numeric_limits<float>::infinity());
                              return scores;
                            },
                        .select =
                            [&](const Tensor& rows) {
                              const auto there = rows.to(device_);
                              cache.select(there);
                              memory = memory.index_select(0, there);
                              mask = mask.index_select(0, there);
                            }};
  auto beam = options.beam;
  beam.ends = {ends_.end};
  return beam_search(next, torch::full({count}, ends_.start, torch::TensorOptions(torch::kInt64).device(device_)),
                     longest, beam);
}

std::vector<Translation> Translator::translate(std::span<const std::string> texts,
                                               const TranslatorOptions& options) const {
  const torch::NoGradGuard no_grad;
  std::vector<std::vector<int64_t>> sources;
  std::vector<size_t> order;
  for (const auto& text : texts) {
    if (text.find_first_not_of(" \t\r\n") != std::string::npos) order.push_back(sources.size());
    sources.push_back(encode(text));
  }
  // Texts of like length together: less padding, and they end at about the same time.
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return sources[a].size() < sources[b].size(); });
  std::vector<Translation> out(texts.size());
  for (size_t begin = 0; begin < order.size(); begin += static_cast<size_t>(options.batch)) {
    if (options.between) options.between();
    const auto end = std::min(order.size(), begin + static_cast<size_t>(options.batch));
    std::vector<std::vector<int64_t>> batch;
    for (auto i = begin; i < end; ++i) batch.push_back(sources[order[i]]);
    const auto found = search(batch, options);
    for (auto i = begin; i < end; ++i) {
      const auto& best = found[i - begin].at(0);
      out[order[i]] = {decode(best.tokens), best.score, best.ended};
    }
  }
  return out;
}

}  // namespace hadal
