// The inner loops of update.h: a rule over a block of memory, for the plainest CPU and for one with AVX2, chosen at run
// time. (Wider registers bring nothing: memory is what these loops wait for.)
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>

#include "hadal/core/torch.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define HADAL_UPDATE_AVX2 1
#endif
#ifdef __clang__
#define HADAL_VECTORISE _Pragma("clang loop vectorize(assume_safety)")
#else
#define HADAL_VECTORISE _Pragma("GCC ivdep")
#endif

namespace hadal {

/// A constant of a rule, in the precision of what it meets.
struct Real {
  double d = 0;
  float f = 0;
  Real() = default;
  Real(double value) : d(value), f(static_cast<float>(value)) {}
  double as(double) const { return d; }
  float as(float) const { return f; }
  double as(const Tensor&) const { return d; }
};
template <class T>
concept Element = std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, Tensor>;
template <Element T>
T operator*(const Real& a, const T& b) {
  return a.as(b) * b;
}
template <Element T>
T operator*(const T& a, const Real& b) {
  return a * b.as(a);
}
template <Element T>
T operator/(const T& a, const Real& b) {
  return a / b.as(a);
}
template <Element T>
T operator/(const Real& a, const T& b) {
  return a.as(b) / b;
}
template <Element T>
T operator+(const T& a, const Real& b) {
  return a + b.as(a);
}
template <Element T>
T operator-(const Real& a, const T& b) {
  return a.as(b) - b;
}

// What formulas need besides + - * /, for elements and for tensors.
inline float root(float x) {
#ifdef __clang__
  return __builtin_elementwise_sqrt(x);  // std::sqrt sets errno, which keeps loops from being vectorised
#else
  return std::sqrt(x);
#endif
}
inline double root(double x) {
#ifdef __clang__
  return __builtin_elementwise_sqrt(x);
#else
  return std::sqrt(x);
#endif
}
inline Tensor root(const Tensor& x) { return x.sqrt(); }
inline float magnitude(float x) { return std::fabs(x); }
inline double magnitude(double x) { return std::fabs(x); }
inline Tensor magnitude(const Tensor& x) { return x.abs(); }
template <std::floating_point T>
T larger(T a, T b) {
  return a > b ? a : b;
}
inline Tensor larger(const Tensor& a, const Tensor& b) { return at::maximum(a, b); }
template <std::floating_point T>
T clamped(T x, const Real& low, const Real& high) {
  const auto above = x < low.as(x) ? low.as(x) : x;
  return above > high.as(x) ? high.as(x) : above;
}
inline Tensor clamped(const Tensor& x, const Real& low, const Real& high) { return x.clamp(low.d, high.d); }
template <std::floating_point T>
T signum(T x) {
  return static_cast<T>(x > 0) - static_cast<T>(x < 0);
}
inline Tensor signum(const Tensor& x) { return x.sign(); }
/// high where x > 0, low where x < 0, else 1.
template <std::floating_point T>
T by_sign(T x, const Real& low, const Real& high) {
  const auto negative = x < 0 ? low.as(x) : T(1);
  return x > 0 ? high.as(x) : negative;
}
inline Tensor by_sign(const Tensor& x, const Real& low, const Real& high) {
  return at::ones_like(x).masked_fill_(x > 0, high.d).masked_fill_(x < 0, low.d);
}
/// x, but 0 where test < 0.
template <std::floating_point T>
T unless_negative(T test, T x) {
  return test < 0 ? T(0) : x;
}
inline Tensor unless_negative(const Tensor& test, const Tensor& x) { return x.masked_fill(test < 0, 0); }

/// What a rule is and does; a rule derives from it.
template <size_t States, bool Gradient = true, bool Writes = true, bool Measures = false>
struct Rule {
  static constexpr size_t kStates = States;
  static constexpr bool kGradient = Gradient;  // reads the gradient (else it is given the value in its place)
  static constexpr bool kWrites = Writes;      // changes the parameter
  static constexpr bool kMeasures = Measures;  // returns a value per element, whose squares are summed
};

namespace update_detail {

// Elements: a block of every part of a tensor stays in the first cache, and is so short that the hardware fetches the
// next one while a measuring rule sums its squares.
constexpr int64_t kBlock = 512;
constexpr size_t kMostStates = 6;

bool has_avx2();
/// Sum of squares, in double.
double squares(const float* x, int64_t n);
double squares(const double* x, int64_t n);

/// Where a tensor's parts lie, and what becomes of its gradient.
struct Memory {
  void *param, *grad, *value;  // value is the master of a half-precision parameter, else the parameter
  std::array<void*, kMostStates> state;
  at::ScalarType type;  // of parameter and gradient
  double scale, bound;
  bool zero;
};

/// A block of parameters that are stored as `Stored`; returns the sums of squares of a measuring rule.
template <class Stored, class R, size_t... I>
[[gnu::always_inline]] inline std::array<double, 2> block(const R& given, const Memory& m, int64_t begin, int64_t end,
                                                          std::index_sequence<I...>) {
  using S = std::conditional_t<std::same_as<Stored, double>, double, float>;
  const R rule = given;
  const auto n = end - begin;
  auto* const value = static_cast<S*>(m.value) + begin;
  auto* const stored_grad = static_cast<Stored*>(m.grad) + begin;
  const std::array<S*, sizeof...(I) + 1> state{(static_cast<S*>(m.state[I]) + begin)..., nullptr};
  std::array<double, 2> sums{};
  S result[R::kMeasures ? kBlock : 1];
  S converted[std::same_as<Stored, S> ? 1 : kBlock];
  const S* grad = nullptr;
  if constexpr (std::same_as<Stored, S>) {
    grad = stored_grad;
  } else if constexpr (R::kGradient) {
    HADAL_VECTORISE
    for (int64_t i = 0; i < n; ++i) converted[i] = static_cast<S>(stored_grad[i]);
    grad = converted;
  }
  if constexpr (R::kMeasures) sums[0] = squares(value, n);

  const auto scale = static_cast<S>(m.scale), bound = static_cast<S>(m.bound);
  HADAL_VECTORISE
  for (int64_t i = 0; i < n; ++i) {
    S x = value[i];
    S g = x;
    if constexpr (R::kGradient) {
      g = grad[i] * scale;
      g = g < -bound ? -bound : g;
      g = g > bound ? bound : g;
    }
    if constexpr (R::kMeasures)
      result[i] = rule(x, g, state[I][i]...);
    else
      rule(x, g, state[I][i]...);
    if constexpr (R::kWrites) value[i] = x;
  }

  if constexpr (R::kMeasures) sums[1] = squares(result, n);
  if constexpr (R::kWrites && !std::same_as<Stored, S>) {
    auto* const param = static_cast<Stored*>(m.param) + begin;
    HADAL_VECTORISE
    for (int64_t i = 0; i < n; ++i) param[i] = static_cast<Stored>(value[i]);
  }
  if (m.zero) std::fill_n(stored_grad, n, Stored(0));
  return sums;
}

template <class Stored, class R>
[[gnu::flatten]] std::array<double, 2> block_plain(const R& rule, const Memory& m, int64_t begin, int64_t end) {
  return block<Stored>(rule, m, begin, end, std::make_index_sequence<R::kStates>());
}
#ifdef HADAL_UPDATE_AVX2
template <class Stored, class R>
[[gnu::flatten, gnu::target("avx2,fma")]] std::array<double, 2> block_avx2(const R& rule, const Memory& m,
                                                                           int64_t begin, int64_t end) {
  return block<Stored>(rule, m, begin, end, std::make_index_sequence<R::kStates>());
}
#endif

template <class R>
std::array<double, 2> run_block(const R& rule, const Memory& m, int64_t begin, int64_t end) {
  const auto run = [&]<class Stored>(Stored) {
#ifdef HADAL_UPDATE_AVX2
    if (has_avx2()) return block_avx2<Stored>(rule, m, begin, end);
#endif
    return block_plain<Stored>(rule, m, begin, end);
  };
  if (m.type == at::kDouble) return run(double());
  if (m.type == at::kBFloat16) return run(at::BFloat16());
  if (m.type == at::kHalf) return run(at::Half());
  return run(float());
}

}  // namespace update_detail
}  // namespace hadal
