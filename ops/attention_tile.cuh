#pragma once
// What the attention kernels are made of: a warp's rows against a tile of rows in shared memory, and the stream of
// such tiles that moves past a block.
//
// A warp owns `tiles` times 16 rows. A product of it is a Fragment, held in registers as the tensor core's result is
// (core/ptx.cuh): with g = lane / 4 and t = lane % 4, c[m][n][e] is the element at row 16 m + g + 8 (e / 2) and, for
// scores, at column 8 n + 2 t + e % 2. The four lanes of a quad hold a row together. f32 keeps the same fragment and
// makes it with fused multiply-adds: kernels are written once for both dtypes.
#include <cuda_pipeline_primitives.h>

#include "core/cuda_utils.cuh"
#include "core/ptx.cuh"
#include "ops/attention.h"
#include "ops/attention_work.h"

namespace scca::cuda {

inline constexpr int kAttentionWarps = 4, kAttentionThreads = 32 * kAttentionWarps;
/// Dynamic shared memory that a block may have on every device with bf16 tensor cores and cp.async: of sm_80 and later,
/// sm_86, sm_89 and sm_120 have the least.
inline constexpr size_t kMostShared = 99 << 10;
inline constexpr float kLog2e = 1.44269504088896340736f;
__device__ constexpr float minus_infinity = -__builtin_inff();

template <int tiles, int columns>
using Fragment = float[tiles][columns / 8][4];

/// Elements from a row to the next in shared memory. The 16 bytes that no one reads turn each row by four banks, so
/// that eight rows' 16-byte pieces of one column lie in different banks.
template <class T, int width>
inline constexpr int row_stride = width + 16 / static_cast<int>(sizeof(T));

__device__ inline int lane() { return static_cast<int>(threadIdx.x) % 32; }
__device__ inline int warp() { return static_cast<int>(threadIdx.x) / 32; }

// ---- Tensors, as kernels walk them ----

/// One head of one batch row: row(position) has the head's `width` elements.
template <class T>
struct HeadRows {
  T* data;
  int stride, first;

  __device__ T* row(int position) const { return data + static_cast<int64_t>(position - first) * stride; }
};

/// A tensor by (batch, head, position). `first` is the position of its first row, and `shared_by` query heads in a row
/// read the same head of it.
template <class T>
struct Rows {
  T* data;
  int64_t batch_stride, head_stride;
  int stride, first, shared_by;

  __device__ HeadRows<T> of(int batch, int head) const {
    return {data + batch * batch_stride + head / shared_by * head_stride, stride, first};
  }
};

/// q, out and their gradients [B, T, H, K]; k, v and theirs [B, S, G, K]; one number for each query [B, H, T].
template <class T>
Rows<T> query_rows(const AttentionShape& s, T* data) {
  return {data, s.queries * s.heads * s.width,     s.width, static_cast<int>(s.heads * s.width),
          static_cast<int>(s.first_query()), 1};
}
template <class T>
Rows<T> key_rows(const AttentionShape& s, T* data) {
  return {data, s.tokens * s.key_heads * s.width,          s.width, static_cast<int>(s.key_heads * s.width), 0,
          static_cast<int>(s.heads / s.key_heads)};
}
template <class T>
Rows<T> query_numbers(const AttentionShape& s, T* data) {
  return {data, s.heads * s.queries, s.queries, 1, static_cast<int>(s.first_query()), 1};
}

/// The work list where a kernel reads it. Block i does task i / batch for batch row i % batch.
struct Work {
  const WorkItem* items;
  const WorkRange* ranges;
  const WorkTask* tasks;
  int batch;
  bool causal;
};

inline Work work_of(const DeviceWork& list, const AttentionShape& shape, const AttentionPlan& plan) {
  return {list.item_data(), list.range_data(), list.task_data(), static_cast<int>(shape.batch), plan.causal};
}

inline unsigned blocks_of(const DeviceWork& list, const AttentionShape& shape) {
  const int64_t blocks = list.tasks * shape.batch;
  SCCA_CHECK(blocks <= INT32_MAX, "attention: ", list.tasks, " blocks of rows in each of ", shape.batch,
             " batch rows on CUDA, expected fewer than 2^31 in all; use a smaller batch");
  return static_cast<unsigned>(blocks);
}

// ---- Loading rows ----

/// to[r][:] = the row at position(r), for `rows` rows of `width` elements of which `real` exist; zeros where position(r)
/// is negative and beyond `real`. Asynchronous (cp.async), in pieces of `piece` bytes, by all threads of the block.
template <int piece, int rows, int width, class T, class Position>
__device__ void load_pieces(const HeadRows<const T>& from, int real, const Position& position, T* to) {
  constexpr int elements = piece / static_cast<int>(sizeof(T)), in_row = width / elements;
#pragma unroll 1  // addresses are long: many at a time would take the accumulators' registers
  for (int i = static_cast<int>(threadIdx.x); i < rows * in_row; i += kAttentionThreads) {
    const int r = i / in_row, column = i % in_row * elements, at = position(r);
    T* const target = to + r * row_stride<T, width> + column;
    if (at >= 0 && column < real) {
      __pipeline_memcpy_async(target, from.row(at) + column, piece);
    } else {
      for (int j = 0; j < piece / 4; ++j) reinterpret_cast<float*>(target)[j] = 0;
    }
  }
}

/// 16 bytes at a time where the rows' width and alignment allow it (`wide`), else 4: a width is even.
template <int rows, int width, class T, class Position>
__device__ void load_rows(const HeadRows<const T>& from, int real, bool wide, const Position& position, T* to) {
  if (wide)
    load_pieces<16, rows, width>(from, real, position, to);
  else
    load_pieces<4, rows, width>(from, real, position, to);
}

// ---- The stream of rows that move past a block ----

/// Positions of the moving rows, tile by tile, `rows` at a time. A row of a tile meets the positions low <= x < high of
/// the rows that stay: causality, reach and the rows that are not there (low above every position) are one comparison.
/// Positions of three tiles are known at a time: of the one in use, of the one whose rows are on their way, and of the
/// next.
template <int rows>
struct Stream {
  struct Slots {
    int position[3][rows], low[3][rows], high[3][rows];
  };
  static_assert(rows <= kAttentionThreads);

