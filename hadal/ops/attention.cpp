#include "hadal/ops/attention.h"

#include <ATen/ExpandUtils.h>
#include <ATen/TracerMode.h>
#include <ATen/autocast_mode.h>
#include <ATen/record_function.h>

#include "hadal/core/error.h"
#include "hadal/ops/attention_cpu.h"
#include "hadal/ops/attention_products.h"

namespace hadal {
namespace {

void check(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options) {
  require(q.dim() == 4 && k.dim() == 4 && v.dim() == 4,
          "[attention] q, k, v must be (batch, heads, length, width); got {}, {}, {} dimensions", q.dim(), k.dim(),
          v.dim());
  const auto groups = k.size(1) == 0 ? q.size(1) : k.size(1);
  const std::vector<int64_t> keys{q.size(0), groups, k.size(2), q.size(3)};
  require(k.sizes().vec() == keys && v.sizes().vec() == keys,
          "[attention] k ({}) and v ({}) must be ({}) beside q ({})", fmt::join(k.sizes().vec(), ", "),
          fmt::join(v.sizes().vec(), ", "), fmt::join(keys, ", "), fmt::join(q.sizes().vec(), ", "));
  require(groups == 0 || q.size(1) % groups == 0, "[attention] q's heads ({}) must be a multiple of k's and v's ({})",
          q.size(1), groups);
  const std::vector<int64_t> scores{q.size(0), q.size(1), q.size(2), k.size(2)};
  require(!options.mask.defined() || at::is_expandable_to(options.mask.sizes(), scores),
          "[attention] the mask ({}) must broadcast to ({})",
          fmt::join(options.mask.defined() ? options.mask.sizes().vec() : scores, ", "), fmt::join(scores, ", "));
  require(!options.mask.defined() || options.mask.scalar_type() == at::kBool || options.mask.is_floating_point(),
          "[attention] the mask is of type {}; bool (false: not attended) or floating (added to the scores) is "
          "expected; where zeros forbid, give mask.ne(0)",
          c10::toString(options.mask.defined() ? options.mask.scalar_type() : at::kBool));
  require(options.window >= 0, "[attention] window ({}) must be at least 0", options.window);
  require(options.dropout >= 0 && options.dropout < 1, "[attention] dropout ({}) must be at least 0 and below 1",
          options.dropout);
  require(!options.slopes.defined() || (options.slopes.dim() == 1 && options.slopes.size(0) == q.size(1)),
          "[attention] slopes ({}) must be ({}), one for each of q's heads",
          fmt::join(options.slopes.defined() ? options.slopes.sizes().vec() : scores, ", "), q.size(1));
}

// Mask, window and slopes as numbers to add to the scores, -inf where nothing is attended; undefined without any.
Tensor additive(const Tensor& q, const Tensor& k, const AttentionOptions& options) {
  const auto type = q.scalar_type();
  Tensor bias;
  if (const auto& mask = options.mask; mask.defined())
    bias = mask.scalar_type() == at::kBool
               ? at::zeros(mask.sizes(), mask.options().dtype(type)).masked_fill_(mask.logical_not(), -INFINITY)
               : mask.to(type);
  if (options.window == 0 && !options.slopes.defined()) return bias;
  const auto places = q.options().dtype(at::kLong);
  const auto distance = at::arange(k.size(2) - q.size(2), k.size(2), places).unsqueeze(1) -
                        at::arange(k.size(2), places).unsqueeze(0);  // (Tq, Tk)
  if (!bias.defined()) bias = at::zeros({1, 1}, q.options());
  if (options.slopes.defined()) bias = bias - options.slopes.to(type).view({-1, 1, 1}) * distance.abs();
  return options.window == 0 ? bias : bias.masked_fill(distance.abs() >= options.window, -INFINITY);
}

// Each head of k or v as often as q's heads share it.
Tensor repeated(const Tensor& t, const Tensor& q) {
  if (t.size(1) == q.size(1)) return t;
  return t.unsqueeze(2).expand({-1, -1, q.size(1) / t.size(1), -1, -1}).flatten(1, 2);
}

// LibTorch's operator: other devices, traces, and masks that learn. Rows without a key see all keys here, lest some of
// its kernels make NaN, and are cleared afterwards.
Tensor library_attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
                         double scale) {
  auto bias = additive(q, k, options);
  const bool corner = options.causal && q.size(2) == k.size(2) && !bias.defined();
  if (options.causal && !corner) {
    const auto later = at::ones({q.size(2), k.size(2)}, q.options().dtype(at::kBool)).triu_(k.size(2) - q.size(2) + 1);
    bias = (bias.defined() ? bias : at::zeros({1, 1}, q.options())).masked_fill(later, -INFINITY);
  }
  if (!bias.defined()) return at::scaled_dot_product_attention(q, k, v, {}, options.dropout, corner, scale);
  const auto empty = bias.detach().eq(-INFINITY).all(-1, true);
  return at::scaled_dot_product_attention(q, k, v, bias.masked_fill(empty, 0), options.dropout, false, scale)
      .masked_fill(empty, 0);
}

// By head costs a handful of operator calls a head, batched costs passes over all scores in memory: measured on a
// Zen 5 by CPU time on one thread (bench/ops_bench.cpp).
bool by_head(const Tensor& q, const Tensor& k) {
  const auto products = q.size(2) * k.size(2) * q.size(3);
  return products >= (q.scalar_type() == at::kBFloat16 ? int64_t{1} << 23 : int64_t{1} << 20);
}

// Scores of about 2 MB, and under a causal mask some blocks to save their empty halves.
int64_t block_rows(const Tensor& q, const Tensor& k, bool causal) {
  const auto rows = std::clamp<int64_t>((1 << 19) / k.size(2), 64, 1024);
  return causal ? std::clamp<int64_t>(q.size(2) / 4, std::min<int64_t>(128, rows), rows) : rows;
}

Tensor lowered(const Tensor& t) {
  return at::autocast::is_autocast_enabled(at::kCPU)
             ? at::autocast::cached_cast(at::autocast::get_autocast_dtype(at::kCPU), t, at::kCPU)
             : t;
}

bool on_cpu(const Tensor& t, at::ScalarType type) {
  return t.device().is_cpu() && t.layout() == at::kStrided && t.scalar_type() == type;
}

bool learns(const Tensor& t) { return t.defined() && t.requires_grad() && at::GradMode::is_enabled(); }

}  // namespace

