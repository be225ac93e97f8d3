// Accesses that no barrier orders.
#include <cuda_pipeline_primitives.h>

#include "core/ptx.cuh"
#include "programs.h"

namespace {

__global__ void reverse_block(const float* x, float* y) {
  __shared__ float scratch[64];
  scratch[threadIdx.x] = x[threadIdx.x];
  y[threadIdx.x] = scratch[63 - threadIdx.x];
}

__global__ void write_after_read(const float* x, float* y) {
  __shared__ float scratch[64];
  for (int round = 0; round < 2; ++round) {
    scratch[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = scratch[63 - threadIdx.x];  // and no barrier before the next round's write
  }
}

__global__ void reverse_warp(const float* x, float* y) {
  __shared__ float scratch[32];
  scratch[threadIdx.x] = x[threadIdx.x];
  y[threadIdx.x] = scratch[31 - threadIdx.x];
}

__global__ void shuffle_is_no_barrier(const float* x, float* y) {
  __shared__ float scratch[32];
  scratch[threadIdx.x] = x[threadIdx.x];
  const float sum = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 1);
  y[threadIdx.x] = sum + scratch[31 - threadIdx.x];
}

__global__ void same_cell(float* y) { *y = 1; }
__global__ void half_atomic(int* y) {
  if (threadIdx.x == 0) {
    *y = 1;
  } else {
    atomicAdd(y, 1);
  }
}

__global__ void copy_without_wait(const float4* x, float4* y) {
  __shared__ float4 stage[32];
  __pipeline_memcpy_async(&stage[threadIdx.x], &x[threadIdx.x], 16);
  __pipeline_commit();
  y[threadIdx.x] = stage[threadIdx.x];
}

__global__ void copy_without_barrier(const float4* x, float4* y) {
  __shared__ float4 stage[64];
  __pipeline_memcpy_async(&stage[threadIdx.x], &x[threadIdx.x], 16);
  __pipeline_commit();
  __pipeline_wait_prior(0);
  y[threadIdx.x] = stage[63 - threadIdx.x];
}

__global__ void refill_too_early(const float4* x, float4* y) {
  __shared__ float4 stage[64];
  for (int round = 0; round < 2; ++round) {
    __pipeline_memcpy_async(&stage[threadIdx.x], &x[threadIdx.x], 16);
    __pipeline_commit();
    __pipeline_wait_prior(0);
    __syncthreads();
    y[threadIdx.x] = stage[63 - threadIdx.x];  // and no barrier before the next round's copy
  }
}

__global__ void load_matrix_too_early(const uint4* x, uint32_t* y) {
  __shared__ uint4 rows[32];
  rows[threadIdx.x] = x[31 - threadIdx.x];
  uint32_t r[4];
  scca::cuda::ldmatrix_x4(r, &rows[31 - threadIdx.x]);
  y[threadIdx.x] = r[0];
}

template <class T, class Out>
void run(void (*kernel)(const T*, Out*), unsigned threads) {
  launch(kernel, 1, threads, 0, static_cast<const T*>(device(std::vector<T>(threads))), device<Out>(threads));
  finish();
}
void missing_barrier() { run(reverse_block, 64); }
void missing_barrier_before_write() { run(write_after_read, 64); }
void missing_warp_barrier() { run(reverse_warp, 32); }
void shuffle_as_barrier() { run(shuffle_is_no_barrier, 32); }
void missing_wait() { run(copy_without_wait, 32); }
void missing_barrier_after_wait() { run(copy_without_barrier, 64); }
void missing_barrier_before_copy() { run(refill_too_early, 64); }
void ldmatrix_too_early() { run(load_matrix_too_early, 32); }
void blocks_race() {
  launch(same_cell, 2, 1, 0, device<float>(1));
  finish();
}
void atomic_against_plain() {
  launch(half_atomic, 1, 2, 0, device(std::vector<int>(1)));
  finish();
}

}  // namespace

const std::vector<Program> race_programs = {
    {"missing_barrier", "check", "static shared memory: nobody has written it (selftest/races.cu:12)",
     missing_barrier},
    {"missing_barrier_before_write", "check", "wrote it, and no __syncthreads is in between",
     missing_barrier_before_write},
    {"missing_warp_barrier", "check", "static shared memory: nobody has written it (selftest/races.cu:27)",
     missing_warp_barrier},
    {"shuffle_as_barrier", "check", "wrote it, and no __syncwarp is in between", shuffle_as_barrier},
    {"blocks_race", "check", "a race, another block of this launch wrote it", blocks_race},
    {"atomic_against_plain", "check", "4 bytes, byte 0 of 4 in device memory: a race, thread ",
     atomic_against_plain},
    {"missing_wait", "check", "to it is under way; __pipeline_wait_prior comes later", missing_wait},
    {"missing_barrier_after_wait", "check", "reads 16 bytes, static shared memory: nobody has written it",
     missing_barrier_after_wait},
    {"missing_barrier_before_copy", "check", "wrote it, and no __syncthreads is in between",
     missing_barrier_before_copy},
    {"ldmatrix_too_early", "check", "from selftest/races.cu", ldmatrix_too_early},
};