  Slots& slots;
  const WorkRange* range;  // where this thread's next row lies at or after
  int moving;
  bool queries_stay, causal;

  __device__ int tiles() const { return (moving + rows - 1) / rows; }

  /// Writes tile `tile`'s positions; tiles are asked for in order. A barrier must follow before they are read.
  __device__ void find(int tile) {
    const int r = static_cast<int>(threadIdx.x), i = tile * rows + r;
    if (r >= rows) return;
    int position = -1, low = INT32_MAX, high = 0;
    if (i < moving) {
      while (i >= range->end) ++range;
      position = range->start + (i - range->begin) * range->step;
      low = position - (causal && queries_stay ? 0 : range->reach - 1);
      high = position + (causal && !queries_stay ? 1 : range->reach);
    }
    slots.position[tile % 3][r] = position;
    slots.low[tile % 3][r] = low;
    slots.high[tile % 3][r] = high;
  }

  __device__ int position(int tile, int r) const { return slots.position[tile % 3][r]; }
};

/// The positions of the rows that a lane's fragment and its whole warp own.
template <int tiles>
struct Staying {
  const WorkItem& item;

  __device__ int first_row() const { return warp() * 16 * tiles; }
  /// The row in the block of fragment rows m, half: where it is not below item.count, there is no such row.
  __device__ int row(int m, int half) const { return first_row() + 16 * m + 8 * half + lane() / 4; }
  __device__ int position(int row) const { return item.start + row * item.step; }
  __device__ int first() const { return position(first_row()); }
  __device__ int last() const { return position(min(first_row() + 16 * tiles, item.count) - 1); }
  __device__ bool any() const { return first_row() < item.count; }
};

/// What a warp has to do with a tile.
struct Meeting {
  bool some, all;  // pairs that meet
};

template <int rows, int tiles>
__device__ Meeting meeting(const Stream<rows>& stream, int tile, const Staying<tiles>& mine) {
  if (!mine.any()) return {false, false};  // the same for the whole warp
  const int* const low = stream.slots.low[tile % 3];
  const int* const high = stream.slots.high[tile % 3];
  bool some = false, all = true;
  for (int r = lane(); r < rows; r += 32) {
    some |= low[r] <= mine.last() && high[r] > mine.first();
    all &= low[r] <= mine.first() && high[r] > mine.last();
  }
  some = __any_sync(0xffffffffu, some);
  all = __all_sync(0xffffffffu, all);
  return {some, all};
}

/// Sets to -inf the scores of the pairs that do not meet.
template <int rows, int tiles>
__device__ void mask(const Stream<rows>& stream, int tile, const Staying<tiles>& mine,
                     Fragment<tiles, rows>& scores) {
#pragma unroll
  for (int n = 0; n < rows / 8; ++n) {
    const int column = 8 * n + 2 * (lane() % 4);
    const int2 low = *reinterpret_cast<const int2*>(&stream.slots.low[tile % 3][column]);
    const int2 high = *reinterpret_cast<const int2*>(&stream.slots.high[tile % 3][column]);
#pragma unroll
    for (int m = 0; m < tiles; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int x = mine.position(mine.row(m, half));
        float* const pair = &scores[m][n][2 * half];
        if (x < low.x || x >= high.x) pair[0] = minus_infinity;
        if (x < low.y || x >= high.y) pair[1] = minus_infinity;
      }
    }
  }
}

