#include "hadal/trained/text/embedder.h"

#include <charconv>

#include "hadal/core/format.h"
#include "hadal/core/utf8.h"
#include "hadal/data/text/buckets.h"
#include "hadal/nn/masks.h"
#include "hadal/trained/summary.h"
#include "hadal/trained/text/tokens.h"

namespace hadal {
namespace {

const std::vector<std::string> kModes = {"mean", "cls", "max", "last", "root_mean"};

/// The number that a float's shortest digits say: 0.1f as 0.1 and not as 0.10000000149.
double short_number(float value) {
  const auto text = fmt::format("{}", value);
  double out = value;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

}  // namespace

Fields<PoolingConfig> PoolingConfig::fields() {
  using C = PoolingConfig;
  return {{"mode", &C::mode, "how the states of a text's tokens become one vector", one_of(kModes)},
          {"normalize", &C::normalize, "bring vectors to length 1"},
          {"longest", &C::longest, "tokens that are read of a text; 0: as many as the model reads", at_least(0)}};
}

PoolingConfig PoolingConfig::of(const Pooling& pooling) {
  PoolingConfig out{.normalize = pooling.normalize, .longest = pooling.longest};
  for (const auto& name : kModes)
    if (pooling_mode(name) == pooling.mode) out.mode = name;
  return out;
}

Pooling PoolingConfig::pooling() const {
  return {.mode = pooling_mode(mode).value(), .normalize = normalize, .longest = longest};
}

Fields<EmbedderConfig> EmbedderConfig::fields() {
  using C = EmbedderConfig;
  return {{"model", &C::model, "the network", text_embedders().kinds()},
          {"tokenizer", &C::tokenizer, "how texts become tokens", tokenizers().kinds()},
          {"pooling", &C::pooling, "from the states of tokens to a text's vector"},
          {"predict", &C::predict, "what predict answers"}};
}

TrainedEmbedder::TrainedEmbedder(EmbedderConfig config, const Table& learned, const Use& use)
    : config_(std::move(config)), use_(use) {
  validate_config(config_.pooling, "pooling");
  tokenizer_ = settle_tokenizer(config_.tokenizer, learned, use_.weights, [] { return std::string(); });
  before_ = tokenizer_->special("[CLS]");
  behind_ = tokenizer_->special("[SEP]");
  agree(config_.model, "vocabulary", std::max<int64_t>(1, tokenizer_->size()), "the tokenizer has", true);
  config_.model = text_embedders().resolve(config_.model);
  torch::manual_seed(use_.seed);
  model_ = text_embedders().make(config_.model);
  const auto& pooling = config_.pooling;
  longest_ = pooling.longest > 0 ? std::min(pooling.longest, model_->context()) : model_->context();
  if (use_.weights) load_into(*model_, *use_.weights, use_.learns);
  model_->to(use_.device);
}

std::string TrainedEmbedder::summary() const {
  return fmt::format("{}, {} tokens; vectors of {} ({}), of up to {} tokens",
                     model_summary(config_.model.name, *model_), format_count(tokenizer_->size()),
                     read_integer(*config_.model.settings.find("dim"), "dim", {}), config_.pooling.mode, longest_);
}

std::vector<int64_t> TrainedEmbedder::encode(const std::string& text) const {
  auto ids = tokenizer_->encode(text);
  const auto room = std::max<int64_t>(0, longest_ - before_.has_value() - behind_.has_value());
  if (std::ssize(ids) > room) ids.resize(static_cast<size_t>(room));
  if (before_) ids.insert(ids.begin(), *before_);
  if (behind_) ids.push_back(*behind_);
  if (ids.empty()) ids = {0};  // an empty text is a text too
  return ids;
}

Tensor TrainedEmbedder::embed(std::span<const std::vector<int64_t>> ids) {
  const Using guard(*model_, use_);
  std::vector<int64_t> sizes;
  for (const auto& row : ids) sizes.push_back(std::ssize(row));
  const auto lengths = torch::tensor(sizes, torch::kInt64).to(use_.device);
  const auto states = model_->forward(padded(ids, 0).to(use_.device), lengths);
  const auto mask = padding_mask(lengths, states.size(1)).view({states.size(0), states.size(1)});
  return pooled(config_.pooling.pooling(), states, mask).to(torch::kFloat32).cpu();
}

Tensor TrainedEmbedder::operator()(std::span<const std::string> texts) {
  std::vector<Tensor> parts = {torch::empty({0, read_integer(*config_.model.settings.find("dim"), "dim", {})})};
  for (size_t first = 0; first < texts.size(); first += static_cast<size_t>(use_.batch)) {
    std::vector<std::vector<int64_t>> ids;
    for (const auto& text : texts.subspan(first, std::min(static_cast<size_t>(use_.batch), texts.size() - first)))
      ids.push_back(encode(text));
    parts.push_back(embed(ids));
  }
  return torch::cat(parts);
}

std::vector<Answer> TrainedEmbedder::predict(std::span<const Input> inputs, const Table& given) {
  (void)options_over(config_.predict, given, "predict");
  std::vector<Answer> answers(inputs.size());
  std::vector<std::vector<int64_t>> ids;
  for (size_t i = 0; i < inputs.size(); ++i) try {
      check_utf8(inputs[i].bytes, inputs[i].name);
      ids.push_back(encode(inputs[i].bytes));
    } catch (const Error& error) {
      answers[i].error = error.what();
    }
  if (ids.empty()) return answers;
  const auto all = embed(ids).contiguous();
  const auto* row = all.const_data_ptr<float>();
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!answers[i].error.empty()) continue;
    auto vector = nlohmann::ordered_json::array();
    for (int64_t k = 0; k < all.size(1); ++k) vector.push_back(short_number(*row++));
    answers[i].json = {{"input", inputs[i].name}, {"text", inputs[i].bytes}};
    answers[i].json["embedding"] = std::move(vector);
  }
  return answers;
}

std::unique_ptr<TrainedEmbedder> load_embedder(const std::filesystem::path& what, const UseOptions& options) {
  return load_as<TrainedEmbedder>("embed", what, options);
}

void register_trained_embedder(TrainedCatalog& catalog) {
  catalog.add("embed", "texts: a vector each, near those of texts that mean the same", EmbedderConfig{},
              [](const EmbedderConfig& config, const Table& learned, const Use& use) {
                return std::make_unique<TrainedEmbedder>(config, learned, use);
              });
}

}  // namespace hadal
