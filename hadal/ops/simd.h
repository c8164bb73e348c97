// Vectors as wide as the compiler's flags allow, for kernels that are compiled once for each kind of CPU. Such a source
// (*_avx2.cpp, *_avx512.cpp, ...) names a namespace of its own by HADAL_SIMD before it includes this: code of two kinds
// must never share a symbol. For the same reason nothing here or in the kernels comes out of the standard library.
#pragma once
#include <cstdint>
#include <utility>

namespace hadal::HADAL_SIMD {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

using Floats = float __attribute__((vector_size(kLanes * 4)));
using Ints = int32_t __attribute__((vector_size(kLanes * 4)));
using Words = uint32_t __attribute__((vector_size(kLanes * 4)));
using Halves = uint16_t __attribute__((vector_size(kLanes * 2)));

struct Bf16 {
  uint16_t bits;
};

constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
constexpr int64_t up_to_multiple(int64_t n, int64_t of) { return (n + of - 1) / of * of; }

inline Floats spread(float x) { return x - Floats{}; }
inline Words spread(uint32_t x) { return x - Words{}; }
inline Floats max(Floats a, Floats b) { return a > b ? a : b; }  // b where one is not a number
inline Words words(Floats v) { return __builtin_bit_cast(Words, v); }
inline Floats floats(Words v) { return __builtin_bit_cast(Floats, v); }

inline Words count_up(uint32_t from) {
  Words lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = static_cast<uint32_t>(i);
  return lane + from;
}

inline Floats load(const float* p) {
  Floats v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline Floats load(const Bf16* p) {
  Halves v;
  __builtin_memcpy(&v, p, sizeof v);
  return floats(__builtin_convertvector(v, Words) << 16);
}
inline void store(float* p, Floats v) { __builtin_memcpy(p, &v, sizeof v); }
inline void store(Bf16* p, Floats v) {  // to the nearest, ties to even; not a number stays so
  const auto bits = words(v);
  const auto rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const auto halves = __builtin_convertvector(v == v ? rounded : spread(0x7fc0u), Halves);
  __builtin_memcpy(p, &halves, sizeof halves);
}

/// The first `count` lanes; zeros in the others.
template <class T>
inline Floats load(const T* p, int64_t count) {
  if (count >= kLanes) return load(p);
  T part[kLanes] = {};
  for (int64_t i = 0; i < count; ++i) part[i] = p[i];
  return load(part);
}
template <class T>
inline void store(T* p, Floats v, int64_t count) {
  if (count >= kLanes) return store(p, v);
  T part[kLanes];
  store(part, v);
  for (int64_t i = 0; i < count; ++i) p[i] = part[i];
}

template <int kStep, int... I>
inline Floats swapped(Floats v, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(v, v, (I ^ kStep)...);
}
template <int kStep = kLanes / 2>
inline float largest(Floats v) {
  v = max(v, swapped<kStep>(v, std::make_integer_sequence<int, kLanes>()));
  if constexpr (kStep == 1)
    return v[0];
  else
    return largest<kStep / 2>(v);
}
template <int kStep = kLanes / 2>
inline float sum(Floats v) {
  v += swapped<kStep>(v, std::make_integer_sequence<int, kLanes>());
  if constexpr (kStep == 1)
    return v[0];
  else
    return sum<kStep / 2>(v);
}

/// 2^x for x <= 126, exactly 0 from -127 down; relative error 1e-7, or 1e-4 when `kRough` (for what bf16 will hold). A
/// minimax polynomial on [-1/2, 1/2], the integer part added to the exponent.
template <bool kRough>
inline Floats exp2(Floats x) {
  const float magic = 0x1.8p23f;  // adding it rounds to an integer, in the low bits
  x = spread(-127.f) > x ? spread(-127.f) : x;
  const Floats shifted = x + magic, r = x - (shifted - magic);
  Floats p;
  if constexpr (kRough)
    p = ((r * 0.0550089257f + 0.2422109769f) * r + 0.69328293f) * r + 1.f;
  else
    p = ((((r * 0.00132647266f + 0.00967151296f) * r + 0.0555073375f) * r + 0.240222421f) * r + 0.693146978f) * r + 1.f;
  return floats(words(p) + (words(shifted) << 23));
}

template <int kStep, int... I>
inline void exchange(Floats& a, Floats& b, std::integer_sequence<int, I...>) {
  const Floats low = __builtin_shufflevector(a, b, ((I / kStep) % 2 ? kLanes + I - kStep : I)...);
  b = __builtin_shufflevector(a, b, ((I / kStep) % 2 ? kLanes + I : I + kStep)...);
  a = low;
}

/// Exchanges rows and columns of kLanes x kLanes numbers, blocks of kStep among each other first.
template <int kStep = 1>
inline void transpose(Floats (&m)[kLanes]) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i)
    if ((i / kStep) % 2 == 0) exchange<kStep>(m[i], m[i + kStep], std::make_integer_sequence<int, kLanes>());
  if constexpr (2 * kStep < kLanes) transpose<2 * kStep>(m);
}

}  // namespace hadal::HADAL_SIMD
