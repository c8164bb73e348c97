// The layers that YOLO networks are built of, under ultralytics' names.
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "hadal/core/torch.h"
#include "hadal/models/detection/yolo_table.h"

namespace hadal::yolo {

/// x (B, C, H, W) -> y.
struct Block : nn::Module {
  virtual Tensor forward(const Tensor& x) = 0;
};
using BlockPtr = std::shared_ptr<Block>;

/// Children "0", "1", ...: one after the other, or taken one by one.
struct Chain : Block {
  Chain() = default;
  explicit Chain(const std::vector<BlockPtr>& blocks);
  void add(const BlockPtr& block);
  Tensor forward(const Tensor& x) override;
  const std::vector<BlockPtr>& blocks() const { return blocks_; }

 private:
  std::vector<BlockPtr> blocks_;
};

struct ConvShape {
  int64_t in, out, kernel = 1, stride = 1, padding = -1, groups = 1;  // padding -1: kernel / 2
};

/// A convolution, with nn.Conv2d's names and first values.
struct Plain : Block {
  explicit Plain(const ConvShape& shape, bool with_bias = true);
  Tensor forward(const Tensor& x) override;

  ConvShape shape;
  Tensor weight, bias;
};

/// Convolution, batch norm, SiLU. In eval mode without gradients the three run as one; the folded weights are made at
/// the first call, made again when one of theirs has changed, and dropped when training starts.
struct Conv : Block {
  explicit Conv(const ConvShape& shape, bool activated = true);
  Tensor forward(const Tensor& x) override;
  void train(bool on = true) override;

  /// The three one by one, whatever the mode.
  Tensor unfolded(const Tensor& x);

 private:
  struct Folded;

  bool activated_;
  std::shared_ptr<Plain> conv_;
  nn::BatchNorm2d bn_{nullptr};
  std::atomic<std::shared_ptr<const Folded>> folded_;
};
std::shared_ptr<Conv> conv(int64_t in, int64_t out, int64_t kernel = 1, int64_t groups = 1, bool activated = true);

/// While one lives, no Conv on this thread folds: for comparisons.
class WithoutFolding {
 public:
  WithoutFolding();
  ~WithoutFolding();
  WithoutFolding(const WithoutFolding&) = delete;
  WithoutFolding& operator=(const WithoutFolding&) = delete;

 private:
  bool before_;
};

/// Two convolutions, around them the input where `shortcut` and the widths allow it.
struct Bottleneck : Block {
  Bottleneck(int64_t in, int64_t out, bool shortcut, int64_t first, int64_t second, double inner);
  Tensor forward(const Tensor& x) override;

 private:
  bool add_;
  std::shared_ptr<Conv> cv1_, cv2_;
};

/// Cross-stage: bottlenecks in one half, the other half beside them, joined by a convolution. `kernel` 1 is C3, 3 C3k.
struct C3 : Block {
  C3(int64_t in, int64_t out, int64_t repeats, bool shortcut, int64_t kernel = 1);
  Tensor forward(const Tensor& x) override;

 private:
  std::shared_ptr<Conv> cv1_, cv2_, cv3_;
  std::shared_ptr<Chain> m_;
};

/// Cross-stage where the output of every inner block is joined too; C2f and C3k2 differ in the inner block.
struct C2f : Block {
  enum class Inner { wide, bottleneck, nested, attention };
  C2f(int64_t in, int64_t out, int64_t repeats, bool shortcut, double share, Inner inner);
  Tensor forward(const Tensor& x) override;

 private:
  std::shared_ptr<Conv> cv1_, cv2_;
  std::shared_ptr<Chain> m_;
};

/// Maxima over growing windows, joined. YOLO26: no activation before them, and the input around all.
struct Pooling : Block {
  Pooling(int64_t in, int64_t out, int64_t kernel, int64_t count, bool shortcut, bool activated);
  Tensor forward(const Tensor& x) override;

 private:
  int64_t kernel_, count_;
  bool add_;
  std::shared_ptr<Conv> cv1_, cv2_;
};

/// Attention over all pixels, keys half as wide as values, a depthwise convolution of the values as position.
struct Attention : Block {
  Attention(int64_t dim, int64_t heads);
  Tensor forward(const Tensor& x) override;

 private:
  int64_t heads_, head_dim_, key_dim_;
  std::shared_ptr<Conv> qkv_, proj_, pe_;
};

/// Attention and two 1x1 convolutions, each with its input around it.
struct AttentionBlock : Block {
  explicit AttentionBlock(int64_t dim);
  Tensor forward(const Tensor& x) override;

 private:
  std::shared_ptr<Attention> attn_;
  std::shared_ptr<Chain> ffn_;
};

/// One half through attention blocks, the other beside it.
struct C2PSA : Block {
  C2PSA(int64_t dim, int64_t repeats);
  Tensor forward(const Tensor& x) override;

 private:
  std::shared_ptr<Conv> cv1_, cv2_;
  std::shared_ptr<Chain> m_;
};

/// The block of a row that has parameters, or null for nn.Upsample and Concat. Throws Error for an unknown one.
/// `out` becomes its width.
BlockPtr make_block(const Row& row, int64_t in, const Scale& scale, int64_t& out);

}  // namespace hadal::yolo