Tensor attention(const Tensor& q0, const Tensor& k0, const Tensor& v0, const AttentionOptions& options) {
  check(q0, k0, v0, options);
  RECORD_FUNCTION("hadal::attention", std::vector<c10::IValue>({q0, k0, v0}));
  const bool cpu = q0.device().is_cpu();
  const auto q = cpu ? lowered(q0) : q0, k = cpu ? lowered(k0) : k0, v = cpu ? lowered(v0) : v0;
  const auto type = q.scalar_type();
  const bool own = (type == at::kFloat || type == at::kDouble || type == at::kBFloat16) && on_cpu(q, type) &&
                   on_cpu(k, type) && on_cpu(v, type) && q.numel() > 0 && k.numel() > 0 &&
                   !at::tracer::impl::is_dispatch_enabled() && !learns(options.mask) && !learns(options.slopes);
  if (own && type != at::kDouble && attention_cpu() != AttentionCpu::kNone) return cpu_attention(q, k, v, options);

  const double scale = options.scale.value_or(1 / std::sqrt(static_cast<double>(q.size(3))));
  const auto keys = repeated(k, q), values = repeated(v, q);
  if (!own) return library_attention(q, keys, values, options, scale);
  return products_attention(q, keys, values,
                            {.bias = additive(q, k, options),
                             .causal = options.causal,
                             .scale = scale,
                             .dropout = options.dropout,
                             .by_head = by_head(q, k),
                             .block = block_rows(q, k, options.causal)});
}

}  // namespace hadal
