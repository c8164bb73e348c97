#include "hadal/models/text/transformer.h"

#include <cmath>

#include "hadal/models/text/text_classifier.h"
#include "hadal/ops/tokens.h"

namespace hadal {
namespace {

BlockConfig block_of(const TransformerConfig& config) {
  return {.dim = config.dim,
          .heads = config.heads,
          .mlp = config.mlp,
          .activation = config.activation,
          .norm = config.norm,
          .norm_eps = 1e-5,
          .norm_first = config.norm_first,
          .dropout = config.dropout,
          .attention_dropout = config.attention_dropout,
          .mlp_dropout = config.mlp_dropout};
}

}  // namespace

TransformerImpl::TransformerImpl(const TransformerConfig& config) : config_(config) {
  validate_config(config, "transformer");
  const auto block = block_of(config);
  // A post-norm stack ends normalised; a pre-norm one needs a last norm.
  transformer = register_module(
      "transformer",
      EncoderDecoder(StackConfig{.block = block, .depth = config.encoder_layers, .final_norm = config.norm_first},
                     StackConfig{.block = block, .depth = config.decoder_layers, .final_norm = config.norm_first}));
  embedding = register_module("embedding", nn::Embedding(config.vocabulary, config.dim));
  nn::init::normal_(embedding->weight, 0, 1 / std::sqrt(static_cast<double>(config.dim)));
  if (config.positions == "learned") {
    positions_ = register_parameter("positions", torch::empty({config.longest, config.dim}));
    nn::init::normal_(positions_, 0, 0.02);
  } else {
    sinusoids_ = sinusoidal_positions(config.longest, config.dim);
  }
  if (!config.tied) output_ = register_module("output", Linear(config.dim, config.vocabulary, false));
}

Tensor TransformerImpl::embed(const Tensor& tokens, int64_t first) {
  check_tokens("transformer", tokens, config_.vocabulary);
  const auto end = first + tokens.size(1);
  if (positions_.defined() && end > config_.longest)
    fail("[transformer] {} tokens; the model has {} positions (model.longest)", end, config_.longest);
  if (sinusoids_.defined() && end > sinusoids_.size(0)) sinusoids_ = sinusoidal_positions(end * 2, config_.dim);
  auto& table = positions_.defined() ? positions_ : sinusoids_;
  const auto x = embedding(tokens) * std::sqrt(static_cast<double>(config_.dim));
  if (sinusoids_.defined() && sinusoids_.device() != x.device()) sinusoids_ = sinusoids_.to(x.device());
  return dropped(x + table.slice(0, first, end), config_.dropout, is_training());
}

Tensor TransformerImpl::encode(const Tensor& source, const Tensor& lengths) {
  return transformer->encoder(embed(source, 0), StackInput{.mask = padding_mask(lengths, source.size(1))});
}

Tensor TransformerImpl::decode(const Tensor& target, const Tensor& memory, const Tensor& memory_mask,
                               DecodingCache* cache) {
  const auto seen = cache ? cache->seen() : 0;
  return transformer->decoder(embed(target, seen),
                              StackInput{.memory = memory, .memory_mask = memory_mask, .cache = cache});
}

Tensor TransformerImpl::forward(const Tensor& source, const Tensor& source_lengths, const Tensor& target) {
  return decode(target, encode(source, source_lengths), padding_mask(source_lengths, source.size(1)));
}

Tensor TransformerImpl::logits(const Tensor& features) {
  return output_ ? output_(features) : linear(features, embedding->weight, Tensor());
}

Fields<TransformerConfig> TransformerConfig::fields() {
  using C = TransformerConfig;
  return {
      {"vocabulary", &C::vocabulary, "how many tokens there are (default: as many as the tokenizer has)", at_least(1)},
      {"dim", &C::dim, "width of the tokens", at_least(1)},
      {"heads", &C::heads, "attention heads", at_least(1)},
      {"mlp", &C::mlp, "width inside the feed-forward layers", at_least(1)},
      {"encoder_layers", &C::encoder_layers, "blocks that read", at_least(0)},
      {"decoder_layers", &C::decoder_layers, "blocks that write", at_least(1)},
      {"dropout", &C::dropout, "of embeddings and of what each block adds",
       from_below(0, 1).changes(Limit::Change::always)},
      {"attention_dropout", &C::attention_dropout, "of attention weights",
       from_below(0, 1).changes(Limit::Change::always)},
      {"mlp_dropout", &C::mlp_dropout, "inside the feed-forward layers",
       from_below(0, 1).changes(Limit::Change::always)},
      {"activation", &C::activation, "of the feed-forward layers", one_of(activations())},
      {"norm", &C::norm, "LayerNorm or RMSNorm", one_of({"layer", "rms"})},
      {"positions", &C::positions, "what is added to tokens to say where they stand",
       one_of({"sinusoidal", "learned"})},
      {"norm_first", &C::norm_first, "normalise before attention and feed-forward (pre-norm) and not behind them"},
      {"tied", &C::tied, "one matrix embeds tokens on both sides and scores them"},
      {"longest", &C::longest, "tokens a text may have; sinusoidal positions go on beyond it", at_least(1)},
  };
}

void TransformerConfig::validate() const {
  require(dim % heads == 0, "[transformer] dim ({}) must be divisible by heads ({}); nearest: {}", dim, heads,
          nearest_multiple(dim, heads));
  require(positions != "sinusoidal" || dim % 2 == 0, "[transformer] sinusoidal positions want an even dim, got {}",
          dim);
}

const TranslatorCatalog& translators() {
  static const auto catalog = [] {
    TranslatorCatalog made("model", "model");
    const auto make = [](const TransformerConfig& config) { return std::make_shared<TransformerImpl>(config); };
    made.add("transformer", "Attention Is All You Need: base", TransformerConfig{}, make);
    made.add("transformer_big", "the same, big",
             TransformerConfig{.dim = 1024, .heads = 16, .mlp = 4096, .dropout = 0.3}, make);
    return made;
  }();
  return catalog;
}

}  // namespace hadal
