#pragma once
// The product of elements: gates, masks, and weights of rows.
#include "core/dispatch.h"
#include "core/tensor.h"

namespace scca {

/// y = a * b, element by element, of one dtype. b is like a, or has a last size of 1 where a is wider: a
/// [..., D] and b [..., 1], a factor for each row. Backward: da = dy b, db = dy a, summed over the row where
/// b has one number for it (in f32, f64 for f64). Where no gradient is recorded it works in place when the
/// caller hands over the only handle of `a` (std::move). Throws Error when shapes or dtypes do not fit.
Tensor mul(Tensor a, const Tensor& b);

/// multiply: y = a b, where b is like a or has one number for each of a's rows; y may be a, or b if it is
/// like a. row_dots: y[..., 0] = the sum over the last dimension of a b, a and b alike.
SCCA_KERNELS(void multiply(const Tensor& a, const Tensor& b, Tensor& y);
             void row_dots(const Tensor& a, const Tensor& b, Tensor& y);)

}  // namespace scca
