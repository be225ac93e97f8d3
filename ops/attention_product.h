#pragma once
// What the attention kernels multiply on the CPU, and how it gets there. Rows of heads become factors:
// floats, or for bf16 pairs of neighbours in the sum, where the CPU multiplies pairs. Between a block of
// queries and a block of keys everything is one small matrix product, multiply().
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "core/simd.h"
#include "ops/rows_ahead.h"

namespace scca::cpu {

/// What elements of T become in a product.
template <class T>
using FactorOf =
    std::conditional_t<std::is_same_v<T, bf16> && simd::kMultipliesPairs, simd::bf16_pair, float>;
/// Terms of the product's sum in a factor: a sum of n terms has n / kTerms factors, rounded up.
template <class F>
inline constexpr int64_t kTerms = std::is_same_v<F, simd::bf16_pair> ? 2 : 1;

inline constexpr int64_t kLanes = 2 * simd::kWidth;
/// Rows of C that multiply() keeps in registers: 6 x 2 accumulators of 16 registers, 12 x 2 of 32.
inline constexpr int kTileRows = simd::kRegisters == 32 ? 12 : 6;
/// Cache lines that come from memory while the sums of such a tile grow by some 64 terms.
inline constexpr int64_t kLinesAhead = kTileRows * kLanes / 6;

/// The operands of C[r][:] = sum over t of A[r][t] B[t][:], for r < rows, t < depth (in factors, at least
/// one) and `lanes` columns.
struct ProductSize {
  int64_t rows, depth;
};
/// A[r][t] lies at data[r * row + t * step], so that a transposed A costs nothing.
template <class F>
struct LeftFactor {
  const F* data;
  int64_t row, step;
};
/// B[t] begins at data[t * row].
template <class F>
struct RightFactor {
  const F* data;
  int64_t row;
};
/// C[r] begins at data[r * row].
struct Product {
  float* data;
  int64_t row;
};

/// The product for R rows. (Its operands one by one: a structure of three would go through memory, which
/// short products pay for. So would the sums, on their way out, if the loop could be passed over.)
template <int R, bool add, class F>
void multiply_tile(const F* a, int64_t a_row, int64_t a_step, const F* b, int64_t b_row, int64_t depth,
                   float* c, int64_t c_row) {
  simd::floats left[R], right[R];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    left[r] = add ? simd::load(c + r * c_row) : simd::floats{};
    right[r] = add ? simd::load(c + r * c_row + simd::kWidth) : simd::floats{};
  }
  // Four rows by one address each, so that no offset of a row leaves the integer registers.
  constexpr int kRows = 4, kAddresses = (R + kRows - 1) / kRows;
  const F* at[kAddresses];
#pragma GCC unroll 16
  for (int i = 0; i < kAddresses; ++i) at[i] = a + i * kRows * a_row;
  do {
    const auto b_left = simd::load(b), b_right = simd::load(b + simd::kWidth);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const auto x = simd::broadcast(at[r / kRows][r % kRows * a_row]);
      left[r] = simd::fma(x, b_left, left[r]);
      right[r] = simd::fma(x, b_right, right[r]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kAddresses; ++i) at[i] += a_step;
    b += b_row;
  } while (--depth > 0);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    simd::store(c + r * c_row, left[r]);
    simd::store(c + r * c_row + simd::kWidth, right[r]);
  }
}

/// multiply_tile for a number of rows known at run time, at most R.
template <bool add, int R = kTileRows, class F>
void multiply_tiles(int64_t rows, const F* a, int64_t a_row, int64_t a_step, const F* b, int64_t b_row,
                    int64_t depth, float* c, int64_t c_row) {
  if constexpr (R > 0) {
    if (rows == R)
      multiply_tile<R, add>(a, a_row, a_step, b, b_row, depth, c, c_row);
    else
      multiply_tiles<add, R - 1>(rows, a, a_row, a_step, b, b_row, depth, c, c_row);
  }
}

/// The product for at most kTileRows rows.
template <bool add, class F>
void multiply_rows(ProductSize size, const LeftFactor<F>& a, RightFactor<F> b, Product c) {
  multiply_tiles<add>(size.rows, a.data, a.row, a.step, b.data, b.row, size.depth, c.data, c.row);
}

/// The same for any number of rows. They are split evenly (32 rows are 6 + 6 + 5 + 5 + 5 + 5), since a short
/// last tile could not keep the multipliers busy.
template <bool add, class F>
void multiply(ProductSize size, const LeftFactor<F>& a, RightFactor<F> b, Product c, RowsAhead& ahead) {
  const int64_t tiles = (size.rows + kTileRows - 1) / kTileRows;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t begin = size.rows * tile / tiles, end = size.rows * (tile + 1) / tiles;
    multiply_tiles<add>(end - begin, a.data + begin * a.row, a.row, a.step, b.data, b.row, size.depth,
                        c.data + begin * c.row, c.row);
    ahead.step(kLinesAhead);
  }
}

/// width elements as floats, from any of the dtypes.
template <class T>
void copy_row(const T* from, int64_t width, float* to) {
  int64_t i = 0;
  for (; i + simd::kWidth <= width; i += simd::kWidth) simd::store(to + i, simd::load(from + i));
  for (; i < width; ++i) to[i] = static_cast<float>(from[i]);
}

