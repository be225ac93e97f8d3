#pragma once
// The pieces that the forward and the backward attention kernel share on the CPU: a block of queries meets a
// block of keys, and everything between them is one small matrix product, multiply().
//
// Scores are kept transposed, S^T [key][query]: a register holds one key's scores for neighbouring queries,
// so that the softmax (a maximum, an exponential, a sum for each query) never crosses lanes. Queries come in
// groups of `lanes` = two registers.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "core/simd.h"
#include "ops/attention.h"
#include "ops/attention_plan.h"

namespace scca::cpu {

inline constexpr int64_t kLanes = 2 * simd::kWidth;
/// Rows of C that multiply() keeps in registers: 6 x 2 accumulators of 16 registers, 12 x 2 of 32.
inline constexpr int kTileRows = simd::kRegisters == 32 ? 12 : 6;

inline constexpr int64_t kMaxQueries = 384;  // in a block: the more, the less often keys are gathered
inline constexpr int64_t kMaxKeys = 96;
static_assert(kMaxQueries % kLanes == 0);

inline constexpr float kNegativeInfinity = -std::numeric_limits<float>::infinity();
inline constexpr double kLog2E = 1.4426950408889634;

/// The operands of C[r][:] (+)= sum over t of A[r][t] B[t][:], for r < rows, t < depth and `lanes` columns.
struct ProductSize {
  int64_t rows, depth;
};
/// A[r][t] lies at data[r * row + t * step], so that a transposed A costs nothing.
struct LeftFactor {
  const float* data;
  int64_t row, step;
};
/// B[t] begins at data[t * row].
struct RightFactor {
  const float* data;
  int64_t row;
};
/// C[r] begins at data[r * row].
struct Product {
  float* data;
  int64_t row;
};

/// The product for R rows. (Its operands one by one: a structure of three would go through memory, which
/// short products pay for.)
template <int R, bool add>
void multiply_tile(const float* a, int64_t a_row, int64_t a_step, const float* b, int64_t b_row,
                   int64_t depth, float* c, int64_t c_row) {
  simd::floats left[R], right[R];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    left[r] = add ? simd::load(c + r * c_row) : simd::floats{};
    right[r] = add ? simd::load(c + r * c_row + simd::kWidth) : simd::floats{};
  }
  for (int64_t t = 0; t < depth; ++t, a += a_step, b += b_row) {
    const simd::floats b_left = simd::load(b), b_right = simd::load(b + simd::kWidth);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const simd::floats x = simd::broadcast(a[r * a_row]);
      left[r] = simd::fma(x, b_left, left[r]);
      right[r] = simd::fma(x, b_right, right[r]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    simd::store(c + r * c_row, left[r]);
    simd::store(c + r * c_row + simd::kWidth, right[r]);
  }
}

/// multiply_tile for a number of rows known at run time, at most R.
template <bool add, int R = kTileRows>
void multiply_tiles(int64_t rows, const float* a, int64_t a_row, int64_t a_step, const float* b,
                    int64_t b_row, int64_t depth, float* c, int64_t c_row) {
  if constexpr (R > 0) {
    if (rows == R)
      multiply_tile<R, add>(a, a_row, a_step, b, b_row, depth, c, c_row);
    else
      multiply_tiles<add, R - 1>(rows, a, a_row, a_step, b, b_row, depth, c, c_row);
  }
}

/// The product for at most kTileRows rows.
template <bool add>
void multiply_rows(ProductSize size, const LeftFactor& a, RightFactor b, Product c) {
  multiply_tiles<add>(size.rows, a.data, a.row, a.step, b.data, b.row, size.depth, c.data, c.row);
}

/// The same for any number of rows. They are split evenly (32 rows are 6 + 6 + 5 + 5 + 5 + 5), since a short
/// last tile could not keep the multipliers busy.
template <bool add>
void multiply(ProductSize size, const LeftFactor& a, RightFactor b, Product c) {
  const int64_t tiles = (size.rows + kTileRows - 1) / kTileRows;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t begin = size.rows * tile / tiles, end = size.rows * (tile + 1) / tiles;
    multiply_tiles<add>(end - begin, a.data + begin * a.row, a.row, a.step, b.data, b.row, size.depth,
                        c.data + begin * c.row, c.row);
  }
}

/// Keys met by a block of queries, gathered from the slices of a tile.
struct KeyBlock {
  int64_t count = 0;
  bool whole = true;  // every query of the block sees every key
  int64_t position[kMaxKeys];
  int32_t first[kMaxKeys], last[kMaxKeys];  // queries first .. last - 1 of the block see the key

  /// The run of keys that holds every key seen by the queries begin .. end - 1.
  std::pair<int64_t, int64_t> seen_by(int64_t begin, int64_t end) const {
    if (whole) return {0, count};
    int64_t low = 0, high = count;
    while (low < high && (first[low] >= end || last[low] <= begin)) ++low;
    while (low < high && (first[high - 1] >= end || last[high - 1] <= begin)) --high;
    return {low, high};
  }
};

/// Walks the keys that a block of queries sees, block by block. Keys that no query of the block sees are
/// skipped by arithmetic.
class KeyWalk {
 public:
  KeyWalk(const std::vector<KeySlice>& slices, const Slice& queries, bool causal)
      : slices_(slices), queries_(queries), causal_(causal) {}