// ---- Products ----

/// c += a x^T: rows of `a` (the warp's first) against `rows` rows of x, over `width`. Rows lie in shared memory.
template <int tiles, int rows, int width>
__device__ void multiply_transposed(const __nv_bfloat16* a, const __nv_bfloat16* x, Fragment<tiles, rows>& c) {
  constexpr int stride = row_stride<__nv_bfloat16, width>;
  const __nv_bfloat16* const left_row = a + lane() % 16 * stride + lane() / 16 * 8;
  const __nv_bfloat16* const right_row = x + (lane() % 8 + lane() / 16 * 8) * stride + lane() / 8 % 2 * 8;
#pragma unroll 2  // more loads ahead would spill where accumulators take most registers
  for (int k = 0; k < width; k += 16) {
    uint32_t left[tiles][4];
#pragma unroll
    for (int m = 0; m < tiles; ++m) ldmatrix_x4(left[m], left_row + 16 * m * stride + k);
#pragma unroll
    for (int n = 0; n < rows / 8; n += 2) {
      uint32_t both[4];
      ldmatrix_x4(both, right_row + 8 * n * stride + k);
      const uint32_t even[2] = {both[0], both[1]}, odd[2] = {both[2], both[3]};
#pragma unroll
      for (int m = 0; m < tiles; ++m) {
        mma_m16n8k16(c[m][n], left[m], even);
        mma_m16n8k16(c[m][n + 1], left[m], odd);
      }
    }
  }
}

template <int tiles, int rows, int width>
__device__ void multiply_transposed(const float* a, const float* x, Fragment<tiles, rows>& c) {
  constexpr int stride = row_stride<float, width>;
  const float* const left_row = a + lane() / 4 * stride;
  const float* const right_row = x + lane() % 4 * 2 * stride;
#pragma unroll 2
  for (int k = 0; k < width; k += 4) {
    float4 left[tiles][2];
#pragma unroll
    for (int m = 0; m < tiles; ++m) {
      left[m][0] = *reinterpret_cast<const float4*>(left_row + 16 * m * stride + k);
      left[m][1] = *reinterpret_cast<const float4*>(left_row + (16 * m + 8) * stride + k);
    }
#pragma unroll
    for (int n = 0; n < rows / 8; ++n) {
#pragma unroll
      for (int odd = 0; odd < 2; ++odd) {
        const float4 right = *reinterpret_cast<const float4*>(right_row + (8 * n + odd) * stride + k);
#pragma unroll
        for (int m = 0; m < tiles; ++m) {
#pragma unroll
          for (int half = 0; half < 2; ++half) {
            float& sum = c[m][n][2 * half + odd];
            sum = fmaf(left[m][half].x, right.x, sum);
            sum = fmaf(left[m][half].y, right.y, sum);
            sum = fmaf(left[m][half].z, right.z, sum);
            sum = fmaf(left[m][half].w, right.w, sum);
          }
        }
      }
    }
  }
}

/// Floats of shared memory through which a warp turns its weights from a product's result into a factor. The tensor
/// core takes them from where they are (and an array has some elements).
template <class T, int tiles, int rows>
inline constexpr int exchange_floats = sizeof(T) == 4 ? 16 * tiles * (rows + 4) : 4;

/// c += p x: the warp's weights p for `rows` rows of x, over these rows. For bf16 p is rounded to bf16.
template <int tiles, int rows, int width>
__device__ void multiply(const Fragment<tiles, rows>& p, const __nv_bfloat16* x, float*,
                         Fragment<tiles, width>& c) {
  constexpr int stride = row_stride<__nv_bfloat16, width>;
  const __nv_bfloat16* const right_row = x + lane() % 16 * stride + lane() / 16 * 8;
#pragma unroll
  for (int k = 0; k < rows; k += 16) {
    uint32_t left[tiles][4];
#pragma unroll
    for (int m = 0; m < tiles; ++m) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float* const pair = &p[m][k / 8 + i / 2][i % 2 * 2];
        const __nv_bfloat162 rounded = __floats2bfloat162_rn(pair[0], pair[1]);
        memcpy(&left[m][i], &rounded, sizeof rounded);
      }
    }
#pragma unroll
    for (int n = 0; n < width / 8; n += 2) {
      uint32_t both[4];
      ldmatrix_x4_trans(both, right_row + k * stride + 8 * n);
      const uint32_t even[2] = {both[0], both[1]}, odd[2] = {both[2], both[3]};
#pragma unroll
      for (int m = 0; m < tiles; ++m) {
        mma_m16n8k16(c[m][n], left[m], even);
        mma_m16n8k16(c[m][n + 1], left[m], odd);
      }
    }
  }
}

