#pragma once
// How rows reach a block of threads, and leave it: tensors by position, the stream of tiles that moves past
// the rows that stay, and which of them meet. What is computed between them is in attention_product.cuh.
#include <cuda_pipeline_primitives.h>

#include "ops/attention.h"
#include "ops/attention_product.cuh"
#include "ops/attention_work.h"

namespace scca::cuda {

inline constexpr int kAttentionThreads = 32 * kAttentionWarps;
/// Dynamic shared memory that a block may have on every device with bf16 tensor cores and cp.async: of sm_80
/// and later, sm_86, sm_89 and sm_120 have the least.
inline constexpr size_t kMostShared = 99 << 10;
inline constexpr float kLog2e = 1.44269504088896340736f;
__device__ constexpr float minus_infinity = -__builtin_inff();

// ---- Tensors, as kernels walk them ----

/// One head of one batch row: row(position) has the head's `width` elements.
template <class T>
struct HeadRows {
  T* data;
  int stride, first;

  __device__ T* row(int position) const { return data + static_cast<int64_t>(position - first) * stride; }
};

/// A tensor by (batch, head, position). `first` is the position of its first row, and `shared_by` query heads
/// in a row read the same head of it.
template <class T>
struct Rows {
  T* data;
  int64_t batch_stride, head_stride;
  int stride, first, shared_by;

  __device__ HeadRows<T> of(int batch, int head) const {
    return {data + batch * batch_stride + head / shared_by * head_stride, stride, first};
  }
};

/// From one position's row to the next.
inline int row_elements(int64_t heads, int64_t width) {
  SCCA_CHECK(heads * width <= INT32_MAX, "attention: ", heads, " heads of width ", width,
             " on CUDA, expected fewer than 2^31 elements a token");
  return static_cast<int>(heads * width);
}

/// q, out and their gradients [B, T, H, K]; k, v and theirs [B, S, G, K]; one number for each query [B, H,
/// T].
template <class T>
Rows<T> query_rows(const AttentionShape& s, T* data) {
  return {data,
          s.queries * s.heads * s.width,
          s.width,
          row_elements(s.heads, s.width),
          static_cast<int>(s.first_query()),
          1};
}
template <class T>
Rows<T> key_rows(const AttentionShape& s, T* data) {
  return {data, s.tokens * s.key_heads * s.width,       s.width, row_elements(s.key_heads, s.width),
          0,    static_cast<int>(s.heads / s.key_heads)};
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

/// to[r][:] = the row at position(r), for `rows` rows of `width` elements of which `real` exist; zeros where
/// position(r) is negative and beyond `real`. Asynchronous (cp.async), in pieces of `piece` bytes, by all
/// threads of the block.
template <int piece, int rows, int width, class T, class Position>
__device__ void load_pieces(const HeadRows<const T>& from, int real, const Position& position, T* to) {
  constexpr int elements = piece / static_cast<int>(sizeof(T)), in_row = width / elements;
#pragma unroll 1  // addresses are long: many at a time would take the accumulators' registers
  for (int i = static_cast<int>(threadIdx.x); i < rows * in_row; i += kAttentionThreads) {
    const int r = i / in_row, column = i % in_row * elements, at = position(r);
    T* const target = to + r * kRowStride<T, width> + column;
    if (at >= 0 && column < real) {
      __pipeline_memcpy_async(target, from.row(at) + column, piece);
    } else {
      for (int j = 0; j < piece / 4; ++j) reinterpret_cast<float*>(target)[j] = 0;
    }
  }
}

/// 16 bytes at a time where the rows' width and alignment allow it (`wide`), else 4: a width is even.
template <int rows, int width, class T, class Position>
__device__ void load_rows(const HeadRows<const T>& from, int real, bool wide, const Position& position,
                          T* to) {
  if (wide)
    load_pieces<16, rows, width>(from, real, position, to);
  else
    load_pieces<4, rows, width>(from, real, position, to);
}

// ---- The stream of rows that move past a block ----

/// Positions of the moving rows, tile by tile, `rows` at a time. A row of a tile meets the positions low <= x
/// < high of the rows that stay: causality, reach and the rows that are not there (low above every position)
/// are one comparison. Positions of three tiles are known at a time: of the one in use, of the one whose rows
/// are on their way, and of the next.
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

  /// Writes tile `tile`'s positions; tiles are asked for in order. A barrier must follow before they are
  /// read.
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

// ---- Results ----

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
    fail("attention: head width is ", width, " on CUDA, expected at most 128; use more heads, or ",
         Setting("device"), " cpu");
  return f.template operator()<128>();
}

/// Whether 16-byte pieces of every row are aligned.
template <class... T>
bool wide_rows(int64_t width, const T*... data) {
  return width * static_cast<int64_t>(std::min({sizeof(T)...})) % 16 == 0 &&
         ((reinterpret_cast<uintptr_t>(data) % 16 == 0) && ...);
}

}  // namespace scca::cuda
