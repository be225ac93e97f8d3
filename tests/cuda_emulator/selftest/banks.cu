// Reads of shared memory whose words lie in the same banks.
#include <cuda_bf16.h>

#include "core/ptx.cuh"
#include "programs.h"

namespace {

/// A warp reads a column of 32 rows, `stride` floats apart.
template <int stride, int ways>
__global__ void column(float* y) {
  __shared__ float rows[32 * stride];
  if (ways > 1) scca::cuda::allow_bank_conflicts(ways);
  for (int i = threadIdx.x; i < 32 * stride; i += 32) rows[i] = 1;
  __syncwarp();
  y[threadIdx.x] = rows[threadIdx.x * stride];
}

/// 8 rows of 16 bytes a matrix, as the tiles of ops/attention_product.cuh: 64 bf16 a row and `padding`.
template <int padding>
__global__ void matrices(uint32_t* y) {
  __shared__ __align__(16) __nv_bfloat16_raw rows[32][64 + padding];
  for (int i = 0; i < 64 + padding; ++i) rows[threadIdx.x][i] = {0};
  __syncwarp();
  uint32_t r[4];
  scca::cuda::ldmatrix_x4(r, &rows[threadIdx.x % 16][threadIdx.x / 16 * 8]);
  y[threadIdx.x] = r[0];
}

/// Eight lanes at a time read 16 bytes each: rows of 4 + 32 floats lie in other banks, of 32 in the same.
template <int stride>
__global__ void vectors(float* y) {
  __shared__ float4 rows[32 * stride / 4];
  for (int i = threadIdx.x; i < 8 * stride; i += 32) rows[i] = {1, 2, 3, 4};
  __syncwarp();
  const float4 x = rows[threadIdx.x * stride / 4];
  y[threadIdx.x] = x.x + x.y * x.z - x.w;
}

/// The same word for all lanes is one turn, and so are two halves of it.
__global__ void broadcast(float* y) {
  __shared__ float one[4];
  __shared__ unsigned short halves[64];
  if (threadIdx.x < 4) one[threadIdx.x] = 1;
  for (int i = threadIdx.x; i < 64; i += 32) halves[i] = 1;
  __syncwarp();
  y[threadIdx.x] = one[3] + static_cast<float>(halves[threadIdx.x]);
}

/// Lanes that come by a read more often than others: it is counted by the lanes that are there together.
__global__ void uneven(float* y) {
  __shared__ float words[64];
  for (int i = threadIdx.x; i < 64; i += 32) words[i] = 1;
  __syncwarp();
  float sum = 0;
  for (int i = threadIdx.x; i < 40; i += 32) sum += words[i];
  y[threadIdx.x] = sum;
}

template <class T>
void run(void (*kernel)(T*)) {
  launch(kernel, 1, 32, 0, device<T>(32));
  finish();
}

}  // namespace

const std::vector<Program> bank_programs = {
    {"column_of_padded_rows", "plain check ubsan", "ok", [] { run(column<33, 1>); }},
    {"column_of_rows", "check", "of shared memory in 32 turns, by bank conflicts, and this kernel allows 1",
     [] { run(column<32, 1>); }},
    {"column_of_allowed_rows", "plain check ubsan", "ok", [] { run(column<8, 8>); }},
    {"column_beyond_allowed", "check", "in 32 turns, by bank conflicts, and this kernel allows 8",
     [] { run(column<32, 8>); }},
    {"padded_matrices", "plain check ubsan", "ok", [] { run(matrices<8>); }},
    {"matrices_without_padding", "check",
     "reads 16 bytes a lane of shared memory in 8 turns, by bank conflicts", [] { run(matrices<0>); }},
    {"padded_vectors", "plain check ubsan", "ok", [] { run(vectors<36>); }},
    {"vectors_without_padding", "check",
     "reads 16 bytes a lane of shared memory in 8 turns, by bank conflicts", [] { run(vectors<32>); }},
    {"broadcast", "plain check ubsan", "ok", [] { run(broadcast); }},
    {"uneven_reads", "plain check ubsan", "ok", [] { run(uneven); }},
};
