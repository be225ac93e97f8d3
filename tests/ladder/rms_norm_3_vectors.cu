// RMSNorm, step 3: every number moves once, 16 bytes at a time.
//
// A thread keeps its part of the row in registers between the sum and the product, so x is read once and y
// written once: no kernel can move less. A float4 is one instruction for four numbers, where rows begin at
// multiples of 16 bytes; where they do not (an odd width) the same kernel takes them one by one. All loads of
// a thread are issued before the first is needed: 64 bytes on their way per thread.
//
// This is the roof: time = (rows * width * 8 bytes) / bandwidth.
#include "core/cuda_utils.cuh"
#include "tests/ladder/ladder.h"

namespace scca::ladder {
namespace {

constexpr int kThreads = 256, kVectors = 4;
constexpr int kMostWidth = kThreads * kVectors * 4;

/// Four numbers from place 4 i on, zeros past the end. `aligned`: width is a multiple of 4.
template <bool aligned>
__device__ float4 load(const float* row, int i, int width) {
  const int at = 4 * i;
  if constexpr (aligned) return at < width ? reinterpret_cast<const float4*>(row)[i] : float4{0, 0, 0, 0};
  const auto one = [&](int j) { return at + j < width ? row[at + j] : 0.0f; };
  return {one(0), one(1), one(2), one(3)};
}

template <bool aligned>
__device__ void store(float* row, int i, int width, const float4& value) {
  const int at = 4 * i;
  if constexpr (aligned) {
    if (at < width) reinterpret_cast<float4*>(row)[i] = value;
    return;
  }
  if (at < width) row[at] = value.x;
  if (at + 1 < width) row[at + 1] = value.y;
  if (at + 2 < width) row[at + 2] = value.z;
  if (at + 3 < width) row[at + 3] = value.w;
}

template <bool aligned>
__global__ void __launch_bounds__(kThreads)
    vectors(const float* x, const float* weight, float eps, int width, float* y) {
  __shared__ __align__(16) float scratch[32];
  const int64_t row = static_cast<int64_t>(blockIdx.x) * width;
  const int thread = static_cast<int>(threadIdx.x);
  float4 part[kVectors];
#pragma unroll
  for (int n = 0; n < kVectors; ++n) part[n] = load<aligned>(x + row, thread + n * kThreads, width);
  float sum = 0;
#pragma unroll
  for (int n = 0; n < kVectors; ++n) {
    const float4 p = part[n];
    sum += p.x * p.x + p.y * p.y + p.z * p.z + p.w * p.w;
  }
  const float s = 1 / sqrtf(cuda::block_sum(sum, scratch) / static_cast<float>(width) + eps);
#pragma unroll
  for (int n = 0; n < kVectors; ++n) {
    const float4 p = part[n], w = load<aligned>(weight, thread + n * kThreads, width);
    store<aligned>(y + row, thread + n * kThreads, width,
                   {p.x * s * w.x, p.y * s * w.y, p.z * s * w.z, p.w * s * w.w});
  }
}

}  // namespace

void rms_norm_vectors(const Tensor& x, const Tensor& weight, double eps, Tensor& y) {
  const int width = static_cast<int>(x.size(1));
  SCCA_CHECK(width <= kMostWidth, "ladder: rows of ", width, ", step 3 keeps at most ", kMostWidth,
             " in registers");
  const auto kernel = width % 4 == 0 ? vectors<true> : vectors<false>;
  cuda::launch({"ladder", dim3(static_cast<unsigned>(x.size(0))), kThreads}, kernel, cuda::data<float>(x),
               cuda::data<float>(weight), static_cast<float>(eps), width, cuda::data<float>(y));
}

}  // namespace scca::ladder
