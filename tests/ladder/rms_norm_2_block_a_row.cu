// RMSNorm, step 2: a block of 256 threads shares a row.
//
// Neighbouring threads now read neighbouring numbers: a warp's load is 128 bytes in a row, all of them used.
// The sum of squares is in 256 parts, which meet in a reduction: within a warp by shuffles, among warps by
// way of shared memory (cuda::block_sum). There are 256 times as many threads as in step 1, so that while
// some wait for memory others run.
//
// What is left: x is read twice, the second time out of a cache if one is lucky; each load is of 4 bytes a
// thread, so that the device spends instructions where it should only wait for memory.
#include "core/cuda_utils.cuh"
#include "tests/ladder/ladder.h"

namespace scca::ladder {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads)
    block_a_row(const float* x, const float* weight, float eps, int width, float* y) {
  __shared__ __align__(16) float scratch[32];
  const float* in = x + static_cast<int64_t>(blockIdx.x) * width;
  float* out = y + static_cast<int64_t>(blockIdx.x) * width;
  const int thread = static_cast<int>(threadIdx.x);
  float sum = 0;
  for (int i = thread; i < width; i += kThreads) sum += in[i] * in[i];
  const float scale = 1 / sqrtf(cuda::block_sum(sum, scratch) / static_cast<float>(width) + eps);
  for (int i = thread; i < width; i += kThreads) out[i] = in[i] * scale * weight[i];
}

}  // namespace

void rms_norm_block_a_row(const Tensor& x, const Tensor& weight, double eps, Tensor& y) {
  cuda::launch({"ladder", dim3(static_cast<unsigned>(x.size(0))), kThreads}, block_a_row,
               cuda::data<float>(x), cuda::data<float>(weight), static_cast<float>(eps),
               static_cast<int>(x.size(1)), cuda::data<float>(y));
}

}  // namespace scca::ladder