template <int tiles, int rows, int width>
__device__ void multiply(const Fragment<tiles, rows>& p, const float* x, float* exchange,
                         Fragment<tiles, width>& c) {
  constexpr int stride = row_stride<float, width>, row = rows + 4;
  const int g = lane() / 4, t = lane() % 4;
  __syncwarp();  // what the last product left there has been read
#pragma unroll
  for (int m = 0; m < tiles; ++m) {
#pragma unroll
    for (int n = 0; n < rows / 8; ++n) {
      float* const at = exchange + (16 * m + g) * row + 8 * n + 2 * t;
      *reinterpret_cast<float2*>(at) = make_float2(p[m][n][0], p[m][n][1]);
      *reinterpret_cast<float2*>(at + 8 * row) = make_float2(p[m][n][2], p[m][n][3]);
    }
  }
  __syncwarp();
#pragma unroll 1
  for (int k = 0; k < rows; k += 4) {
    float left[tiles][2][4];
#pragma unroll
    for (int m = 0; m < tiles; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float4 four = *reinterpret_cast<const float4*>(exchange + (16 * m + 8 * half + g) * row + k);
        left[m][half][0] = four.x, left[m][half][1] = four.y;
        left[m][half][2] = four.z, left[m][half][3] = four.w;
      }
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int n = 0; n < width / 8; n += 2) {  // a lane's columns: see column()
        const float4 right = *reinterpret_cast<const float4*>(x + (k + i) * stride + 8 * n + 4 * t);
#pragma unroll
        for (int m = 0; m < tiles; ++m) {
#pragma unroll
          for (int half = 0; half < 2; ++half) {
            const float weight = left[m][half][i];
            c[m][n][2 * half] = fmaf(weight, right.x, c[m][n][2 * half]);
            c[m][n][2 * half + 1] = fmaf(weight, right.y, c[m][n][2 * half + 1]);
            c[m][n + 1][2 * half] = fmaf(weight, right.z, c[m][n + 1][2 * half]);
            c[m][n + 1][2 * half + 1] = fmaf(weight, right.w, c[m][n + 1][2 * half + 1]);
          }
        }
      }
    }
  }
}

/// The column of c[m][n][2 half] as multiply() leaves it; the next element's is one further. f32 reads four columns at
/// a time: two neighbouring n of a lane lie side by side.
template <class T>
__device__ int column(int n) {
  return sizeof(T) == 4 ? n / 2 * 16 + 4 * (lane() % 4) + n % 2 * 2 : 8 * n + 2 * (lane() % 4);
}

/// The two elements from `to` on, rounded where they are bf16.
__device__ inline void store_pair(float* to, float first, float second) {
  *reinterpret_cast<float2*>(to) = make_float2(first, second);
}
__device__ inline void store_pair(__nv_bfloat16* to, float first, float second) {
  *reinterpret_cast<__nv_bfloat162*>(to) = __floats2bfloat162_rn(first, second);
}

/// to.row(position)[:] = factor(m, half) * the warp's rows of c, which multiply() made from elements of T.
template <class T, int tiles, int blocks, class To, class Factor>
__device__ void store_rows(const float (&c)[tiles][blocks][4], const Staying<tiles>& mine, int real,
                           const Factor& factor, const HeadRows<To>& to) {
#pragma unroll
  for (int m = 0; m < tiles; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = mine.row(m, half);
      if (row >= mine.item.count) continue;
      To* const target = to.row(mine.position(row));
      const float scale = factor(m, half);
#pragma unroll
      for (int n = 0; n < blocks; ++n) {
        if (column<T>(n) < real)
          store_pair(target + column<T>(n), scale * c[m][n][2 * half], scale * c[m][n][2 * half + 1]);
      }
    }
  }
}

/// Calls f.template operator()<width>() with the smallest built width that holds `width` columns.
template <class F>
void visit_head_width(int64_t width, F&& f) {
  if (width <= 32) return f.template operator()<32>();
  if (width <= 64) return f.template operator()<64>();
  if (width <= 80) return f.template operator()<80>();
  if (width <= 96) return f.template operator()<96>();
  if (width > 128)
    fail("attention: head width is ", width, " on CUDA, expected at most 128; use more heads, or --device cpu");
  return f.template operator()<128>();
}

/// Whether 16-byte pieces of every row are aligned.
template <class... T>
bool wide_rows(int64_t width, const T*... data) {
  return width * static_cast<int64_t>(std::min({sizeof(T)...})) % 16 == 0 &&
         ((reinterpret_cast<uintptr_t>(data) % 16 == 0) && ...);
}

}  // namespace scca::cuda
