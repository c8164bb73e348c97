#include "hadal/models/text/generate.h"

#include <algorithm>

#include "hadal/core/error.h"

namespace hadal {
namespace {

/// The sequences that are still being written, as one padded batch and its cache.
class Writer {
 public:
  Writer(LanguageModel& model, int64_t room) : model_(model), room_(room) {}

  /// Reads the last counts[b] tokens of each text from anew; gives the logits behind them, (B, V).
  Tensor read(const std::vector<const std::vector<int64_t>*>& texts, const std::vector<int64_t>& counts) {
    const auto longest = *std::max_element(counts.begin(), counts.end());
    const auto batch = std::ssize(texts);
    auto ids = torch::zeros({batch, longest}, torch::kInt64), starts = torch::zeros({batch}, torch::kInt64);
    for (int64_t b = 0; b < batch; ++b) {
      const auto& text = *texts[b];
      const auto count = counts[b];
      std::copy(text.end() - count, text.end(), ids.mutable_data_ptr<int64_t>() + (b + 1) * longest - count);
      starts[b] = longest - count;
    }
    const auto device = model_.parameters().at(0).device();
    begin(batch);
    if (starts.max().item<int64_t>() > 0) cache_.starts = starts.to(device);
    return last(model_.forward(ids.to(device), &cache_));
  }
  Tensor next(const Tensor& tokens) {
    return last(model_.forward(tokens.unsqueeze(1).to(model_.parameters().at(0).device()), &cache_));
  }
  /// Room for `batch` texts of which nothing is read.
  void begin(int64_t batch) {
    cache_ = model_.make_cache(batch, room_);
    require(!cache_.layers.empty(), "[generate] a model without layers has no cache to remember a text with");
  }
  /// The next token has no place without learned positions beyond the last.
  bool full() const { return !model_.rolls() && cache_.seen() >= model_.context(); }
  void keep(const Tensor& rows) { cache_.select(rows.to(model_.parameters().at(0).device())); }

 private:
  static Tensor last(const Tensor& logits) { return logits.select(1, -1).to(torch::kCPU, torch::kFloat32); }

