// Features as codes of a finite book, with gradients that pass straight through.
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

struct Quantised {
  Tensor features;    // as they came in, (N, D, H, W): each the code's; gradients pass as if nothing had happened
  Tensor codes;       // (N, H, W) int64, in [0, size)
  Tensor commitment;  // scalar: the mean squared distance that the encoder is to lower; 0 where there is none
};

struct Quantiser : nn::Module {
  virtual Quantised forward(const Tensor& x) = 0;
  /// codes (...) int64 -> (..., D). Throws Error for a code that is not in the book.
  virtual Tensor features(const Tensor& codes) const = 0;
  virtual int64_t size() const = 0;
};

/// The nearest of K vectors, which follow what they stood for as exponential moving averages (van den Oord et al. 2017,
/// arXiv:1711.00937, appendix A.1). Buffers: embedding (K, D), cluster_size (K), embedding_avg (K, D). While training
/// every call moves them; a code that stands for fewer than `restart` vectors a batch begins anew at one of them, drawn
/// with LibTorch's generator.
struct EmaCodebook : Quantiser {
  EmaCodebook(int64_t size, int64_t dim, double decay = 0.99, double restart = 0);
  Quantised forward(const Tensor& x) override;
  Tensor features(const Tensor& codes) const override;
  int64_t size() const override { return embedding_.size(0); }

 private:
  void move(const Tensor& vectors, const Tensor& codes);
  double decay_, restart_;
  Tensor embedding_, counts_, sums_;
};

/// Every dimension rounded to one of a few levels: no book to learn (Mentzer et al. 2023, arXiv:2309.15505). Dimension
/// i has levels[i] values in [-1, 1]; the code counts them, the first dimension fastest.
struct Fsq : Quantiser {
  /// At least 2 levels each. Throws UsageError when there are fewer or the product is over 2^31.
  explicit Fsq(std::vector<int64_t> levels);
  /// x (N, levels.size(), H, W)
  Quantised forward(const Tensor& x) override;
  Tensor features(const Tensor& codes) const override;
  int64_t size() const override { return size_; }

 private:
  std::vector<int64_t> levels_;
  int64_t size_ = 1;
};

}  // namespace hadal
