// What tells attention where a token stands.
#pragma once
#include <string>

#include "hadal/core/config.h"
#include "hadal/core/torch.h"

namespace hadal {

/// Sines and cosines of growing wavelength, (length, dim), to be added to tokens (Vaswani et al. 2017, section 3.5):
/// feature 2i is sin(t / base^(2i / dim)), 2i + 1 the cosine. Throws UsageError unless dim is even.
Tensor sinusoidal_positions(int64_t length, int64_t dim, double base = 10000);

/// Rotary positions (Su et al. 2021, arXiv:2104.09864).
struct RotaryConfig {
  double base = 10000;
  /// To read texts longer than the model was trained on, `factor` times: "linear" divides positions (Chen et al. 2023,
  /// arXiv:2306.15595), "ntk" takes base * factor^(width / (width - 2)), which leaves near tokens as they were.
  /// "llama3" (Llama 3.1's) divides only frequencies that turn less than `low` times in `original` tokens, leaves those
  /// that turn more than `high` times, and goes from one to the other in between.
  std::string scaling = "none";
  double factor = 1, low = 1, high = 4;
  int64_t original = 8192;

  static Fields<RotaryConfig> fields();
  void validate() const;
};
struct Rotation {
  Tensor cosine, sine;  // (..., T, width / 2), float32
};
/// Angles of `positions` (..., T) for heads of `width`, an even number.
Rotation rotation(const Tensor& positions, int64_t width, const RotaryConfig& config = {});
/// x (B, H, T, width): feature i turns with feature i + width / 2, as Hugging Face's Llama has them.
Tensor rotated(const Tensor& x, const Rotation& rotation);

/// Attention with linear biases (Press et al. 2021, arXiv:2108.12409): a slope a head, (heads).
Tensor alibi_slopes(int64_t heads);
/// -slope * distance for queries (Tq) and keys (Tk): (heads, Tq, Tk), to be added to the scores.
Tensor alibi_bias(const Tensor& slopes, const Tensor& queries, const Tensor& keys);

/// A learned number a head and a bucket of distances (Raffel et al. 2019, arXiv:1910.10683): near distances have a
/// bucket each, far ones share them on a logarithmic scale up to `farthest`. The parameter is T5's
/// relative_attention_bias.weight (buckets, heads).
struct RelativeBiasImpl : nn::Module {
  RelativeBiasImpl(int64_t heads, bool both_ways, int64_t buckets = 32, int64_t farthest = 128);
  /// Positions (Tq), (Tk) -> (1, heads, Tq, Tk), to be added to the scores.
  Tensor forward(const Tensor& queries, const Tensor& keys);

 private:
  Tensor bucket(const Tensor& distance) const;

  bool both_ways_;
  int64_t buckets_, farthest_;
  nn::Embedding relative_attention_bias_{nullptr};
};
TORCH_MODULE(RelativeBias);

}  // namespace hadal
