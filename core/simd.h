#pragma once
// One register of floats, over the vector extensions of GCC and Clang: + - * / and comparisons are the
// compiler's, chosen at build time by -march (AVX-512: 16 floats, AVX: 8, else 4). Kernels are written once
// in terms of `width`.
#include <cstdint>
#include <cstring>
#include <utility>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#include "core/dtype.h"

namespace scca::simd {

#if defined(__AVX512F__)
inline constexpr int kWidth = 16;
inline constexpr int kRegisters = 32;
#elif defined(__AVX__)
inline constexpr int kWidth = 8;
inline constexpr int kRegisters = 16;
#else
inline constexpr int kWidth = 4;
inline constexpr int kRegisters = 16;
#endif

using floats = float __attribute__((vector_size(kWidth * sizeof(float))));
using ints = int32_t __attribute__((vector_size(kWidth * sizeof(int32_t))));
using uints = uint32_t __attribute__((vector_size(kWidth * sizeof(uint32_t))));

#define SCCA_INLINE inline __attribute__((always_inline))

/// All lanes x. (x - 0 is x, also for -0: the compiler makes it one broadcast.)
SCCA_INLINE floats broadcast(float x) { return x - floats{}; }

/// No alignment is asked for anywhere.
SCCA_INLINE floats load(const float* from) {
  floats v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
SCCA_INLINE void store(float* to, floats v) { std::memcpy(to, &v, sizeof v); }

/// bf16 is the upper half of a float.
SCCA_INLINE floats load(const bf16* from) {
  using shorts = uint16_t __attribute__((vector_size(kWidth * sizeof(uint16_t))));
  shorts half;
  std::memcpy(&half, from, sizeof half);
  return reinterpret_cast<floats>(__builtin_convertvector(half, ints) << 16);
}
/// Rounds to nearest even, NaN stays NaN: lane for lane what bf16(float) does.
SCCA_INLINE void store(bf16* to, floats v) {
  using shorts = uint16_t __attribute__((vector_size(kWidth * sizeof(uint16_t))));
  const uints bits = reinterpret_cast<uints>(v);
  const uints rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const shorts half = __builtin_convertvector(v == v ? rounded : ((bits >> 16) | 0x40u), shorts);
  std::memcpy(static_cast<void*>(to), &half, sizeof half);
}

/// Two bf16 that are factors together: a CPU with AVX512-BF16 adds two products to each lane of a register of
/// floats in the time of one. (Without it the same sums by two fused additions, which gain nothing: kernels
/// ask kMultipliesPairs. SCCA_PAIRS_ANYWHERE makes them take pairs on any CPU, for tests.)
struct bf16_pair {
  bf16 first, second;
};
using pairs = uints;  // the first of a pair is the lower half

#if defined(__AVX512BF16__) || defined(SCCA_PAIRS_ANYWHERE)
inline constexpr bool kMultipliesPairs = true;
#else
inline constexpr bool kMultipliesPairs = false;
#endif

SCCA_INLINE pairs load(const bf16_pair* from) {
  pairs v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
SCCA_INLINE void store(bf16_pair* to, pairs v) { std::memcpy(static_cast<void*>(to), &v, sizeof v); }
SCCA_INLINE pairs broadcast(const bf16_pair& x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits + pairs{};
}

/// Pairs (first[i], second[i]) of neighbouring elements.
SCCA_INLINE pairs pair_up(const bf16* first, const bf16* second) {
  using shorts = uint16_t __attribute__((vector_size(kWidth * sizeof(uint16_t))));
  shorts a, b;
  std::memcpy(&a, first, sizeof a);
  std::memcpy(&b, second, sizeof b);
  return __builtin_convertvector(a, uints) | (__builtin_convertvector(b, uints) << 16);
}

/// A kernel's own numbers as pairs of bf16, and as bf16 one after the other: rounded to nearest even; below
/// the smallest normal number they may become 0. NaN stays NaN.
#ifdef __AVX512BF16__
SCCA_INLINE pairs round_to_pairs(floats first, floats second) {
  uints order;
  for (uint32_t i = 0; i < kWidth; ++i) order[i] = i | (kWidth + i) << 16;
  const __m512bh halves = _mm512_cvtne2ps_pbh(second, first);
  return reinterpret_cast<pairs>(
      _mm512_permutexvar_epi16(reinterpret_cast<__m512i>(order), reinterpret_cast<__m512i>(halves)));
}
SCCA_INLINE void store_rounded(bf16* to, floats v) {
  const __m256bh half = _mm512_cvtneps_pbh(v);
  std::memcpy(static_cast<void*>(to), &half, sizeof half);
}
#else
SCCA_INLINE pairs round_to_pairs(floats first, floats second) {
  bf16 a[kWidth], b[kWidth];
  store(a, first);
  store(b, second);
  return pair_up(a, b);
}
SCCA_INLINE void store_rounded(bf16* to, floats v) { store(to, v); }
#endif

/// The first n < width elements, `fill` in the other lanes; and back.
template <class T>
SCCA_INLINE floats load_first(const T* from, int64_t n, float fill = 0) {
  floats v = broadcast(fill);
  for (int64_t i = 0; i < n; ++i) v[i] = static_cast<float>(from[i]);
  return v;
}
#ifdef __AVX512F__
SCCA_INLINE floats load_first(const float* from, int64_t n, float fill = 0) {
  return _mm512_mask_loadu_ps(broadcast(fill), static_cast<__mmask16>((1u << n) - 1), from);
}
#endif
SCCA_INLINE pairs load_first(const bf16_pair* from, int64_t n) {
  pairs v = {};
  std::memcpy(&v, from, static_cast<size_t>(n) * sizeof *from);
  return v;
}
template <class T>
SCCA_INLINE void store_first(T* to, int64_t n, floats v) {
  for (int64_t i = 0; i < n; ++i) to[i] = T(v[i]);
}

/// a * b + c, one rounding where the machine has FMA (the build contracts).
SCCA_INLINE floats fma(floats a, floats b, floats c) { return a * b + c; }
/// c + the products of the first ones and those of the second ones. (The instruction takes numbers below the
/// smallest normal one as 0.)
SCCA_INLINE floats fma(pairs a, pairs b, floats c) {
#ifdef __AVX512BF16__
  return _mm512_dpbf16_ps(c, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
#else
  const auto first = [](pairs p) { return reinterpret_cast<floats>(p << 16); };
  const auto second = [](pairs p) { return reinterpret_cast<floats>(p & 0xffff0000u); };
  return fma(first(a), first(b), fma(second(a), second(b), c));
#endif
}
/// One instruction each. A NaN in b is kept, a NaN in a is lost.
SCCA_INLINE floats max(floats a, floats b) { return a > b ? a : b; }
SCCA_INLINE floats min(floats a, floats b) { return a < b ? a : b; }
SCCA_INLINE floats select(ints mask, floats where_true, floats where_false) {
  return mask ? where_true : where_false;
}

/// The register whose lanes are those named, of a (from 0) and b (from width).
template <int... lane>
SCCA_INLINE floats shuffle(floats a, floats b) {
#ifdef __clang__  // has the one, and GCC 11 has the other
  return __builtin_shufflevector(a, b, lane...);
#else
  return __builtin_shuffle(a, b, ints{lane...});
#endif
}

/// Lanes [half, 2 half) at [0, half). (By an index, GCC would go through memory.)
template <int half, int... lane>
SCCA_INLINE floats upper_half_first(floats v, std::integer_sequence<int, lane...>) {
  return shuffle<(lane ^ half)...>(v, v);
}

/// What `fold` makes of all lanes, in a fixed order: the upper half is folded onto the lower one, until one
/// lane is left.
template <int half = kWidth / 2, class Fold>
SCCA_INLINE float fold_lanes(floats v, Fold fold) {
  v = fold(v, upper_half_first<half>(v, std::make_integer_sequence<int, kWidth>()));
  if constexpr (half > 1) return fold_lanes<half / 2>(v, fold);
  return v[0];
}
SCCA_INLINE float reduce_sum(floats v) {
  return fold_lanes(v, [](floats a, floats b) { return a + b; });
}
SCCA_INLINE float reduce_max(floats v) {
  return fold_lanes(v, [](floats a, floats b) { return max(a, b); });
}

/// One step of transpose: in squares of 2 half rows and columns, the upper right and the lower left quarter
/// change places.
template <int half, int... lane>
SCCA_INLINE void exchange_quarters(floats (&rows)[kWidth], std::integer_sequence<int, lane...>) {
  const auto exchange = [&](int i) __attribute__((always_inline)) {
    if (i & half) return;
    const floats a = rows[i], b = rows[i + half];
    rows[i] = shuffle<(lane & half ? lane - half + kWidth : lane)...>(a, b);
    rows[i + half] = shuffle<(lane & half ? lane + kWidth : lane + half)...>(a, b);
  };
  (exchange(lane), ...);
}

/// rows[i][j] becomes rows[j][i]: halves are exchanged across the diagonal, then halves of halves (Eklundh).
template <int half = kWidth / 2>
SCCA_INLINE void transpose(floats (&rows)[kWidth]) {
  exchange_quarters<half>(rows, std::make_integer_sequence<int, kWidth>());
  if constexpr (half > 1) transpose<half / 2>(rows);
}

/// One step of sum_rows: row i takes in row i + half, which has the lanes of `half` from then on.
template <int half, int... lane>
SCCA_INLINE void fold_rows(floats* rows, std::integer_sequence<int, lane...>) {
#pragma GCC unroll 16
  for (int i = 0; i < half; ++i) {
    const floats a = rows[i], b = rows[i + half];
    rows[i] = shuffle<(lane & half ? lane + kWidth : lane)...>(a, b) +
              shuffle<(lane & half ? lane - half + kWidth : lane + half)...>(a, b);
  }
}

/// Lane i: the sum of rows[i] of kWidth rows, each as reduce_sum adds it. The rows are lost.
template <int half = kWidth / 2>
SCCA_INLINE floats sum_rows(floats* rows) {
  fold_rows<half>(rows, std::make_integer_sequence<int, kWidth>());
  if constexpr (half > 1) return sum_rows<half / 2>(rows);
  return rows[0];
}

// Adding 1.5 * 2^23 leaves the nearest integer in the low bits of the sum; the shift by 23 moves it into the
// exponent.
inline constexpr float kRoundMagic = 12582912.0f;
SCCA_INLINE floats scale_by_power(floats v, floats rounded_plus_magic) {
  return reinterpret_cast<floats>(reinterpret_cast<uints>(v) +
                                  (reinterpret_cast<uints>(rounded_plus_magic) << 23));
}

/// 2^x for x < 127.5, to 2.5 ulp: what a softmax needs, where x is at most about 0. Below -126 (-inf too):
/// exactly 0. NaN stays NaN. Minimax polynomial of degree 5 on [-1/2, 1/2] with constant term 1: 2^0 is
/// exactly 1.
SCCA_INLINE floats exp2_softmax(floats x) {
  const floats shifted = x + kRoundMagic;
  const floats f = x - (shifted - kRoundMagic);
  floats p = broadcast(0.00132647271401f);
  p = fma(p, f, broadcast(0.00967151263996f));
  p = fma(p, f, broadcast(0.0555073374347f));
  p = fma(p, f, broadcast(0.240222420854f));
  p = fma(p, f, broadcast(0.693146977599f));
  p = fma(p, f, broadcast(1.0f));
  return select(x < broadcast(-126.0f), floats{}, scale_by_power(p, shifted));
}

/// e^x to 2 ulp for all x: overflow is inf, NaN stays NaN, results below the smallest normal float are 0.
/// x = n ln 2 + r with ln 2 in two parts (Cody and Waite), minimax polynomial of degree 6 in r.
SCCA_INLINE floats exp(floats x) {
  const floats shifted = fma(x, broadcast(1.44269504089f), broadcast(kRoundMagic));
  const floats n = shifted - kRoundMagic;
  floats r = fma(n, broadcast(-0.693145752f), x);
  r = fma(n, broadcast(-1.42860677e-6f), r);
  floats p = broadcast(0.00138368356069f);
  p = fma(p, r, broadcast(0.00837482405789f));
  p = fma(p, r, broadcast(0.0416682261919f));
  p = fma(p, r, broadcast(0.16666420072f));
  p = fma(p, r, broadcast(0.499999920751f));
  p = fma(p, r, broadcast(1.0f));
  p = fma(p, r, broadcast(1.0f));
  // Up to x = 88.72, n may be 128: p is then below 1, so that the sum of the exponents still fits its field.
  const floats result = select(x < broadcast(-87.3365448f), floats{}, scale_by_power(p, shifted));
  return select(x > broadcast(88.7228394f), broadcast(__builtin_inff()), result);
}

}  // namespace scca::simd
