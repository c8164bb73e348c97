#include "hadal/ops/attention_products.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "hadal/core/error.h"
#include "hadal/ops/product.h"

namespace hadal {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Plain operators: no graph, no casts. Threads of a parallel loop do not inherit this, so each sets it.
struct Plain {
  at::AutoDispatchBelowADInplaceOrView no_graph;
  c10::impl::ExcludeDispatchKeyGuard no_casts{c10::autocast_dispatch_keyset};
};

struct Problem {
  ProductsPlan plan;
  int64_t batch, heads, queries, keys, width;
  int64_t seed;

  int64_t diagonal() const { return keys - queries; }
  // Before this query a causal one has no key at all.
  int64_t first_query() const { return plan.causal ? std::clamp<int64_t>(-diagonal(), 0, queries) : 0; }
  int64_t block() const { return plan.by_head ? std::min(plan.block, queries) : queries; }
};

// One head (rows, columns), or all of them (B H, rows, columns); and the same heads' part of the bias.
struct Heads {
  Tensor q, k, v, bias;
  int64_t index;
};

// a (..., m, k), b (..., n, k) -> a b^T
Tensor multiply_nt(const Tensor& a, const Tensor& b) {
  return a.dim() == 2 ? product_nt(a, b) : at::bmm(a, b.transpose(1, 2));
}
Tensor turned(const Tensor& t) { return t.transpose(-2, -1); }

// A block of queries, the keys that it sees, and its attention weights.
struct Block {
  int64_t first, rows, seen;
  Tensor q, weights, keep;  // q is scaled; keep is what dropout multiplies the weights with, or undefined
};

Tensor softmax_(Tensor scores, bool may_be_empty) {
  Tensor empty;
  if (may_be_empty) empty = scores.amax(-1, true) == -INFINITY;
  at::_softmax_out(scores, scores, -1, false);
  return may_be_empty ? scores.masked_fill_(empty, 0) : scores;
}

Tensor dropout_factors(const Problem& p, const Tensor& like, int64_t index) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(p.seed + index));
  return at::empty_like(like).bernoulli_(1 - p.plan.dropout, generator).div_(1 - p.plan.dropout);
}

Block block_at(const Problem& p, const Heads& h, int64_t first, const Tensor& known_weights = {}) {
  Block b{first, std::min(p.block(), p.queries - first), p.keys, {}, known_weights, {}};
  if (p.plan.causal) b.seen = first + b.rows + p.diagonal();
  b.q = h.q.narrow(-2, first, b.rows) * p.plan.scale;
  if (!b.weights.defined()) {
    auto scores = multiply_nt(b.q, h.k.narrow(-2, 0, b.seen));
    if (h.bias.defined()) {
      const auto bias = h.bias.narrow(-2, first, b.rows).narrow(-1, 0, b.seen);
      scores.view(bias.dim() == 4 ? bias.sizes() : scores.sizes()).add_(bias);
    }
    if (p.plan.causal) {
      const auto later = at::ones({b.rows, b.rows}, scores.options().dtype(at::kBool)).triu_(1);
      scores.narrow(-1, first + p.diagonal(), b.rows).masked_fill_(later, -INFINITY);
    }
    b.weights = softmax_(scores, h.bias.defined());
  }
  if (p.plan.dropout > 0) b.keep = dropout_factors(p, b.weights, h.index * p.queries + first);
  return b;
}

Tensor dropped(const Block& b) { return b.keep.defined() ? b.weights * b.keep : b.weights; }

// -> out (..., Tq, D); returns the last block's weights, which in the batched case are all of them.
Tensor forward(const Problem& p, const Heads& h, const Tensor& out) {
  Tensor weights;
  for (auto first = p.first_query(); first < p.queries; first += p.block()) {
    const auto b = block_at(p, h, first);
    out.narrow(-2, first, b.rows)
        .copy_(multiply_nt(dropped(b), turned(h.v.narrow(-2, 0, b.seen))).view(out.narrow(-2, first, b.rows).sizes()));
    weights = b.weights;
  }
  return weights;
}

// Sums of gradients (..., D, Tk) over blocks of queries; the first one comes with all keys.
void accumulate(Tensor& sum, const Tensor& part) {
  if (sum.defined())
    sum.narrow(-1, 0, part.size(-1)).add_(part);
  else
    sum = part.scalar_type() == at::kBFloat16 ? part.to(at::kFloat) : part;
}

