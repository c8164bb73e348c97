#include "hadal/models/text/embedder.h"

#include "hadal/models/text/bert.h"
#include "hadal/models/text/text_classifier.h"

namespace hadal {
namespace {

/// Hugging Face's BertModel without its pooler.
struct BertEmbedder : TextEmbedder {
  explicit BertEmbedder(const BertConfig& config) : config_(config) {
    bert_ = register_module("bert", BertEncoder(config));
    init_bert(*this);
  }
  Tensor forward(const Tensor& ids, const Tensor& lengths) override {
    check_tokens("bert_encoder", ids, config_.vocabulary);
    return bert_(BertInput{.ids = ids, .mask = padding_mask(lengths, ids.size(1)).view(ids.sizes())});
  }
  int64_t context() const override { return config_.context; }
  /// Of a BERT with any head its encoder.
  TensorsByName own_names(const TensorsByName& weights) const override {
    TensorsByName out;
    for (auto& entry : bert_word_names(weights))
      if (const auto head = entry.first.substr(0, entry.first.find('.'));
          head != "transform" && head != "norm" && head != "bias" && head != "classifier" && head != "cls")
        out.push_back(std::move(entry));
    return out;
  }

 private:
  BertConfig config_;
  BertEncoder bert_{nullptr};
};

}  // namespace

const TextEmbedderCatalog& text_embedders() {
  static const auto catalog = [] {
    TextEmbedderCatalog made("model", "model");
    made.add("bert_encoder", "BERT base without a head", BertConfig{},
             [](const BertConfig& config) { return std::make_shared<BertEmbedder>(config); });
    return made;
  }();
  return catalog;
}

}  // namespace hadal
