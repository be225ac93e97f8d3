#pragma once
// Sums over the last dimension and over all elements.
#include "core/dispatch.h"
#include "core/tensor.h"

namespace scca {

/// y[..., 0] = the sum of x over its last dimension: x [..., D], y [..., 1], which is what mul() takes as the
/// factor of a row; reshape() takes the 1 away for nothing. Added in f32 (f64 for f64), in an order that the
/// shape alone decides, and rounded to x's dtype once. Backward gives each element of a row the row's
/// gradient, and keeps nothing. Throws Error for a scalar.
Tensor sum_last(const Tensor& x);

/// The sum of all elements, a scalar, likewise: of pieces of the elements first, and then of their sums.
Tensor sum(const Tensor& x);

/// sum_pieces: sums[r] = the sum of x's elements [r piece, (r + 1) piece), the last piece being what is left;
/// sums is of any work dtype. spread_pieces, its gradient: dx[i] = dsums[i / piece].
SCCA_KERNELS(void sum_pieces(const Tensor& x, int64_t piece, Tensor& sums);
             void spread_pieces(const Tensor& dsums, int64_t piece, Tensor& dx);)

}  // namespace scca
