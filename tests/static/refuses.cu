// Kernels that static/refuses must find fault with.
extern __shared__ __align__(16) unsigned char dyn_smem[];

namespace {

/// 64 sums stay alive across a barrier, in the 32 registers that two blocks of 1024 threads leave a thread.
__global__ void __launch_bounds__(1024, 2) spills(const float* x, float* y, int n) {
  float sums[64] = {};
  for (int i = 0; i < n; ++i) {
#pragma unroll
    for (int j = 0; j < 64; ++j) sums[j] += x[i] * x[i + j] + sums[(j + 1) % 64];
    __syncthreads();
  }
#pragma unroll
  for (int j = 0; j < 64; ++j) y[j * blockDim.x + threadIdx.x] = sums[j];
}

__global__ void plain(float* y) { y[threadIdx.x] += 1; }

__global__ void shares(float* y) {
  float* shared = reinterpret_cast<float*>(dyn_smem);
  shared[threadIdx.x] = y[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = shared[threadIdx.x ^ 1];
}

}  // namespace

void* kept[] = {reinterpret_cast<void*>(spills), reinterpret_cast<void*>(plain),
                reinterpret_cast<void*>(shares)};
