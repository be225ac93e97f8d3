#pragma once
// The instructions that CUDA C++ has no name for: the tensor core's product and the loads that feed it. The
// only file that knows which compiler reads it: nvcc gets the instruction, a plain C++ compiler the
// emulator's function of the same meaning (tests/cuda_emulator).
//
// Source: PTX ISA 8.x, "Matrix Fragments for mma.m16n8k16 with floating point type" and "ldmatrix". A warp's
// 32 lanes hold a matrix together; with g = lane / 4 and t = lane % 4, a lane's registers are (a pair of bf16
// is one uint32_t, the lower column, or row of b, in its lower half):
//
//   a, 16 x 16 (row, column)     a[0] = (g, 2t..2t+1)      a[1] = (g + 8, 2t..2t+1)
//                                a[2] = (g, 2t+8..2t+9)    a[3] = (g + 8, 2t+8..2t+9)
//   b, 16 x 8  (row, column)     b[0] = (2t..2t+1, g)      b[1] = (2t+8..2t+9, g)
//   d, 16 x 8  (row, column)     d[0], d[1] = (g, 2t..2t+1)    d[2], d[3] = (g + 8, 2t..2t+1)
#include <cuda_runtime.h>

#include <cstdint>

#ifndef __CUDACC__
#include <cuemu/ptx.h>
#endif

namespace scca::cuda {

/// d += a b: bf16 in, products and sums in f32. All 32 lanes call it together.
__device__ __forceinline__ void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#ifdef __CUDACC__
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  cuemu::mma_m16n8k16(d, a, b);
#endif
}

/// 2^x to 2^-22 of itself, in one instruction; what would be below 2^-126 is 0. (exp2f spends three more on
/// that.)
__device__ __forceinline__ float exp2_approximate(float x) {
#ifdef __CUDACC__
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return __builtin_exp2f(x);
#endif
}

/// Says that a read of shared memory in this kernel may take up to `ways` turns, where lanes read different
/// words of one bank. The emulator counts them; where nothing is said, a read takes one turn.
__device__ __forceinline__ void allow_bank_conflicts([[maybe_unused]] int ways) {
#ifndef __CUDACC__
  cuemu::allow_bank_conflicts(ways);
#endif
}

// ldmatrix: four matrices of 8 x 8 elements of 2 bytes, from shared memory. Lane 8m + i gives the address of
// row i of matrix m (16 bytes, 16-byte aligned). r[m] is then the pair of matrix m at row g, columns 2t and
// 2t+1; transposed, the pair at rows 2t and 2t+1 of column g. So a row-major 16 x 16 tile read with matrices
// in the order (0, 0), (8, 0), (0, 8), (8, 8) is the `a` above; b is two matrices of columns as rows, or of
// rows, transposed. All 32 lanes call it together, after a barrier that orders it behind the writes of the
// rows.

__device__ __forceinline__ void ldmatrix_x4(uint32_t (&r)[4], const void* row) {
#ifdef __CUDACC__
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
#else
  cuemu::ldmatrix(r, row, false);
#endif
}

__device__ __forceinline__ void ldmatrix_x4_trans(uint32_t (&r)[4], const void* row) {
#ifdef __CUDACC__
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
#else
  cuemu::ldmatrix(r, row, true);
#endif
}

}  // namespace scca::cuda
