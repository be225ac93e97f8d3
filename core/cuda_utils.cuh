#pragma once
// What every .cu file stands on: errors with the op's name, launches, element types, sums over a block.
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <source_location>
#include <type_traits>

#include "core/check.h"
#include "core/dtype.h"
#include "core/tensor.h"

/// The one dynamic shared array: a kernel carves what it needs from it. At global scope, since inside a
/// namespace it would be another symbol.
extern __shared__ __align__(16) unsigned char dyn_smem[];

namespace scca::cuda {

/// The stream that all work is queued in. Throws Error when there is no device.
cudaStream_t stream();

/// Throws Error: "rms_norm: out of memory (cudaErrorMemoryAllocation) at ops/rms_norm.cu:42".
void check(cudaError_t result, const char* op, std::source_location where = std::source_location::current());

/// Where, how wide and with how much dynamic shared memory a kernel runs.
struct Launch {
  const char* op;
  dim3 grid, block;
  size_t dynamic_shared = 0;
  std::source_location where = std::source_location::current();
};

/// `n` blocks along a grid's x, the one side that holds more than 65535. Throws Error from 2^31 on.
inline unsigned blocks_along_x(const char* op, int64_t n) {
  SCCA_CHECK(n <= INT32_MAX, op, ": ", n,
             " blocks of rows on CUDA, expected fewer than 2^31; use a smaller batch");
  return static_cast<unsigned>(n);
}

/// Queues a kernel. An empty grid is no work. More than 48 KiB of dynamic shared memory has to be asked for.
template <class... Parameters>
void launch(const Launch& at, void (*kernel)(Parameters...), std::type_identity_t<Parameters>... arguments) {
  if (at.grid.x == 0 || at.grid.y == 0 || at.grid.z == 0) return;
  SCCA_CHECK(at.grid.y <= UINT16_MAX && at.grid.z <= UINT16_MAX, at.op, ": a grid of ", at.grid.x, " x ",
             at.grid.y, " x ", at.grid.z,
             " blocks, expected at most 65535 in y and z; what grows with the input lies along x");
  constexpr size_t without_asking = 48 << 10;
  if (at.dynamic_shared > without_asking) {
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                               cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(at.dynamic_shared)),
          at.op, at.where);
  }
  cudaLaunchConfig_t config{};
  config.gridDim = at.grid;
  config.blockDim = at.block;
  config.dynamicSmemBytes = at.dynamic_shared;
  config.stream = stream();
  check(cudaLaunchKernelEx(&config, kernel, arguments...), at.op, at.where);
}

/// Threads of a block where nothing else decides, and blocks for `n` threads that then go over the rest in
/// strides of the grid: enough to fill any device, few enough that starting them costs nothing.
inline constexpr int kThreads = 256;
inline unsigned blocks_for(int64_t n, int threads = kThreads) {
  return static_cast<unsigned>(std::min<int64_t>((n + threads - 1) / threads, 1 << 14));
}

/// The most threads of a block, where a row is one block's work. Such a kernel says so,
/// __launch_bounds__(kMostThreads), or the compiler might give it more registers than so many have; 1024
/// would have too few.
inline constexpr int kMostThreads = 512;

/// This thread's place in the grid, and the grid's threads: for (int64_t i = grid_thread(); i < n; i +=
/// grid_size()).
__device__ inline int64_t grid_thread() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline int64_t grid_size() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

/// Calls f.template operator()<T>() with float or __nv_bfloat16.
template <class F>
decltype(auto) visit_work(DType dtype, const char* op, F&& f) {
  if (dtype == DType::f32) return f.template operator()<float>();
  if (dtype != DType::bf16)
    fail(op, ": ", name_of(dtype), " on CUDA, expected f32 or bf16; f64 is for exact checks on the CPU");
  return f.template operator()<__nv_bfloat16>();
}

/// The elements of a tensor in device memory, null where it is empty. T is float, __nv_bfloat16, double or
/// int32_t.
template <class T>
const T* data(const Tensor& tensor) {
  using Stored = std::conditional_t<std::is_same_v<T, __nv_bfloat16>, bf16, T>;
  return tensor ? reinterpret_cast<const T*>(tensor.data<Stored>()) : nullptr;
}
template <class T>
T* data(Tensor& tensor) {
  using Stored = std::conditional_t<std::is_same_v<T, __nv_bfloat16>, bf16, T>;
  return tensor ? reinterpret_cast<T*>(tensor.data<Stored>()) : nullptr;
}

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }
template <class T>
__device__ T from_float(float x) {
  if constexpr (std::is_same_v<T, float>) {
    return x;
  } else {
    return __float2bfloat16_rn(x);
  }
}

/// The sum over a warp, in every lane: the same bits in each, since each adds the same pairs. T is float or
/// double.
template <class T>
__device__ T warp_sum(T x) {
  for (int distance = 16; distance > 0; distance /= 2) x += __shfl_xor_sync(0xffffffffu, x, distance);
  return x;
}
__device__ inline float warp_max(float x) {
  for (int distance = 16; distance > 0; distance /= 2)
    x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, distance));
  return x;
}

/// The sum over a block of whole warps, in every thread and in a fixed order. `scratch` is shared memory for
/// 32 values that no thread is still reading.
template <class T>
__device__ T block_sum(T x, T* scratch) {
  const int warp = static_cast<int>(threadIdx.x) / 32, warps = static_cast<int>(blockDim.x) / 32;
  x = warp_sum(x);
  if (threadIdx.x % 32 == 0) scratch[warp] = x;
  __syncthreads();
  T total = 0;
  for (int i = 0; i < warps; ++i) total += scratch[i];
  return total;
}
__device__ inline float block_max(float x, float* scratch) {
  const int warp = static_cast<int>(threadIdx.x) / 32, warps = static_cast<int>(blockDim.x) / 32;
  x = warp_max(x);
  if (threadIdx.x % 32 == 0) scratch[warp] = x;
  __syncthreads();
  float most = scratch[0];
  for (int i = 1; i < warps; ++i) most = fmaxf(most, scratch[i]);
  return most;
}

}  // namespace scca::cuda
