#pragma once
// Products of a warp's rows and a tile of rows in shared memory, for both dtypes.
//
// A warp owns `tiles` times 16 rows. A product of it is a Fragment, held in registers as the tensor core's
// result is (core/ptx.cuh): with g = lane / 4 and t = lane % 4, c[m][n][e] is the element at row 16 m + g + 8
// (e / 2) and, for scores, at column 8 n + 2 t + e % 2. The four lanes of a quad hold a row together. f32
// keeps the same fragment and makes it with fused multiply-adds: kernels are written once for both dtypes.
#include "core/cuda_utils.cuh"
#include "core/ptx.cuh"

namespace scca::cuda {

template <int tiles, int columns>
using Fragment = float[tiles][columns / 8][4];

/// Elements from a row to the next in shared memory. The 16 bytes that no one reads turn each row by an odd
/// multiple of four banks, so that eight rows' 16-byte pieces of one column lie in different banks.
template <class T, int width>
inline constexpr int kRowStride = width + 16 / static_cast<int>(sizeof(T));

__device__ inline int lane() { return static_cast<int>(threadIdx.x) % 32; }
__device__ inline int warp() { return static_cast<int>(threadIdx.x) / 32; }

/// c += a x^T: rows of `a` (the warp's first) against `rows` rows of x, over `width`. Rows lie in shared
/// memory.
template <int tiles, int rows, int width>
__device__ void multiply_transposed(const __nv_bfloat16* a, const __nv_bfloat16* x,
                                    Fragment<tiles, rows>& c) {
  constexpr int stride = kRowStride<__nv_bfloat16, width>;
  const __nv_bfloat16* const left_row = a + lane() % 16 * stride + lane() / 16 * 8;
  const __nv_bfloat16* const right_row = x + (lane() % 8 + lane() / 16 * 8) * stride + lane() / 8 % 2 * 8;
#pragma unroll 2  // more loads ahead would spill where accumulators take most registers
  for (int k = 0; k < width; k += 16) {
    uint32_t left[tiles][4];
#pragma unroll
    for (int m = 0; m < tiles; ++m) ldmatrix_x4(left[m], left_row + 16 * m * stride + k);
#pragma unroll
    for (int n = 0; n < rows / 8; n += 2) {
      uint32_t both[4];
      ldmatrix_x4(both, right_row + 8 * n * stride + k);
      const uint32_t even[2] = {both[0], both[1]}, odd[2] = {both[2], both[3]};
#pragma unroll
      for (int m = 0; m < tiles; ++m) {
        mma_m16n8k16(c[m][n], left[m], even);
        mma_m16n8k16(c[m][n + 1], left[m], odd);
      }
    }
  }
}

template <int tiles, int rows, int width>
__device__ void multiply_transposed(const float* a, const float* x, Fragment<tiles, rows>& c) {
  constexpr int stride = kRowStride<float, width>;
  const float* const left_row = a + lane() / 4 * stride;
  const float* const right_row = x + lane() % 4 * 2 * stride;
#pragma unroll 2
  for (int k = 0; k < width; k += 4) {
    float4 left[tiles][2];
#pragma unroll
    for (int m = 0; m < tiles; ++m) {
      left[m][0] = *reinterpret_cast<const float4*>(left_row + 16 * m * stride + k);
      left[m][1] = *reinterpret_cast<const float4*>(left_row + (16 * m + 8) * stride + k);
    }
#pragma unroll
    for (int n = 0; n < rows / 8; ++n) {
#pragma unroll
      for (int odd = 0; odd < 2; ++odd) {
        const float4 right = *reinterpret_cast<const float4*>(right_row + (8 * n + odd) * stride + k);
#pragma unroll
        for (int m = 0; m < tiles; ++m) {
#pragma unroll
          for (int half = 0; half < 2; ++half) {
            float& sum = c[m][n][2 * half + odd];
            sum = fmaf(left[m][half].x, right.x, sum);
            sum = fmaf(left[m][half].y, right.y, sum);
            sum = fmaf(left[m][half].z, right.z, sum);
            sum = fmaf(left[m][half].w, right.w, sum);
          }
        }
      }
    }
  }
}

/// Floats of shared memory through which a warp turns its weights from a product's result into a factor. The
/// tensor core takes them from where they are (and an array has some elements).
template <class T, int tiles, int rows>
inline constexpr int kExchangeFloats = sizeof(T) == 4 ? 16 * tiles*(rows + 4) : 4;

/// c += p x: the warp's weights p for `rows` rows of x, over these rows. For bf16 p is rounded to bf16.
template <int tiles, int rows, int width>
__device__ void multiply(const Fragment<tiles, rows>& p, const __nv_bfloat16* x, float*,
                         Fragment<tiles, width>& c) {
  constexpr int stride = kRowStride<__nv_bfloat16, width>;
  const __nv_bfloat16* const right_row = x + lane() % 16 * stride + lane() / 16 * 8;
#pragma unroll
  for (int k = 0; k < rows; k += 16) {
    uint32_t left[tiles][4];
#pragma unroll
    for (int m = 0; m < tiles; ++m) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float* const pair = &p[m][k / 8 + i / 2][i % 2 * 2];
        const __nv_bfloat162 rounded = __floats2bfloat162_rn(pair[0], pair[1]);
        memcpy(&left[m][i], &rounded, sizeof rounded);
      }
    }
#pragma unroll
    for (int n = 0; n < width / 8; n += 2) {
      uint32_t both[4];
      ldmatrix_x4_trans(both, right_row + k * stride + 8 * n);
      const uint32_t even[2] = {both[0], both[1]}, odd[2] = {both[2], both[3]};
#pragma unroll
      for (int m = 0; m < tiles; ++m) {
        mma_m16n8k16(c[m][n], left[m], even);
        mma_m16n8k16(c[m][n + 1], left[m], odd);
      }
    }
  }
}

