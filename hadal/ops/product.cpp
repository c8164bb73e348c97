#include "hadal/ops/product.h"

#include <ATen/core/dispatch/Dispatcher.h>

namespace hadal {
namespace {

// LibTorch gives plain fp32 products to MKL, which runs at a third of an AMD's peak. oneDNN, in the same library, comes
// close to the peak; its symbols are hidden, and this operator (made for PyTorch's compiler) leads there.
using LinearPointwise = Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&, std::string_view,
                               c10::List<std::optional<at::Scalar>>, std::optional<std::string_view>);
using Handle = c10::TypedOperatorHandle<LinearPointwise>;

bool is_amd() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_cpu_init();
  return __builtin_cpu_is("amd") != 0;
#else
  return false;
#endif
}

std::optional<Handle> find_onednn() {
  const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  if (!found || !found->hasKernelForDispatchKey(c10::DispatchKey::CPU)) return std::nullopt;
  return found->typed<LinearPointwise>();
}

const std::optional<Handle>& onednn() {
  static const auto handle = is_amd() ? find_onednn() : std::nullopt;
  return handle;
}

bool plain_fp32(const Tensor& t) {
  return t.layout() == at::kStrided && t.device().is_cpu() && t.scalar_type() == at::kFloat;
}

// A call of the operator costs about 10 us more than MKL's, and a few rows are bound by memory: MKL keeps the small
// ones.
bool pays(int64_t m, int64_t n, int64_t k) { return m >= 16 && m * n * k >= (1 << 20); }

// Any other weight sends oneDNN to its reference code, a thousand times slower.
Tensor dense(const Tensor& b) { return b.is_contiguous() || b.t().is_contiguous() ? b : b.contiguous(); }

}  // namespace

bool has_fast_product(const Tensor& a, const Tensor& b) { return plain_fp32(a) && plain_fp32(b) && onednn(); }

Tensor product_nt(const Tensor& a, const Tensor& b, const Tensor& bias) {
  if (!has_fast_product(a, b) || !pays(a.size(0), b.size(0), a.size(1)) || (bias.defined() && !plain_fp32(bias)))
    return bias.defined() ? at::addmm(bias, a, b.t()) : at::mm(a, b.t());
  return onednn()->call(a, dense(b), bias.defined() ? std::optional(bias) : std::nullopt, "none",
                        c10::List<std::optional<at::Scalar>>(), "");
}

std::string product_path() {
  if (!is_amd()) return "LibTorch's own (MKL or its like): the CPU is not an AMD";
  if (!onednn()) return "LibTorch's own (MKL or its like): this LibTorch lacks mkldnn::_linear_pointwise";
  return "oneDNN through mkldnn::_linear_pointwise: the CPU is an AMD, where MKL runs at a third of the peak";
}

}  // namespace hadal
