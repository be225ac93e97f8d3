// Programs without fault: what the checks must let pass.
#include <cuda_bf16.h>
#include <cuda_pipeline_primitives.h>

#include <cmath>

#include "core/ptx.cuh"
#include "programs.h"

extern __shared__ __align__(16) unsigned char dyn_smem[];

namespace {

constexpr int kThreads = 96;

__global__ void sum_of_block(const float* x, float* y) {
  __shared__ float sums[3];
  float sum = x[blockIdx.x * kThreads + threadIdx.x];
  for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_down_sync(0xffffffffu, sum, distance);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x == 0) y[blockIdx.x] = sums[0] + sums[1] + sums[2];
}

__global__ void count(int* total, int* most) {
  atomicAdd(total, 1);
  atomicMax(most, static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x));
}

/// Reverses each run of 32 in place by way of dynamic shared memory, the next run on its way while this one
/// is used.
__global__ void reverse_runs(float* x, int runs) {
  auto* stage = reinterpret_cast<float*>(dyn_smem);
  const auto fetch = [&](int run) {
    if (run < runs)
      __pipeline_memcpy_async(&stage[run % 2 * 32 + threadIdx.x], &x[run * 32 + threadIdx.x], 4);
    __pipeline_commit();
  };
  fetch(0);
  for (int run = 0; run < runs; ++run) {
    fetch(run + 1);
    __pipeline_wait_prior(1);
    __syncwarp();
    x[run * 32 + threadIdx.x] = stage[run % 2 * 32 + 31 - threadIdx.x];
    __syncwarp();
  }
}

/// c = a b of one 16 x 8 tile, a row-major 16 x 16 and b row-major 16 x 8, by the layouts of core/ptx.cuh.
__global__ void tile_product(const __nv_bfloat16* a, const __nv_bfloat16* b, float* c) {
  __shared__ __align__(16) __nv_bfloat16_raw as[16][16], bs[16][8];
  scca::cuda::allow_bank_conflicts(2);  // rows of 32 bytes, without padding
  const int lane = threadIdx.x;
  for (int i = lane; i < 256; i += 32) as[i / 16][i % 16] = a[i];
  for (int i = lane; i < 128; i += 32) bs[i / 8][i % 8] = b[i];
  __syncwarp();
  uint32_t af[4], twice[4];
  scca::cuda::ldmatrix_x4(af, &as[lane % 16][lane / 16 * 8]);
  scca::cuda::ldmatrix_x4_trans(twice, &bs[lane % 16][0]);  // b is two matrices: they come again
  const uint32_t bf[2] = {twice[0], twice[1]};
  float d[4] = {};
  scca::cuda::mma_m16n8k16(d, af, bf);
  for (int i = 0; i < 4; ++i) c[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = d[i];
}

void block_sums() {
  std::vector<float> x(5 * kThreads);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7);
  float* y = device<float>(5);
  launch(sum_of_block, 5, kThreads, 0, static_cast<const float*>(device(x)), y);
  const std::vector<float> sums = host(y, 5);
  for (size_t b = 0; b < 5; ++b) {
    float expected = 0;
    for (size_t i = 0; i < kThreads; ++i) expected += x[b * kThreads + i];
    must_be(sums[b] == expected, "the sum of a block");
  }
}

void atomics() {
  int* total = device(std::vector<int>(2));
  launch(count, 3, 33, 0, total, total + 1);
  must_be(host(total, 2) == std::vector<int>{99, 98}, "atomic sum and maximum");
}

void pipeline() {
  std::vector<float> x(5 * 32);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  float* y = device(x);
  launch(reverse_runs, 1, 32, 64 * sizeof(float), y, 5);
  const std::vector<float> reversed = host(y, x.size());
  for (size_t i = 0; i < x.size(); ++i)
    must_be(reversed[i] == x[i / 32 * 32 + 31 - i % 32], "a reversed run");
}

void tensor_core() {
  std::vector<__nv_bfloat16> a(256), b(128);
  for (size_t i = 0; i < a.size(); ++i) a[i] = __float2bfloat16_rn(static_cast<float>(i * 5 % 13) - 6);
  for (size_t i = 0; i < b.size(); ++i) b[i] = __float2bfloat16_rn(static_cast<float>(i * 7 % 11) - 5);
  float* c = device<float>(128);
  launch(tile_product, 1, 32, 0, static_cast<const __nv_bfloat16*>(device(a)),
         static_cast<const __nv_bfloat16*>(device(b)), c);
  const std::vector<float> product = host(c, 128);
  for (size_t i = 0; i < 16; ++i) {
    for (size_t j = 0; j < 8; ++j) {
      float expected = 0;  // small integers: exact in any order
      for (size_t k = 0; k < 16; ++k)
        expected += __bfloat162float(a[i * 16 + k]) * __bfloat162float(b[k * 8 + j]);
      must_be(product[i * 8 + j] == expected, "an element of the tile's product");
    }
  }
}

void events() {
  cudaStream_t first, second;
  must(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking));
  must(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking));
  cudaEvent_t filled;
  must(cudaEventCreateWithFlags(&filled, cudaEventDisableTiming));
  int* x = device<int>(1);
  must(cudaMemsetAsync(x, 1, sizeof *x, first));
  must(cudaEventRecord(filled, first));
  must(cudaStreamWaitEvent(second, filled, 0));
  int value = 0;
  must(cudaMemcpyAsync(&value, x, sizeof value, cudaMemcpyDeviceToHost, second));
  must(cudaStreamSynchronize(second));
  must_be(value == 0x01010101, "what the other stream wrote");
}

}  // namespace

const std::vector<Program> good_programs = {
    {"block_sums", "plain check ubsan", "ok", block_sums},
    {"atomics", "plain check ubsan", "ok", atomics},
    {"pipeline", "plain check ubsan", "ok", pipeline},
    {"tensor_core", "plain check ubsan", "ok", tensor_core},
    {"events", "plain check ubsan", "ok", events},
};
