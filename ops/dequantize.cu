#include "core/elementwise.cuh"
#include "ops/block_formats.h"
#include "ops/dequantize.h"

namespace scca::cuda {
namespace {

/// A run of 32 weights a thread: row i of the result from row ids[i], or first + i where there are no ids.
/// Reads 4 to 9 bits a weight and writes 16 or 32.
template <class Format, class T>
__global__ void decode_runs(const uint8_t* from, int64_t row_bytes, const int32_t* ids, int64_t first,
                            int64_t rows, int64_t runs, T* to) {
  for (int64_t i = grid_thread(); i < rows * runs; i += grid_size()) {
    const int64_t row = i / runs;
    Floats<blocks::kRun> weights;
    Format::decode(from + (ids ? ids[row] : first + row) * row_bytes, i % runs, weights.at);
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

void decode(const Tensor& from, const int32_t* ids, int64_t first, Tensor& rows) {
  const int64_t width = from.size(1), runs = width / blocks::kRun, count = width ? rows.numel() / width : 0;
  blocks::visit(from.dtype(), "dequantize", [&]<class Format>() {
    visit_work(rows.dtype(), "dequantize", [&]<class T>() {
      launch({"dequantize", blocks_for(count * runs), kThreads}, decode_runs<Format, T>,
             reinterpret_cast<const uint8_t*>(from.raw()),
             static_cast<int64_t>(row_bytes(from.dtype(), width)), ids, first, count, runs, data<T>(rows));
    });
  });
}

}  // namespace

void dequantize(const Tensor& blocks, int64_t first, Tensor& rows) { decode(blocks, nullptr, first, rows); }

void dequantize_rows(const Tensor& ids, const Tensor& blocks, Tensor& rows) {
  decode(blocks, data<int32_t>(ids), 0, rows);
}

}  // namespace scca::cuda
