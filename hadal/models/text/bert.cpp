#include "hadal/models/text/bert.h"

#include "hadal/core/shape.h"
#include "hadal/models/published.h"
#include "hadal/nn/weight_names.h"
#include "hadal/ops/tokens.h"

namespace hadal {
namespace {

#define HADAL_LAYER "bert.encoder.layers.#."

constexpr NameRow kEncoder[] = {
    {"bert.embeddings.position_ids", ""},
    {"bert.encoder.layer.#.attention.self.query.", HADAL_LAYER "self_attention.in_proj_", 0},
    {"bert.encoder.layer.#.attention.self.key.", HADAL_LAYER "self_attention.in_proj_", 1},
    {"bert.encoder.layer.#.attention.self.value.", HADAL_LAYER "self_attention.in_proj_", 2},
    {"bert.encoder.layer.#.attention.output.dense.", HADAL_LAYER "self_attention.out_proj."},
    {"bert.encoder.layer.#.attention.output.LayerNorm.", HADAL_LAYER "ln_1."},
    {"bert.encoder.layer.#.intermediate.dense.", HADAL_LAYER "mlp.0."},
    {"bert.encoder.layer.#.output.dense.", HADAL_LAYER "mlp.3."},
    {"bert.encoder.layer.#.output.LayerNorm.", HADAL_LAYER "ln_2."},
};

#undef HADAL_LAYER

constexpr NameRow kWords[] = {
    {"cls.predictions.transform.dense.", "transform."},
    {"cls.predictions.transform.LayerNorm.", "norm."},
    {"cls.predictions.bias", "bias"},
    {"cls.predictions.decoder.", ""},  // tied
    {"cls.seq_relationship.", ""},
    {"bert.pooler.", ""},
};

// The last three are the head of words under Hadal's own names.
constexpr NameRow kClasses[] = {
    {"bert.pooler.dense.", "pooler."}, {"cls.", ""}, {"transform.", ""}, {"norm.", ""}, {"bias", ""},
};

/// BertModel's files have no "bert."; those made from TensorFlow's call a norm's weight gamma and its bias beta.
TensorsByName usual(const TensorsByName& weights) {
  auto out = weights;
  for (auto& [name, tensor] : out) {
    if (name.ends_with("LayerNorm.gamma")) name.replace(name.size() - 5, 5, "weight");
    if (name.ends_with("LayerNorm.beta")) name.replace(name.size() - 4, 4, "bias");
    for (const auto* part : {"embeddings.", "encoder.layer.", "pooler.dense."})
      if (name.starts_with(part)) {
        name.insert(0, "bert.");
        break;
      }
  }
  return out;
}

}  // namespace

void init_bert(nn::Module& module) {
  for (auto& parameter : module.named_parameters())
    if (parameter.value().dim() == 2)
      init::normal(parameter.value(), 0.02);
    else if (parameter.key().ends_with("bias"))
      init::constant(parameter.value(), 0);
}

Fields<BertConfig> BertConfig::fields() {
  using C = BertConfig;
  return {{"vocabulary", &C::vocabulary, "how many tokens there are", at_least(1)},
          {"context", &C::context, "tokens it reads at once", at_least(1).changes(Limit::Change::always)},
          {"dim", &C::dim, "width of a token", at_least(1)},
          {"depth", &C::depth, "how many transformer blocks", at_least(0)},
          {"heads", &C::heads, "attention heads in a block", at_least(1)},
          {"mlp", &C::mlp, "width inside a block's MLP", at_least(1)},
          {"types", &C::types, "how many texts one input may hold", at_least(1)},
          {"norm_eps", &C::norm_eps, "added to the variance in the norms", above(0)},
          {"dropout", &C::dropout, "share of activations and attention weights dropped",
           from_below(0, 1).changes(Limit::Change::always)}};
}

void BertConfig::validate() const {
  require(dim % heads == 0, "[bert] dim ({}) must be divisible by heads ({}); nearest: {}", dim, heads,
          nearest_multiple(dim, heads));
}

BertEncoderImpl::BertEncoderImpl(const BertConfig& config) : config_(config) {
  validate_config(config, "bert");
  auto embeddings = register_module("embeddings", std::make_shared<nn::Module>("embeddings"));
  words = embeddings->register_module("word_embeddings", Embedding(config.vocabulary, config.dim, 0.02));
  places_ = embeddings->register_module("position_embeddings", Embedding(config.context, config.dim, 0.02));
  types_ = embeddings->register_module("token_type_embeddings", Embedding(config.types, config.dim, 0.02));
  norm_ = embeddings->register_module("LayerNorm", Norm(config.dim, config.norm_eps));
  encoder_ = register_module("encoder", Stack(StackConfig{.block = {.dim = config.dim,
                                                                    .heads = config.heads,
                                                                    .mlp = config.mlp,
                                                                    .norm_eps = config.norm_eps,
                                                                    .norm_first = false,
                                                                    .dropout = config.dropout,
                                                                    .attention_dropout = config.dropout},
                                                          .depth = config.depth,
                                                          .final_norm = false}));
}

Tensor BertEncoderImpl::forward(const BertInput& input) {
  expect_shape("bert", input.ids, {kAny, kAny});
  const auto length = input.ids.size(1);
  if (length > config_.context) fail("[bert] {} tokens do not fit into the context of {}", length, config_.context);
  const auto types = input.types.defined() ? input.types : torch::zeros_like(input.ids);
  const auto tokens = words(input.ids) + places_(torch::arange(length, input.ids.options())) + types_(types);
  StackInput to;
  if (input.mask.defined()) {
    expect_shape("bert's mask", input.mask, input.ids.sizes().vec());
    to.mask = input.mask.ne(0).unsqueeze(1).unsqueeze(1);
  }
  return encoder_(dropped(norm_(tokens), config_.dropout, is_training()), to);
}

BertForWordsImpl::BertForWordsImpl(const BertConfig& config) : config_(config) {
  bert_ = register_module("bert", BertEncoder(config));
  transform_ = register_module("transform", Linear(config.dim, config.dim));
  norm_ = register_module("norm", Norm(config.dim, config.norm_eps));
  bias_ = register_parameter("bias", torch::zeros({config.vocabulary}));
  init_bert(*this);
}

Tensor BertForWordsImpl::words(const BertInput& input) {
  const auto y = norm_(torch::gelu(transform_(bert_(input))));
  return linear(y, bert_->words->weight, bias_);
}

Tensor BertForWordsImpl::forward(const Tensor& ids, DecodingCache* cache) {
  require(!cache, "[bert] reads whole texts, not token by token");
  return words({.ids = ids});
}

TensorsByName BertForWordsImpl::own_names(const TensorsByName& weights) const {
  const auto find = [&](const char* name) {
    const auto found =
        std::find_if(weights.begin(), weights.end(), [&](const auto& item) { return item.first == name; });
    return found == weights.end() ? Tensor() : found->second;
  };
  const auto refuse_own = [&](const char* decoder, const char* tied) {
    const auto a = find(decoder), b = find(tied);
    if (a.defined() && b.defined() && !(a.sizes() == b.sizes() && a.eq(b).all().item<bool>()))
      fail("[bert] the file's {} is not its {}; the model has one for both", decoder, tied);
  };
  refuse_own("cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight");
  refuse_own("cls.predictions.decoder.bias", "cls.predictions.bias");
  return bert_word_names(weights);
}

BertForClassesImpl::BertForClassesImpl(const BertConfig& config, int64_t classes) : dropout_(config.dropout) {
  bert_ = register_module("bert", BertEncoder(config));
  pooler_ = register_module("pooler", Linear(config.dim, config.dim));
  classifier_ = register_module("classifier", Linear(config.dim, classes));
  init_bert(*this);
}

Tensor BertForClassesImpl::forward(const BertInput& input) {
  const auto first = torch::tanh(pooler_(bert_(input).select(1, 0)));
  return classifier_(dropped(first, dropout_, is_training()));
}

TensorsByName bert_word_names(const TensorsByName& weights) {
  return renamed(usual(weights), {kEncoder, kWords}, "bert");
}

TensorsByName bert_class_names(const TensorsByName& weights) {
  return renamed(usual(weights), {kEncoder, kClasses}, "bert");
}

Part bert_settings(const nlohmann::json& json, const std::string& name) {
  PublishedConfig config(json, name);
  const auto architecture =
      config.architecture({"BertForMaskedLM", "BertForPreTraining", "BertForSequenceClassification", "BertModel"});
  Table settings{
      {"vocabulary", config.integer("vocab_size", 30522)},  {"context", config.integer("max_position_embeddings", 512)},
      {"dim", config.integer("hidden_size", 768)},          {"depth", config.integer("num_hidden_layers", 12)},
      {"heads", config.integer("num_attention_heads", 12)}, {"mlp", config.integer("intermediate_size", 3072)},
      {"types", config.integer("type_vocab_size", 2)},      {"norm_eps", config.number("layer_norm_eps", 1e-12)}};
  config.expect("hidden_act", {"gelu", "gelu_python"});
  config.expect("position_embedding_type", {"absolute"});
  config.refuse_flag("is_decoder");
  config.refuse_flag("add_cross_attention");
  const bool classes = architecture == "BertForSequenceClassification";
  if (classes) {
    config.expect("problem_type", {"single_label_classification"});
    settings.set("classes", config.classes());
    if (config.classes() < 2) config.refuse("num_labels is 1: it tells a number, not a class");
  }
  config.finish();
  return {classes ? "bert_classifier" : architecture == "BertModel" ? "bert_encoder" : "bert", std::move(settings)};
}

void register_bert(LanguageCatalog& catalog) {
  const auto add = [&](const std::string& name, const std::string& about, const BertConfig& preset) {
    catalog.add(name, about, preset,
                [](const BertConfig& config) { return std::make_shared<BertForWordsImpl>(config); });
  };
  add("bert", "a small BERT for texts of one's own",
      {.vocabulary = 256, .context = 128, .dim = 256, .depth = 4, .heads = 4, .mlp = 1024});
  add("bert-base", "BERT base, 110 M", {});
  add("bert-large", "BERT large, 335 M", {.dim = 1024, .depth = 24, .heads = 16, .mlp = 4096});
}

}  // namespace hadal
