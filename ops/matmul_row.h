#pragma once
// One row times a matrix that lies row by row, which is what a generated token asks of every weight.
#include "ops/dnnl_product.h"

namespace scca::cpu {

/// Whether multiply_one_row takes a product with op(a) [rows, K], in f32 or bf16: one row, and b transposed.
bool is_one_row(int64_t rows, const MatmulOptions& options);

/// c = scale * a b^T + (accumulate ? c : 0), a [1, K], b [N, K], c [1, N], of f32 or bf16, summed in f32. The
/// weights come from memory once and in their order, which is all the time that it takes; oneDNN's kernels,
/// made for many rows, read about a third slower. The same bits at any thread count: a row of b is one
/// thread's, in an order that its length decides.
void multiply_one_row(const MatrixView& a, const MatrixView& b, const MatrixView& c,
                      const MatmulOptions& options);

}  // namespace scca::cpu
