#pragma once
// From weights in few bits to numbers. Products and look-ups do this by themselves, a few rows at a time.
#include "core/dispatch.h"
#include "core/tensor.h"

namespace scca {

/// A row of a block dtype (ops/block_formats.h) of `count` weights, whole blocks, as f32, f64 or bf16.
template <class To>
void dequantize_row(DType blocks, const std::byte* row, int64_t count, To* to);

/// dequantize: rows [n, w] of f32, f64 or bf16 = rows [first, first + n) of `blocks`, of which columns
/// [column, column + w): both multiples of blocks::kRun. dequantize_rows: row i = row ids[i] of `blocks`; ids
/// i32 on its device, of n elements.
SCCA_KERNELS(void dequantize(const Tensor& blocks, int64_t first, int64_t column, Tensor& rows);
             void dequantize_rows(const Tensor& ids, const Tensor& blocks, Tensor& rows);)

}  // namespace scca
