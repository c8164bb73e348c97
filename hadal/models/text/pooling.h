// One vector for a text from the states of its tokens, as sentence embeddings are made (Reimers & Gurevych 2019,
// arXiv:1908.10084, section 3).
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hadal/core/torch.h"

namespace hadal {

/// root_mean: the sum over the square root of the tokens' number.
enum class PoolingMode { mean, cls, max, last, root_mean };

/// "mean", "cls", "max", "last" or "root_mean"; nothing for another name.
std::optional<PoolingMode> pooling_mode(std::string_view name);

struct Pooling {
  PoolingMode mode = PoolingMode::mean;
  bool normalize = true;  // to length 1
  int64_t dim = 0;        // width of the states it is made for; 0: any
  int64_t longest = 0;    // tokens that are read of a text, [CLS] and [SEP] among them; 0: as many as the model reads
};

/// states (B, T, D), mask (B, T): 0 where a token is padding, undefined: none is -> (B, D), in float32 where the states
/// have fewer digits. A text of padding alone gives zeros. Throws Error for other shapes.
Tensor pooled(const Pooling& pooling, const Tensor& states, const Tensor& mask = {});

}  // namespace hadal
