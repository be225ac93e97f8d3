#include "core/elementwise.cuh"
#include "ops/block_formats.h"
#include "ops/matmul_blocks.h"

namespace scca::cuda {
namespace {

/// A row of b a warp: its lanes take runs of 32 weights in turn. Reads b once, and a from the caches.
template <class Format, class T>
__global__ void dot_rows(const T* a, const uint8_t* b, int64_t row_bytes, int64_t width, int64_t columns,
                         float scale, bool accumulate, float* c) {
  constexpr int lanes = 32, pack = kPack<T>;
  const int64_t runs = width / blocks::kRun, lane = threadIdx.x % lanes;
  for (int64_t j = grid_thread() / lanes; j < columns; j += grid_size() / lanes) {
    float sum = 0;
    for (int64_t run = lane; run < runs; run += lanes) {
      float weights[blocks::kRun];
      blocks::decode<Format>(b + j * row_bytes, run, weights);
#pragma unroll
      for (int k = 0; k < blocks::kRun; k += pack) {
        const Floats<pack> x = load<pack>(a + run * blocks::kRun + k);
#pragma unroll
        for (int i = 0; i < pack; ++i) sum += weights[k + i] * x.at[i];
      }
    }
    sum = scale * warp_sum(sum);
    if (lane == 0) c[j] = accumulate ? c[j] + sum : sum;
  }
}

}  // namespace

void multiply_row(const Tensor& a, const Tensor& b, Tensor& c, const MatmulOptions& options) {
  blocks::visit(b.dtype(), "matmul", [&]<class Format>() {
    visit_work(a.dtype(), "matmul", [&]<class T>() {
      launch({"matmul", blocks_for(b.size(0) * 32), kThreads}, dot_rows<Format, T>, data<T>(a),
             reinterpret_cast<const uint8_t*>(b.raw()), static_cast<int64_t>(row_bytes(b.dtype(), b.size(1))),
             b.size(1), b.size(0), static_cast<float>(options.scale), options.accumulate, data<float>(c));
    });
  });
}

}  // namespace scca::cuda
