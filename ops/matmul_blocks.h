#pragma once
// Products with a weight in few bits (QLoRA's, Dettmers et al., arXiv 2305.14314): a panel of its rows
// becomes numbers, is multiplied while it lies in the caches, and makes room for the next. The whole never
// exists as numbers.
#include "ops/matmul.h"

namespace scca {

/// matmul_into for b of a block dtype (ops/block_formats.h), on any device: called by it, with its checks
/// done.
void matmul_blocks_into(const Tensor& a, const Tensor& b, Tensor& c, const MatmulOptions& options);

/// Rows of b, of `width` columns, that are numbers at a time; or columns, of `width` rows.
int64_t panel_rows(int64_t rows, int64_t width, Device device);

/// c = scale * a b^T + (accumulate ? c : 0) for the one row of a that generation has: each weight becomes a
/// number in a register. One thread, or on CUDA one warp, sums a row of b, in an order that only its length
/// decides. a is f32, on CUDA also bf16; c is f32.
SCCA_KERNELS(void multiply_row(const Tensor& a, const Tensor& b, Tensor& c, const MatmulOptions& options);)

}  // namespace scca
