#pragma once
// The meaning of the instructions in core/ptx.cuh.
#include "cuemu/core.h"

namespace cuemu {

void allow_bank_conflicts(int ways);
void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);
void ldmatrix(uint32_t* registers, int matrices, const void* row, bool transposed);

template <int N>
void ldmatrix(uint32_t (&registers)[N], const void* row, bool transposed) {
  ldmatrix(registers, N, row, transposed);
}

}  // namespace cuemu
