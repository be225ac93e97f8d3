#pragma once
// Elements as the CPU's kernels compute with them: a register of floats (core/simd.h) from f32 or bf16, one
// number from f64. A kernel is written once for both, and a register that is only partly filled is no case
// of its own.
#include <cmath>
#include <type_traits>

#include "core/parallel.h"
#include "core/simd.h"

namespace scca::cpu {

template <class T>
using Lanes = std::conditional_t<std::is_same_v<T, double>, double, simd::floats>;

SCCA_INLINE double exponential(double x) { return std::exp(x); }
SCCA_INLINE simd::floats exponential(simd::floats x) { return simd::exp(x); }

/// 1 / (1 + e^-x): from 0 to 1 without overflow, also at infinities.
template <class V>
SCCA_INLINE V logistic(V x) {
  const V one = V{} + 1.0f;
  return one / (one + exponential(-x));
}

SCCA_INLINE double larger(double a, double b) { return a > b ? a : b; }
SCCA_INLINE simd::floats larger(simd::floats a, simd::floats b) { return simd::max(a, b); }

/// Over the lanes, in a fixed order.
SCCA_INLINE double lanes_sum(double v) { return v; }
SCCA_INLINE float lanes_sum(simd::floats v) { return simd::reduce_sum(v); }
SCCA_INLINE double lanes_max(double v) { return v; }
SCCA_INLINE float lanes_max(simd::floats v) { return simd::reduce_max(v); }

/// step(load, store) for every register of the elements [begin, end): load(p) is p[i ...], store(p, v)
/// writes it. In the lanes beyond `end` load(p, fill) reads `fill`.
template <class T, class Step>
SCCA_INLINE void for_each_register(int64_t begin, int64_t end, const Step& step) {
  if constexpr (std::is_same_v<T, double>) {
    for (int64_t i = begin; i < end; ++i)
      step([i](const double* from, double = 0) { return from[i]; }, [i](double* to, double v) { to[i] = v; });
  } else {
    int64_t i = begin;
    for (; i + simd::kWidth <= end; i += simd::kWidth) {
      step([i](const T* from, float = 0) { return simd::load(from + i); },
           [i](T* to, simd::floats v) { simd::store(to + i, v); });
    }
    if (i == end) return;
    step([=](const T* from, float fill = 0) { return simd::load_first(from + i, end - i, fill); },
         [=](T* to, simd::floats v) { simd::store_first(to + i, end - i, v); });
  }
}

/// The same for the elements [0, n), by as many threads as they are worth.
template <class T, class Step>
void elementwise(int64_t n, const Step& step) {
  parallel_for(n, kElementwiseGrain,
               [=](int64_t begin, int64_t end) { for_each_register<T>(begin, end, step); });
}

/// f(row, begin, end) for the parts of the rows of `width` that make up the elements [0, n), likewise: a long
/// row may be in several parts.
template <class F>
void for_each_row_part(int64_t n, int64_t width, const F& f) {
  parallel_for(n, kElementwiseGrain, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t row = begin / width, stop = std::min(end, (row + 1) * width);
      f(row, begin, stop);
      begin = stop;
    }
  });
}

/// f(row) for each of `rows`, of `width` elements.
template <class F>
void for_each_row(int64_t rows, int64_t width, const F& f) {
  parallel_for(rows, kElementwiseGrain / std::max<int64_t>(width, 1), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) f(row);
  });
}

}  // namespace scca::cpu