  LanguageModel& model_;
  int64_t room_;
  DecodingCache cache_;
};

void check(const std::vector<std::vector<int64_t>>& prompts, const GenerateConfig& config) {
  constexpr int64_t kMost = 1'000'000'000;
  require(config.tokens >= 0 && config.tokens <= kMost, "tokens ({}) must be from 0 to {}", config.tokens, kMost);
  for (size_t i = 0; i < prompts.size(); ++i)
    require(!prompts[i].empty(), "[generate] prompt {} is empty; a text needs a token to begin with", i + 1);
}

}  // namespace

std::vector<std::vector<int64_t>> generate(LanguageModel& model, const std::vector<std::vector<int64_t>>& prompts,
                                           const GenerateConfig& config, const TokenListener& listen) {
  const torch::NoGradGuard no_grad;
  config.sampling.validate();
  check(prompts, config);
  const bool training = model.is_training();
  model.eval();
  std::vector<std::vector<int64_t>> texts = prompts;
  std::vector<Random> randoms;
  std::vector<size_t> alive;
  int64_t longest = 0;
  for (size_t i = 0; i < prompts.size(); ++i) {
    randoms.emplace_back(config.seed, std::initializer_list<uint64_t>{5, i});
    alive.push_back(i);
    longest = std::max<int64_t>(longest, std::ssize(prompts[i]));
  }
  const auto half = std::max<int64_t>(1, model.context() / 2);
  const auto room = std::min(model.context(), longest + config.tokens);
  const auto fits = [&](int64_t length) { return model.rolls() || length <= model.context() ? length : half; };
  // How many of its last tokens a text is told by: its own length alone decides, never what its neighbours need.
  std::vector<int64_t> seen;
  for (const auto& prompt : prompts) seen.push_back(fits(std::ssize(prompt)));
  Writer writer(model, room);
  const auto read_again = [&] {
    std::vector<const std::vector<int64_t>*> now;
    std::vector<int64_t> counts;
    for (const auto i : alive) {
      now.push_back(&texts[i]);
      counts.push_back(seen[i]);
    }
    return writer.read(now, counts);
  };
  Tensor logits;
  for (int64_t made = 0; made < config.tokens && !alive.empty(); ++made) {
    if (made == 0) logits = read_again();
    check_scores("generate", logits.amax(1));
    std::vector<int64_t> tokens, rows;
    std::vector<size_t> still;
    for (size_t row = 0; row < alive.size(); ++row) {
      const auto i = alive[row];
      const auto all = logits[static_cast<int64_t>(row)];
      const auto usable = config.vocabulary > 0 ? all.slice(0, 0, config.vocabulary) : all;
      const auto token = pick_token(usable, texts[i], config.sampling, randoms[i]);
      if (std::find(config.stop.begin(), config.stop.end(), token) != config.stop.end()) continue;
      texts[i].push_back(token);
      seen[i] = fits(seen[i] + 1);
      if (listen && listen(i, token)) continue;
      tokens.push_back(token);
      rows.push_back(static_cast<int64_t>(row));
      still.push_back(i);
    }
    const bool fewer = still.size() < alive.size();
    alive = std::move(still);
    if (alive.empty() || made + 1 == config.tokens) break;
    if (fewer) writer.keep(torch::tensor(rows, torch::kInt64));
    logits = writer.full() ? read_again() : writer.next(torch::tensor(tokens, torch::kInt64));
  }
  if (training) model.train();
  for (size_t i = 0; i < texts.size(); ++i) texts[i].erase(texts[i].begin(), texts[i].begin() + std::ssize(prompts[i]));
  return texts;
}

std::vector<std::vector<Continuation>> generate_likeliest(LanguageModel& model,
                                                          const std::vector<std::vector<int64_t>>& prompts,
                                                          const GenerateConfig& config, BeamOptions options) {
  const torch::NoGradGuard no_grad;
  check(prompts, config);
  const bool training = model.is_training();
  model.eval();
  std::vector<std::vector<int64_t>> before;  // all but each prompt's last token, which the search begins with
  std::vector<int64_t> start, longest;
  int64_t most = 0;
  for (const auto& prompt : prompts) {
    before.emplace_back(prompt.begin(), prompt.end() - 1);
    start.push_back(prompt.back());
    most = std::max<int64_t>(most, std::ssize(prompt));
  }
  for (size_t i = 0; i < prompts.size(); ++i)
    longest.push_back(model.rolls() ? config.tokens : std::min(config.tokens, model.context() - most + 1));
  // Padding takes places: where there are not enough, each prompt is searched by itself.
  if (prompts.size() > 1 && !model.rolls() && most + config.tokens - 1 > model.context()) {
    std::vector<std::vector<Continuation>> found;
    for (const auto& prompt : prompts) found.push_back(generate_likeliest(model, {prompt}, config, options).at(0));
    if (training) model.train();
    return found;
  }
  require(longest.empty() || longest[0] > 0,
          "[generate] a prompt of {} tokens leaves beam search no room in the context of {}", most, model.context());
  Writer writer(model, std::min(model.context(), most + config.tokens));
  std::vector<const std::vector<int64_t>*> texts;
  std::vector<int64_t> counts;
  for (const auto& text : before) {
    texts.push_back(&text);
    counts.push_back(model.rolls() ? std::ssize(text) : std::min(std::ssize(text), model.context()));
  }
  if (most > 1)
    writer.read(texts, counts);
  else
    writer.begin(std::ssize(prompts));
  options.ends = config.stop;
  const NextTokens steps{.next =
                             [&](const Tensor& tokens) {
                               const auto logits = writer.next(tokens);
                               const auto usable =
                                   config.vocabulary > 0 ? logits.slice(1, 0, config.vocabulary) : logits;
                               return usable.log_softmax(1);
                             },
                         .select = [&](const Tensor& rows) { writer.keep(rows); }};
  auto found = beam_search(steps, torch::tensor(start, torch::kInt64), longest, options);
  if (training) model.train();
  return found;
}

}  // namespace hadal