template <class T>
float dot(const T* a, const T* b, int64_t width) {
  simd::floats sum = {};
  int64_t i = 0;
  for (; i + simd::kWidth <= width; i += simd::kWidth)
    sum = simd::fma(simd::load(a + i), simd::load(b + i), sum);
  if (i < width) sum = simd::fma(simd::load_first(a + i, width - i), simd::load_first(b + i, width - i), sum);
  return simd::reduce_sum(sum);
}

/// Rows as left factors of sums over the width: to[i] holds the elements kTerms i, ... (The width is even.)
template <class T>
void load_row(const T* from, int64_t width, float* to) {
  copy_row(from, width, to);
}
inline void load_row(const bf16* from, int64_t width, simd::bf16_pair* to) {
  std::memcpy(static_cast<void*>(to), from, static_cast<size_t>(width) * sizeof *from);
}

/// Rows as factors of sums over rows: to[i] holds element i of `first`, and of `second` where a factor has
/// two terms. No second row (null) is zeros.
template <class T>
void load_across(const T* first, const T* /*second*/, int64_t width, float* to) {
  copy_row(first, width, to);
}
inline void load_across(const bf16* first, const bf16* second, int64_t width, simd::bf16_pair* to) {
  static constexpr uint16_t kZeros[simd::kWidth] = {};
  const auto* zeros = reinterpret_cast<const bf16*>(kZeros);
  int64_t i = 0;
  for (; i + simd::kWidth <= width; i += simd::kWidth)
    simd::store(to + i, simd::pair_up(first + i, second ? second + i : zeros));
  for (; i < width; ++i) to[i] = {first[i], second ? second[i] : bf16(0.0f)};
}

/// to[i][lane] = load(lane, i) for `count` <= lanes rows of `length` factors, zeros in the lanes beyond. load
/// reads up to a register of factors from i on, `some` of them.
template <class F, class Load>
void transpose_lanes(int64_t count, int64_t length, const Load& load, F* to) {
  using simd::floats;
  for (int64_t part = 0; part < kLanes; part += simd::kWidth) {
    for (int64_t i = 0; i < length; i += simd::kWidth) {
      const int64_t some = std::min<int64_t>(simd::kWidth, length - i);
      floats block[simd::kWidth] = {};
      for (int lane = 0; lane < std::min<int64_t>(simd::kWidth, count - part); ++lane)
        block[lane] = load(part + lane, i, some);
      simd::transpose(block);
      for (int64_t j = 0; j < some; ++j)
        std::memcpy(static_cast<void*>(to + (i + j) * kLanes + part), &block[j], sizeof block[j]);
    }
  }
}

/// Rows of any stride as right factors of sums over the width, times `factor`; pairs stay as they are.
template <class T>
void transpose_in(const T* from, int64_t row, int64_t count, int64_t width, float factor, float* to) {
  transpose_lanes(
      count, width,
      [&](int64_t lane, int64_t i, int64_t some) {
        const T* at = from + lane * row + i;
        return (some == simd::kWidth ? simd::load(at) : simd::load_first(at, some)) * factor;
      },
      to);
}
inline void transpose_in(const bf16* from, int64_t row, int64_t count, int64_t width, float /*factor*/,
                         simd::bf16_pair* to) {
  transpose_lanes(
      count, width / 2,
      [&](int64_t lane, int64_t i, int64_t some) {
        const auto* at = reinterpret_cast<const simd::bf16_pair*>(from + lane * row) + i;
        const simd::pairs read = some == simd::kWidth ? simd::load(at) : simd::load_first(at, some);
        return reinterpret_cast<simd::floats>(read);
      },
      to);
}

/// to[lane][i] = from[i][lane] * factor[lane], for the first `count` lanes: the way back.
template <class T>
void transpose_out(const float* from, int64_t count, int64_t width, const float* factor, T* to, int64_t row) {
  using simd::floats;
  for (int64_t part = 0; part < count; part += simd::kWidth) {
    const floats scale = simd::load(factor + part);
    for (int64_t i = 0; i < width; i += simd::kWidth) {
      const int64_t some = std::min<int64_t>(simd::kWidth, width - i);
      floats block[simd::kWidth] = {};
      for (int64_t j = 0; j < some; ++j) block[j] = simd::load(from + (i + j) * kLanes + part) * scale;
      simd::transpose(block);
      for (int lane = 0; lane < std::min<int64_t>(simd::kWidth, count - part); ++lane) {
        T* at = to + (part + lane) * row + i;
        if (some == simd::kWidth)
          simd::store(at, block[lane]);
        else
          simd::store_first(at, some, block[lane]);
      }
    }
  }
}

/// Memory of one task, kept by the thread for its next one: a fresh mapping would cost more than a short
/// task.
class Scratch {
 public:
  explicit Scratch(int64_t floats_needed) {
    thread_local std::vector<float> memory;
    if (static_cast<int64_t>(memory.size()) < floats_needed + 16) memory.resize(floats_needed + 16);
    next_ = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64 / sizeof(float);
  }
  template <class F = float>
  F* take(int64_t factors) {
    static_assert(sizeof(F) == sizeof(float));
    F* taken = reinterpret_cast<F*>(next_);
    next_ += factors;
    return taken;
  }

 private:
  float* next_;
};

}  // namespace scca::cpu
