#include "hadal/models/detection/yolo_blocks.h"

#include <algorithm>
#include <cmath>

#include "hadal/core/error.h"

namespace hadal::yolo {

std::shared_ptr<Conv> conv(int64_t in, int64_t out, int64_t kernel, int64_t groups, bool activated) {
  return std::make_shared<Conv>(ConvShape{.in = in, .out = out, .kernel = kernel, .groups = groups}, activated);
}

namespace {

double arg(const Row& row, size_t index, double otherwise) {
  return index < row.args.size() ? row.args[index] : otherwise;
}

}  // namespace

Chain::Chain(const std::vector<BlockPtr>& blocks) {
  for (const auto& block : blocks) add(block);
}

void Chain::add(const BlockPtr& block) { blocks_.push_back(register_module(std::to_string(blocks_.size()), block)); }

Tensor Chain::forward(const Tensor& x) {
  auto y = x;
  for (const auto& block : blocks_) y = block->forward(y);
  return y;
}

Bottleneck::Bottleneck(int64_t in, int64_t out, bool shortcut, int64_t first, int64_t second, double inner)
    : add_(shortcut && in == out) {
  const auto hidden = static_cast<int64_t>(static_cast<double>(out) * inner);
  cv1_ = register_module("cv1", conv(in, hidden, first));
  cv2_ = register_module("cv2", conv(hidden, out, second));
}

Tensor Bottleneck::forward(const Tensor& x) {
  const auto y = cv2_->forward(cv1_->forward(x));
  return add_ ? x + y : y;
}

C3::C3(int64_t in, int64_t out, int64_t repeats, bool shortcut, int64_t kernel) {
  const auto hidden = out / 2;
  cv1_ = register_module("cv1", conv(in, hidden));
  cv2_ = register_module("cv2", conv(in, hidden));
  cv3_ = register_module("cv3", conv(2 * hidden, out));
  m_ = register_module("m", std::make_shared<Chain>());
  for (int64_t i = 0; i < repeats; ++i) m_->add(std::make_shared<Bottleneck>(hidden, hidden, shortcut, kernel, 3, 1));
}

Tensor C3::forward(const Tensor& x) {
  return cv3_->forward(torch::cat({m_->forward(cv1_->forward(x)), cv2_->forward(x)}, 1));
}

C2f::C2f(int64_t in, int64_t out, int64_t repeats, bool shortcut, double share, Inner inner) {
  const auto hidden = static_cast<int64_t>(static_cast<double>(out) * share);
  cv1_ = register_module("cv1", conv(in, 2 * hidden));
  cv2_ = register_module("cv2", conv((2 + repeats) * hidden, out));
  m_ = register_module("m", std::make_shared<Chain>());
  const auto bottleneck = [&](double width) {
    return std::make_shared<Bottleneck>(hidden, hidden, shortcut, 3, 3, width);
  };
  for (int64_t i = 0; i < repeats; ++i) switch (inner) {
      case Inner::wide:
        m_->add(bottleneck(1));
        break;
      case Inner::bottleneck:
        m_->add(bottleneck(0.5));
        break;
      case Inner::nested:
        m_->add(std::make_shared<C3>(hidden, hidden, 2, shortcut, 3));
        break;
      case Inner::attention: {
        const std::vector<BlockPtr> both = {bottleneck(0.5), std::make_shared<AttentionBlock>(hidden)};
        m_->add(std::make_shared<Chain>(both));
        break;
      }
    }
}

Tensor C2f::forward(const Tensor& x) {
  auto joined = cv1_->forward(x).chunk(2, 1);
  for (const auto& block : m_->blocks()) joined.push_back(block->forward(joined.back()));
  return cv2_->forward(torch::cat(joined, 1));
}

Pooling::Pooling(int64_t in, int64_t out, int64_t kernel, int64_t count, bool shortcut, bool activated)
    : kernel_(kernel), count_(count), add_(shortcut && in == out) {
  cv1_ = register_module("cv1", conv(in, in / 2, 1, 1, activated));
  cv2_ = register_module("cv2", conv(in / 2 * (count + 1), out));
}

Tensor Pooling::forward(const Tensor& x) {
  std::vector<Tensor> joined = {cv1_->forward(x)};
  for (int64_t i = 0; i < count_; ++i) joined.push_back(torch::max_pool2d(joined.back(), kernel_, 1, kernel_ / 2));
  const auto y = cv2_->forward(torch::cat(joined, 1));
  return add_ ? y + x : y;
}

Attention::Attention(int64_t dim, int64_t heads) : heads_(heads), head_dim_(dim / heads), key_dim_(head_dim_ / 2) {
  qkv_ = register_module("qkv", conv(dim, dim + 2 * key_dim_ * heads, 1, 1, false));
  proj_ = register_module("proj", conv(dim, dim, 1, 1, false));
  pe_ = register_module("pe", conv(dim, dim, 3, dim, false));
}

Tensor Attention::forward(const Tensor& x) {
  const auto batch = x.size(0), height = x.size(2), width = x.size(3);
  const auto parts = qkv_->forward(x)
                         .reshape({batch, heads_, 2 * key_dim_ + head_dim_, height * width})
                         .split_with_sizes({key_dim_, key_dim_, head_dim_}, 2);  // (B, heads, d, HW) each
  const auto scaled = parts[0] * (1 / std::sqrt(static_cast<double>(key_dim_)));
  const auto attended = scaled.transpose(-2, -1).matmul(parts[1]).softmax(-1);  // (B, heads, HW, HW)
  const auto values = parts[2].reshape({batch, -1, height, width});
  const auto y = parts[2].matmul(attended.transpose(-2, -1)).view({batch, -1, height, width});
  return proj_->forward(y + pe_->forward(values));
}

AttentionBlock::AttentionBlock(int64_t dim) {
  attn_ = register_module("attn", std::make_shared<Attention>(dim, std::max<int64_t>(dim / 64, 1)));
  const std::vector<BlockPtr> two = {conv(dim, 2 * dim), conv(2 * dim, dim, 1, 1, false)};
  ffn_ = register_module("ffn", std::make_shared<Chain>(two));
}

Tensor AttentionBlock::forward(const Tensor& x) {
  const auto y = x + attn_->forward(x);
  return y + ffn_->forward(y);
}

C2PSA::C2PSA(int64_t dim, int64_t repeats) {
  cv1_ = register_module("cv1", conv(dim, dim / 2 * 2));
  cv2_ = register_module("cv2", conv(dim / 2 * 2, dim));
  m_ = register_module("m", std::make_shared<Chain>());
  for (int64_t i = 0; i < repeats; ++i) m_->add(std::make_shared<AttentionBlock>(dim / 2));
}

Tensor C2PSA::forward(const Tensor& x) {
  const auto halves = cv1_->forward(x).chunk(2, 1);
  return cv2_->forward(torch::cat({halves[0], m_->forward(halves[1])}, 1));
}

BlockPtr make_block(const Row& row, int64_t in, const Scale& scale, int64_t& out) {
  if (row.block == "nn.Upsample" || row.block == "Concat") {
    out = in;
    return nullptr;
  }
  out = scaled_width(arg(row, 0, 0), scale);
  const auto repeats = scaled_depth(row.repeats, scale);
  if (row.block == "Conv")
    return std::make_shared<Conv>(ConvShape{.in = in,
                                            .out = out,
                                            .kernel = static_cast<int64_t>(arg(row, 1, 1)),
                                            .stride = static_cast<int64_t>(arg(row, 2, 1)),
                                            .padding = static_cast<int64_t>(arg(row, 3, -1))});
  if (row.block == "C3") return std::make_shared<C3>(in, out, repeats, arg(row, 1, 1) != 0);
  if (row.block == "C2f") return std::make_shared<C2f>(in, out, repeats, arg(row, 1, 0) != 0, 0.5, C2f::Inner::wide);
  if (row.block == "C3k2") {
    const bool large = scale.size == "m" || scale.size == "l" || scale.size == "x";
    const auto inner = arg(row, 3, 0) != 0              ? C2f::Inner::attention
                       : (large || arg(row, 1, 0) != 0) ? C2f::Inner::nested
                                                        : C2f::Inner::bottleneck;
    return std::make_shared<C2f>(in, out, repeats, true, arg(row, 2, 0.5), inner);
  }
  if (row.block == "SPPF")
    return std::make_shared<Pooling>(in, out, static_cast<int64_t>(arg(row, 1, 5)),
                                     static_cast<int64_t>(arg(row, 2, 3)), arg(row, 3, 0) != 0, row.args.size() < 3);
  if (row.block == "C2PSA") return std::make_shared<C2PSA>(in, repeats);
  fail("[yolo] the table names a block \"{}\" that is not known", row.block);
}

}  // namespace hadal::yolo
