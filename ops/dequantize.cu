#include "core/elementwise.cuh"
#include "ops/block_formats.h"
#include "ops/dequantize.h"

namespace scca::cuda {
namespace {

/// Where the result's rows come from: row ids[i], or first + i where there are no ids; `bytes` a row.
struct Source {
  const uint8_t* blocks;
  int64_t bytes;
  const int32_t* ids;
  int64_t first, first_run;
};

/// A run of 32 weights a thread. Reads 4 to 9 bits a weight and writes 16 or 32.
template <class Format, class T>
__global__ void decode_runs(Source from, int64_t rows, int64_t runs, T* to) {
  for (int64_t i = grid_thread(); i < rows * runs; i += grid_size()) {
    const int64_t row = i / runs;
    Floats<blocks::kRun> weights;
    blocks::decode<Format>(from.blocks + (from.ids ? from.ids[row] : from.first + row) * from.bytes, from.first_run + i % runs,
                   weights.at);
    T* out = to + i * blocks::kRun;
#pragma unroll
    for (int k = 0; k < blocks::kRun; k += kPack<T>) {
      Floats<kPack<T>> pack;
#pragma unroll
      for (int j = 0; j < kPack<T>; ++j) pack.at[j] = weights.at[k + j];
      store(out + k, pack);
    }
  }
}

void decode(const Tensor& from, const int32_t* ids, int64_t first, int64_t column, Tensor& rows) {
  const int64_t width = rows.size(-1), runs = width / blocks::kRun, count = width ? rows.numel() / width : 0;
  const Source source{reinterpret_cast<const uint8_t*>(from.raw()),
                      static_cast<int64_t>(row_bytes(from.dtype(), from.size(1))), ids, first, column / blocks::kRun};
  blocks::visit(from.dtype(), "dequantize", [&]<class Format>() {
    visit_work(rows.dtype(), "dequantize", [&]<class T>() {
      launch({"dequantize", blocks_for(count * runs), kThreads}, decode_runs<Format, T>, source, count, runs,
             data<T>(rows));
    });
  });
}

}  // namespace

void dequantize(const Tensor& blocks, int64_t first, int64_t column, Tensor& rows) {
  decode(blocks, nullptr, first, column, rows);
}

void dequantize_rows(const Tensor& ids, const Tensor& blocks, Tensor& rows) {
  decode(blocks, data<int32_t>(ids), 0, 0, rows);
}

}  // namespace scca::cuda