  bool next(KeyBlock& block) {
    block.count = 0;
    block.whole = true;
    while (block.count < kMaxKeys && slice_ < slices_.size()) {
      const KeySlice& keys = slices_[slice_];
      const int64_t begin = std::max(index_, keys.begin_for(queries_.start));
      const int64_t seen = keys.end_for(queries_.last(), causal_);
      const int64_t end = std::min(seen, begin + kMaxKeys - block.count);
      for (int64_t i = begin; i < end; ++i) add(block, keys.at(i), keys.reach);
      index_ = std::max(begin, end);
      if (index_ >= seen) {
        ++slice_;
        index_ = 0;
      }
    }
    return block.count > 0;
  }

 private:
  void add(KeyBlock& block, int64_t key, int64_t reach) const {
    int64_t first = causal_ ? queries_.count_below(key) : 0, last = queries_.count;
    if (reach != kUnlimited) {
      if (!causal_) first = queries_.count_below(key - reach + 1);
      last = queries_.count_below(key + reach);
    }
    block.position[block.count] = key;
    block.first[block.count] = static_cast<int32_t>(first);
    block.last[block.count] = static_cast<int32_t>(last);
    block.whole &= first == 0 && last == queries_.count;
    ++block.count;
  }

  const std::vector<KeySlice>& slices_;
  const Slice queries_;
  const bool causal_;
  size_t slice_ = 0;
  int64_t index_ = 0;
};

/// Sets to -inf the scores of keys begin .. end - 1 that the group of queries from `query` on does not see.
inline void mask(const KeyBlock& block, int64_t begin, int64_t end, int64_t query, float* scores,
                 int64_t row) {
  simd::ints lane;
  for (int i = 0; i < simd::kWidth; ++i) lane[i] = static_cast<int32_t>(query) + i;
  for (int64_t key = begin; key < end; ++key) {
    const int32_t first = block.first[key], last = block.last[key];
    if (first <= query && last >= query + kLanes) continue;
    for (int half = 0; half < 2; ++half) {
      float* at = scores + key * row + half * simd::kWidth;
      const simd::ints number = lane + half * simd::kWidth;
      simd::store(at, simd::select((number >= first) & (number < last), simd::load(at),
                                   simd::broadcast(kNegativeInfinity)));
    }
  }
}

/// Rows of one head lie far apart, where no hardware prefetcher follows: loops over rows ask for the row that
/// they will need this many steps later.
inline constexpr int64_t kRowsAhead = 12;
template <bool for_writing = false, class T>
void prefetch(const T* row, int64_t width) {
  constexpr int64_t line = 64 / sizeof(T);
  for (int64_t i = 0; i < width; i += line) __builtin_prefetch(row + i, for_writing);
}

/// width elements as floats, from any of the dtypes.
template <class T>
void copy_row(const T* from, int64_t width, float* to) {
  int64_t i = 0;
  for (; i + simd::kWidth <= width; i += simd::kWidth) simd::store(to + i, simd::load(from + i));
  for (; i < width; ++i) to[i] = static_cast<float>(from[i]);
}

template <class T>
float dot(const T* a, const float* b, int64_t width) {
  simd::floats sum = {};
  int64_t i = 0;
  for (; i + simd::kWidth <= width; i += simd::kWidth)
    sum = simd::fma(simd::load(a + i), simd::load(b + i), sum);
  if (i < width) sum = simd::fma(simd::load_first(a + i, width - i), simd::load_first(b + i, width - i), sum);
  return simd::reduce_sum(sum);
}

/// Gathers the block's keys and values, rows of `key_head`, densely as floats.
template <class T>
void load_keys(const AttentionShape& shape, int64_t batch, int64_t key_head, const KeyBlock& block,
               const T* k, const T* v, float* k_block, float* v_block) {
  const auto row = [&](int64_t key) { return shape.key_row(batch, block.position[key], key_head); };
  for (int64_t key = 0; key < block.count; ++key) {
    if (key + kRowsAhead < block.count) {
      prefetch(k + row(key + kRowsAhead), shape.width);
      prefetch(v + row(key + kRowsAhead), shape.width);
    }
    copy_row(k + row(key), shape.width, k_block + key * shape.width);
    copy_row(v + row(key), shape.width, v_block + key * shape.width);
  }
}

/// to[i][lane] = from[lane][i] * factor for `count` <= lanes rows of `width`, zeros in the lanes beyond;
/// `from` has rows of any stride.
template <class T>
void transpose_in(const T* from, int64_t row, int64_t count, int64_t width, float factor, float* to) {
  using simd::floats;
  for (int64_t lane = 0; lane < count; ++lane) prefetch(from + lane * row, width);
  for (int64_t part = 0; part < kLanes; part += simd::kWidth) {
    for (int64_t i = 0; i < width; i += simd::kWidth) {
      const int64_t some = std::min<int64_t>(simd::kWidth, width - i);
      floats block[simd::kWidth] = {};
      for (int lane = 0; lane < std::min<int64_t>(simd::kWidth, count - part); ++lane) {
        const T* at = from + (part + lane) * row + i;
        block[lane] = (some == simd::kWidth ? simd::load(at) : simd::load_first(at, some)) * factor;
      }
      simd::transpose(block);
      for (int64_t j = 0; j < some; ++j) simd::store(to + (i + j) * kLanes + part, block[j]);
    }
  }
}

/// to[lane][i] = from[i][lane] * factor[lane], for the first `count` lanes: the way back.
template <class T>
void transpose_out(const float* from, int64_t count, int64_t width, const float* factor, T* to, int64_t row) {
  using simd::floats;
  for (int64_t lane = 0; lane < count; ++lane) prefetch<true>(to + lane * row, width);
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
  float* take(int64_t floats) {
    float* taken = next_;
    next_ += floats;
    return taken;
  }

 private:
  float* next_;
};

}  // namespace scca::cpu
