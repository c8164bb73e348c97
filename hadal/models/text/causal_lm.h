// Decoder-only language models: GPT-2 (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners") and
// Llama (Touvron et al. 2023, arXiv:2302.13971), which differ in their config alone.
#pragma once
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "hadal/models/text/language_model.h"
#include "hadal/nn/embedding.h"
#include "hadal/nn/transformer.h"

namespace hadal {

struct CausalLmConfig {
  int64_t vocabulary = 50257, context = 1024, dim = 768, depth = 12, heads = 12, kv_heads = 0, mlp = 3072, window = 0;
  std::string activation = "gelu_tanh", norm = "layer", positions = "learned";
  double norm_eps = 1e-5;
  RotaryConfig rotary;
  bool bias = true, tied = true;
  std::string attention_bias = "auto";
  std::optional<bool> mlp_bias;
  double dropout = 0;

  static Fields<CausalLmConfig> fields();
  void validate() const;
};

/// Modules: wte, wpe (learned positions), decoder (layers.N, norm), lm_head unless it is tied to wte.
/// Initialisation is GPT-2's: N(0, 0.02), what is added to the residual stream smaller by sqrt(2 depth).
struct CausalLmImpl : LanguageModel {
  explicit CausalLmImpl(const CausalLmConfig& config);
  Tensor forward(const Tensor& ids, DecodingCache* cache = nullptr) override;
  int64_t vocabulary() const override { return config_.vocabulary; }
  int64_t context() const override { return config_.context; }
  bool rolls() const override { return config_.positions != "learned" && config_.positions != "sinusoidal"; }
  DecodingCache make_cache(int64_t batch, int64_t length) const override { return decoder_->make_cache(batch, length); }
  TensorsByName own_names(const TensorsByName& weights) const override;

 private:
  Tensor placed(const Tensor& tokens, const DecodingCache* cache);

  CausalLmConfig config_;
  Embedding wte_{nullptr}, wpe_{nullptr};
  Stack decoder_{nullptr};
  Linear lm_head_{nullptr};
  Tensor sinusoids_;
};
TORCH_MODULE(CausalLm);

/// Small `gpt` and `llama`, gpt2's four sizes, and published sizes of Llama.
void register_causal_lm(LanguageCatalog& catalog);

/// A config.json of Hugging Face's GPT2LMHeadModel or GPT2Model as settings of `gpt2`. Throws FileError with all that
/// no setting gives; `name` is the file's.
Part gpt2_settings(const nlohmann::json& config, const std::string& name = "config.json");
/// The same of LlamaForCausalLM and its kin, MistralForCausalLM and Qwen2ForCausalLM, as settings of `llama`.
Part llama_settings(const nlohmann::json& config, const std::string& name = "config.json");

/// Names of Hugging Face's GPT2LMHeadModel and LlamaForCausalLM (files and modules) and of nanoGPT -> Hadal's. `tied`:
/// the head's own copy of the embedding is left out.
TensorsByName causal_lm_names(const TensorsByName& weights, bool tied);

}  // namespace hadal
