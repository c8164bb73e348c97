// Transformer blocks and stacks (Vaswani et al. 2017, arXiv:1706.03762): one block, which a config makes an encoder's
// or a decoder's, pre-norm (Xiong et al. 2020, arXiv:2002.04745) or post-norm.
#pragma once
#include <string>
#include <vector>

#include "hadal/nn/attention.h"
#include "hadal/nn/mlp.h"
#include "hadal/nn/norm.h"

namespace hadal {

struct BlockConfig {
  int64_t dim = 768, heads = 12, kv_heads = 0, mlp = 3072, window = 0;
  std::string activation = "gelu", norm = "layer";  // see mlp.h and norm.h
  double norm_eps = 1e-6;
  bool norm_first = true, bias = true;
  std::optional<bool> attention_bias, out_bias, mlp_bias;  // of queries, keys and values, of what attention gives, of
                                                           // the MLP, where they are not as `bias`
  bool cross = false;                                      // attends to a memory too, between self-attention and MLP
  double dropout = 0, attention_dropout = 0, mlp_dropout = 0;  // of what is added, of weights, inside the MLP
};

/// What a block is given besides its tokens.
struct BlockInput {
  AttentionOptions options;  // of self-attention
  const Rotation* rotation = nullptr;
  Tensor memory;  // (B, Tm, dim), for blocks that attend to one
  AttentionOptions memory_options;
  DecodingCache* cache = nullptr;
  std::vector<Tensor>* weights = nullptr;  // takes each layer's self-attention weights
};

/// x + attention(norm(x)), then x + mlp(norm(x)); post-norm: norm(x + attention(x)), ... Names and initialisation are
/// those of torchvision's EncoderBlock: ln_1, self_attention, ln_2, mlp; with a memory, ln_cross and cross_attention.
struct BlockImpl : nn::Module {
  explicit BlockImpl(const BlockConfig& config);
  /// x (B, T, dim) -> (B, T, dim). `layer` is its number in the stack.
  Tensor forward(Tensor x, const BlockInput& input = {}, size_t layer = 0);

 private:
  template <class Part>
  Tensor added(const Tensor& x, Norm& norm, const Part& part);

  bool norm_first_;
  double dropout_;
  Norm ln_1_{nullptr}, ln_cross_{nullptr}, ln_2_{nullptr};
  MultiHeadAttention self_attention_{nullptr}, cross_attention_{nullptr};
  MlpLayers mlp_{nullptr};
};
TORCH_MODULE(Block);

/// `depth` blocks one after the other, named prefix0, prefix1, ...
struct BlocksImpl : nn::Module {
  BlocksImpl(const BlockConfig& config, int64_t depth, const std::string& prefix = "");
  Tensor forward(Tensor x, const BlockInput& input = {});

 private:
  std::vector<Block> blocks_;
};
TORCH_MODULE(Blocks);

struct StackConfig {
  BlockConfig block;
  int64_t depth = 12;
  bool causal = false, final_norm = true;
  std::string positions = "none";  // rotary, alibi, relative; others are added to the tokens by the model
  RotaryConfig rotary;
};

struct StackInput {
  Tensor mask;                     // of self-attention: bool or additive, broadcast to (B, H, T, Tk)
  Tensor memory, memory_mask;      // of cross-attention
  DecodingCache* cache = nullptr;  // tokens of earlier calls are attended too
  std::vector<Tensor>* weights = nullptr;
};

/// Blocks with their positions inside attention and a last norm: an encoder, or a decoder with `causal`. Modules are
/// layers.0, layers.1, ..., norm, and relative_bias.
struct StackImpl : nn::Module {
  explicit StackImpl(const StackConfig& config);
  /// x (B, T, dim) -> (B, T, dim)
  Tensor forward(const Tensor& x, const StackInput& input = {});
  /// Room for `length` tokens of `batch` sequences, no more than the window; without padding.
  DecodingCache make_cache(int64_t batch, int64_t length, at::ScalarType type = torch::kFloat32) const;

 private:
  StackConfig config_;
  Blocks layers_{nullptr};
  Norm norm_{nullptr};
  RelativeBias relative_bias_{nullptr};
  Tensor slopes_;
};
TORCH_MODULE(Stack);

/// Encoder and decoder of one width, as nn.Transformer has them: modules encoder and decoder.
struct EncoderDecoderImpl : nn::Module {
  /// The decoder gets its memory and its causal mask by itself.
  EncoderDecoderImpl(StackConfig encoder, StackConfig decoder);
  /// source (B, S, dim), target (B, T, dim) -> (B, T, dim). Masks are broadcast to (B, H, queries, keys): of the source
  /// on itself, of the target on itself, of the target on the source. The last, where it is not given, is that of the
  /// source when it is the same for all queries: padding.
  Tensor forward(const Tensor& source, const Tensor& target, const Tensor& source_mask = {},
                 const Tensor& target_mask = {}, const Tensor& memory_mask = {});

  Stack encoder{nullptr}, decoder{nullptr};
};
TORCH_MODULE(EncoderDecoder);

/// Weights of nn.TransformerEncoderLayer, nn.TransformerDecoderLayer or whole stacks of them (nn.Transformer) under the
/// names of Block and Stack. A layer by itself has no `layers.N.` before its names.
TensorsByName torch_transformer_names(const TensorsByName& weights);

}  // namespace hadal