template <int tiles, int rows, int width>
__device__ void multiply(const Fragment<tiles, rows>& p, const float* x, float* exchange,
                         Fragment<tiles, width>& c) {
  constexpr int stride = kRowStride<float, width>, row = rows + 4;
  const int g = lane() / 4, t = lane() % 4;
  __syncwarp();  // what the last product left there has been read
#pragma unroll
  for (int m = 0; m < tiles; ++m) {
#pragma unroll
    for (int n = 0; n < rows / 8; ++n) {
      float* const at = exchange + (16 * m + g) * row + 8 * n + 2 * t;
      *reinterpret_cast<float2*>(at) = make_float2(p[m][n][0], p[m][n][1]);
      *reinterpret_cast<float2*>(at + 8 * row) = make_float2(p[m][n][2], p[m][n][3]);
    }
  }
  __syncwarp();
#pragma unroll 1
  for (int k = 0; k < rows; k += 4) {
    float left[tiles][2][4];
#pragma unroll
    for (int m = 0; m < tiles; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float4 four = *reinterpret_cast<const float4*>(exchange + (16 * m + 8 * half + g) * row + k);
        left[m][half][0] = four.x, left[m][half][1] = four.y;
        left[m][half][2] = four.z, left[m][half][3] = four.w;
      }
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int n = 0; n < width / 8; n += 2) {  // a lane's columns: see column()
        const float4 right = *reinterpret_cast<const float4*>(x + (k + i) * stride + 8 * n + 4 * t);
#pragma unroll
        for (int m = 0; m < tiles; ++m) {
#pragma unroll
          for (int half = 0; half < 2; ++half) {
            const float weight = left[m][half][i];
            c[m][n][2 * half] = fmaf(weight, right.x, c[m][n][2 * half]);
            c[m][n][2 * half + 1] = fmaf(weight, right.y, c[m][n][2 * half + 1]);
            c[m][n + 1][2 * half] = fmaf(weight, right.z, c[m][n + 1][2 * half]);
            c[m][n + 1][2 * half + 1] = fmaf(weight, right.w, c[m][n + 1][2 * half + 1]);
          }
        }
      }
    }
  }
}

/// The column of c[m][n][2 half] as multiply() leaves it; the next element's is one further. f32 reads four
/// columns at a time: two neighbouring n of a lane lie side by side.
template <class T>
__device__ int column(int n) {
  return sizeof(T) == 4 ? n / 2 * 16 + 4 * (lane() % 4) + n % 2 * 2 : 8 * n + 2 * (lane() % 4);
}

/// The two elements from `to` on, rounded where they are bf16.
__device__ inline void store_pair(float* to, float first, float second) {
  *reinterpret_cast<float2*>(to) = make_float2(first, second);
}
__device__ inline void store_pair(__nv_bfloat16* to, float first, float second) {
  *reinterpret_cast<__nv_bfloat162*>(to) = __floats2bfloat162_rn(first, second);
}

}  // namespace scca::cuda
