// Calls each instruction of core/ptx.cuh with operands that can be told apart in the PTX: words[i] is read from byte 4 i and
// the results are written to bytes of their own. See ptx.sh.
#include "core/ptx.cuh"

using namespace scca::cuda;

extern "C" __global__ void product(volatile uint32_t* words, volatile float* numbers) {
  const uint32_t a[4] = {words[0], words[1], words[2], words[3]}, b[2] = {words[4], words[5]};
  float d[4] = {numbers[6], numbers[7], numbers[8], numbers[9]};
  mma_m16n8k16(d, a, b);
  for (int i = 0; i < 4; ++i) numbers[16 + i] = d[i];
}

extern "C" __global__ void matrices(volatile uint32_t* words) {
  __shared__ __align__(16) uint32_t rows[32][4];
  for (int i = 0; i < 4; ++i) rows[threadIdx.x][i] = threadIdx.x;
  __syncthreads();
  uint32_t r[4];
  ldmatrix_x4(r, rows[threadIdx.x]);
  for (int i = 0; i < 4; ++i) words[i] = r[i];
}

extern "C" __global__ void transposed_matrices(volatile uint32_t* words) {
  __shared__ __align__(16) uint32_t rows[32][4];
  for (int i = 0; i < 4; ++i) rows[threadIdx.x][i] = threadIdx.x;
  __syncthreads();
  uint32_t r[4];
  ldmatrix_x4_trans(r, rows[threadIdx.x]);
  for (int i = 0; i < 4; ++i) words[i] = r[i];
}

extern "C" __global__ void power(volatile float* numbers) { numbers[1] = exp2_approximate(numbers[0]); }