// Dao et al. 2022, arXiv:2205.14135, appendix B.2: gradients of q, k and v from those of the output.
void backward(const Problem& p, const Heads& h, const Tensor& dout, const Tensor& weights,
              std::array<Tensor, 3> gradients) {
  Tensor dk, dv;
  const auto start = p.first_query(), blocks = (p.queries - start + p.block() - 1) / p.block();
  for (auto i = blocks - 1; i >= 0; --i) {
    const auto b = block_at(p, h, start + i * p.block(), weights);
    const auto dy = dout.narrow(-2, b.first, b.rows).contiguous();
    accumulate(dv, multiply_nt(turned(dy), turned(dropped(b))));
    auto dscores = multiply_nt(dy, h.v.narrow(-2, 0, b.seen));
    if (b.keep.defined()) dscores.mul_(b.keep);
    at::_softmax_backward_data_out(dscores, dscores, b.weights, -1, dscores.scalar_type());
    const auto dq = gradients[0].narrow(-2, b.first, b.rows);
    dq.copy_(multiply_nt(dscores, turned(h.k.narrow(-2, 0, b.seen))).mul_(p.plan.scale).view(dq.sizes()));
    accumulate(dk, multiply_nt(turned(b.q), turned(dscores)));
  }
  if (dk.defined()) {
    gradients[1].copy_(turned(dk).reshape(gradients[1].sizes()));
    gradients[2].copy_(turned(dv).reshape(gradients[2].sizes()));
  }
}

Tensor head(const Tensor& t, int64_t b, int64_t h) { return t.defined() ? t.select(0, b).select(0, h) : t; }
Tensor merged(const Tensor& t) { return t.reshape({-1, t.size(2), t.size(3)}); }

// work(heads, of) for each head, where of(t) is these heads' part of a (B, H, ...) tensor.
template <class Work>
void for_heads(const Problem& p, const Tensor& q, const Tensor& k, const Tensor& v, const Work& work) {
  const auto bias = p.plan.bias.defined() ? p.plan.bias.expand({p.batch, p.heads, p.queries, p.keys}) : Tensor();
  if (!p.plan.by_head) return work(Heads{merged(q), merged(k), merged(v), bias, 0}, [](const Tensor& t) { return t; });
  auto run = [&](int64_t begin, int64_t end) {
    Plain plain;
    for (auto i = begin; i < end; ++i) {
      auto of = [&](const Tensor& t) { return head(t, i / p.heads, i % p.heads); };
      work(Heads{of(q).contiguous(), of(k).contiguous(), of(v).contiguous(), of(bias), i}, of);
    }
  };
  // With fewer heads than threads the products inside share the threads instead.
  if (p.batch * p.heads >= at::get_num_threads())
    at::parallel_for(0, p.batch * p.heads, 1, run);
  else
    run(0, p.batch * p.heads);
}

Problem problem(const Tensor& q, const Tensor& k, const ProductsPlan& plan, int64_t seed) {
  return {plan, q.size(0), q.size(1), q.size(2), k.size(2), q.size(3), seed};
}

// Laid out so that joining the heads again costs no copy. Rows that no block visits stay zero.
Tensor result_like(const Problem& p, const Tensor& t) {
  const std::vector<int64_t> shape{t.size(0), t.size(2), t.size(1), t.size(3)};
  const bool covered = p.first_query() == 0 && p.queries > 0;
  return (covered ? at::empty(shape, t.options()) : at::zeros(shape, t.options())).transpose(1, 2);
}

struct ProductsAttention : torch::autograd::Function<ProductsAttention> {
  static Tensor forward(AutogradContext* context, const Tensor& q, const Tensor& k, const Tensor& v,
                        const ProductsPlan& plan) {
    Plain plain;
    const auto seed = plan.dropout > 0 ? at::randint(1LL << 53, {1}, at::kLong).item<int64_t>() : 0;
    const auto p = problem(q, k, plan, seed);
    auto out = result_like(p, q);
    Tensor weights;
    for_heads(p, q, k, v, [&](const Heads& heads, const auto& of) {
      auto last = hadal::forward(p, heads, of(out));
      if (!plan.by_head) weights = last;
    });
    context->save_for_backward({q, k, v, plan.bias, weights});
    auto& saved = context->saved_data;
    saved["causal"] = plan.causal, saved["scale"] = plan.scale, saved["dropout"] = plan.dropout;
    saved["by_head"] = plan.by_head, saved["block"] = plan.block, saved["seed"] = seed;
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    require(!at::GradMode::is_enabled(),
            "[attention] has no gradient of its gradient on the CPU; use at::scaled_dot_product_attention");
    Plain plain;
    const auto tensors = context->get_saved_variables();
    const auto &q = tensors[0], &k = tensors[1], &v = tensors[2], &weights = tensors[4];
    auto& saved = context->saved_data;
    const ProductsPlan plan{tensors[3],
                            saved["causal"].toBool(),
                            saved["scale"].toDouble(),
                            saved["dropout"].toDouble(),
                            saved["by_head"].toBool(),
                            saved["block"].toInt()};
    const auto p = problem(q, k, plan, saved["seed"].toInt());
    const auto dq = result_like(p, q), dk = result_like(p, k), dv = result_like(p, v);
    const auto dout = plan.by_head ? gradients[0] : merged(gradients[0]);
    for_heads(p, q, k, v, [&](const Heads& heads, const auto& of) {
      hadal::backward(p, heads, of(dout), weights, {of(dq), of(dk), of(dv)});
    });
    return {dq, dk, dv, {}};
  }
};

}  // namespace

Tensor products_attention(const Tensor& q, const Tensor& k, const Tensor& v, const ProductsPlan& plan) {
  return ProductsAttention::apply(q, k, v, plan);
}

}  // namespace hadal
