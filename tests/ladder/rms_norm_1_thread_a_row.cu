// RMSNorm, step 1: what one would write first. A thread does what the CPU's loop does, for one row.
//
// What is wrong: the 32 threads of a warp read 32 rows at once, `width` numbers apart. Memory comes in
// sectors of 32 bytes, so each load moves 8 times what it uses, unless the cache keeps the rest of 32 rows
// until their turn comes. And a row is read twice. And a batch of 4096 rows is 4096 threads, on a device that
// runs 200,000.
#include "core/cuda_utils.cuh"
#include "tests/ladder/ladder.h"

namespace scca::ladder {
namespace {

__global__ void thread_a_row(const float* x, const float* weight, float eps, int64_t rows, int width,
                             float* y) {
  const int64_t row = cuda::grid_thread();
  if (row >= rows) return;
  const float* in = x + row * width;
  float* out = y + row * width;
  float sum = 0;
  for (int i = 0; i < width; ++i) sum += in[i] * in[i];
  const float scale = 1 / sqrtf(sum / static_cast<float>(width) + eps);
  for (int i = 0; i < width; ++i) out[i] = in[i] * scale * weight[i];
}

}  // namespace

void rms_norm_thread_a_row(const Tensor& x, const Tensor& weight, double eps, Tensor& y) {
  constexpr int threads = 64;  // few, so that even a short batch is spread over the multiprocessors
  const int64_t rows = x.size(0);
  cuda::launch({"ladder", dim3(static_cast<unsigned>((rows + threads - 1) / threads)), threads}, thread_a_row,
               cuda::data<float>(x), cuda::data<float>(weight), static_cast<float>(eps), rows,
               static_cast<int>(x.size(1)), cuda::data<float>(y));
}

}  // namespace scca::ladder
