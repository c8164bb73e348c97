#include "hadal/models/text/text_classifier.h"

#include <cmath>

#include "hadal/core/shape.h"
#include "hadal/models/text/bert.h"
#include "hadal/ops/tokens.h"

namespace hadal {

void check_tokens(std::string_view where, const Tensor& ids, int64_t vocabulary) {
  expect_shape(where, ids, {kAny, kAny});
  if (ids.numel() == 0 || !ids.is_cpu()) return;
  const auto [low, high] = ids.aminmax();
  const auto least = low.item<int64_t>(), most = high.item<int64_t>();
  if (least < 0 || most >= vocabulary)
    fail("[{}] there is no token {}; ids are 0 to {}", where, least < 0 ? least : most, vocabulary - 1);
}

TextEncoderImpl::TextEncoderImpl(const TextEncoderConfig& config) : config_(config) {
  validate_config(config, "text_encoder");
  embedding_ = register_module("embedding", nn::Embedding(config.vocabulary, config.dim));
  nn::init::normal_(embedding_->weight, 0, 1 / std::sqrt(static_cast<double>(config.dim)));
  sinusoids_ = sinusoidal_positions(config.context, config.dim);
  encoder_ = register_module("encoder", Stack(StackConfig{.block = {.dim = config.dim,
                                                                    .heads = config.heads,
                                                                    .mlp = config.mlp,
                                                                    .activation = config.activation,
                                                                    .norm = config.norm,
                                                                    .norm_eps = 1e-5,
                                                                    .norm_first = config.norm_first,
                                                                    .dropout = config.dropout},
                                                          .depth = config.depth,
                                                          .final_norm = config.norm_first}));
  head_ = register_module("head", Linear(config.dim, config.classes));
}

Tensor TextEncoderImpl::forward(const Tensor& ids, const Tensor& lengths) {
  check_tokens("text encoder", ids, config_.vocabulary);
  const auto tokens = ids.size(1);
  if (tokens > config_.context)
    fail("[text encoder] a text of {} tokens; the model reads {} (model.context)", tokens, config_.context);
  if (sinusoids_.device() != ids.device()) sinusoids_ = sinusoids_.to(ids.device());
  auto x = embedding_(ids) * std::sqrt(static_cast<double>(config_.dim)) + sinusoids_.slice(0, 0, tokens);
  x = dropped(x, config_.dropout, is_training());
  const auto mask = padding_mask(lengths, tokens);
  x = encoder_(x, StackInput{.mask = mask});                                   // (B, T, dim)
  const auto there = mask.view({ids.size(0), tokens, 1}).to(x.scalar_type());  // no padding in the mean
  return head_((x * there).sum(1) / lengths.clamp_min(1).unsqueeze(1).to(x.scalar_type()));
}

namespace {

/// BERT's encoder with Hugging Face's head for classes.
struct BertClassifierConfig {
  int64_t vocabulary = 30522, classes = 2, context = 512, dim = 768, depth = 12, heads = 12, mlp = 3072, types = 2;
  double norm_eps = 1e-12, dropout = 0.1;

  static Fields<BertClassifierConfig> fields() {
    using C = BertClassifierConfig;
    return {{"vocabulary", &C::vocabulary, "how many tokens there are (default: as many as the tokenizer has)",
             at_least(1)},
            {"classes", &C::classes, "how many classes (default: those of the data)", at_least(1)},
            {"context", &C::context, "tokens a text may have; longer ones are cut",
             at_least(1).changes(Limit::Change::always)},
            {"dim", &C::dim, "width of the tokens", at_least(1)},
            {"depth", &C::depth, "blocks", at_least(0)},
            {"heads", &C::heads, "attention heads", at_least(1)},
            {"mlp", &C::mlp, "width inside the feed-forward layers", at_least(1)},
            {"types", &C::types, "how many texts one input may hold; it reads one", at_least(1)},
            {"norm_eps", &C::norm_eps, "added to the variance in the norms", above(0)},
            {"dropout", &C::dropout, "of embeddings, attention weights and what each block adds",
             from_below(0, 1).changes(Limit::Change::always)}};
  }
  BertConfig bert() const {
    return {.vocabulary = vocabulary,
            .context = context,
            .dim = dim,
            .depth = depth,
            .heads = heads,
            .mlp = mlp,
            .types = types,
            .norm_eps = norm_eps,
            .dropout = dropout};
  }
  void validate() const { validate_config(bert()); }
};

struct BertClassifier : TextClassifier {
  explicit BertClassifier(const BertClassifierConfig& config) : net_(config.bert(), config.classes) {
    register_module("net", net_);
  }
  Tensor forward(const Tensor& ids, const Tensor& lengths) override {
    return net_(BertInput{.ids = ids, .mask = padding_mask(lengths, ids.size(1)).view(ids.sizes())});
  }
  /// What was pretrained had another task, so the pooler too.
  std::vector<std::string> heads() const override { return {"net.classifier", "net.pooler"}; }
  TensorsByName own_names(const TensorsByName& weights) const override {
    TensorsByName out;
    for (const auto& [name, tensor] : bert_class_names(weights))
      out.emplace_back(name.starts_with("net.") ? name : "net." + name, tensor);
    return out;
  }

 private:
  BertForClasses net_{nullptr};
};

}  // namespace

Fields<TextEncoderConfig> TextEncoderConfig::fields() {
  using C = TextEncoderConfig;
  return {
      {"vocabulary", &C::vocabulary, "how many tokens there are (default: as many as the tokenizer has)", at_least(1)},
      {"classes", &C::classes, "how many classes (default: those of the data)", at_least(1)},
      {"context", &C::context, "tokens a text may have; longer ones are cut",
       at_least(1).changes(Limit::Change::always)},
      {"dim", &C::dim, "width of the tokens", at_least(1)},
      {"heads", &C::heads, "attention heads", at_least(1)},
      {"mlp", &C::mlp, "width inside the feed-forward layers", at_least(1)},
      {"depth", &C::depth, "blocks", at_least(0)},
      {"dropout", &C::dropout, "of embeddings and of what each block adds",
       from_below(0, 1).changes(Limit::Change::always)},
      {"activation", &C::activation, "of the feed-forward layers", one_of(activations())},
      {"norm", &C::norm, "LayerNorm or RMSNorm", one_of({"layer", "rms"})},
      {"norm_first", &C::norm_first, "normalise before attention and feed-forward (pre-norm) and not behind them"}};
}

void TextEncoderConfig::validate() const {
  require(dim % heads == 0, "[text encoder] dim ({}) must be divisible by heads ({}); nearest: {}", dim, heads,
          nearest_multiple(dim, heads));
  require(dim % 2 == 0, "[text encoder] positions want an even dim, got {}", dim);
}

const TextClassifierCatalog& text_classifiers() {
  static const auto catalog = [] {
    TextClassifierCatalog made("model", "model");
    made.add("text_encoder", "a transformer encoder, the mean of its tokens, a linear head", TextEncoderConfig{},
             [](const TextEncoderConfig& config) { return std::make_shared<TextEncoderImpl>(config); });
    made.add("bert_classifier", "BERT base with a head for classes", BertClassifierConfig{},
             [](const BertClassifierConfig& config) { return std::make_shared<BertClassifier>(config); });
    return made;
  }();
  return catalog;
}

}  // namespace hadal
