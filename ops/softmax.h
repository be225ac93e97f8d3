#pragma once
// Weights that add up to 1.
#include "core/dispatch.h"
#include "core/tensor.h"

namespace scca {

/// y_i = e^(x_i - m) / sum over j of e^(x_j - m) over the last dimension, m being the row's largest: x and y
/// [..., D]. Computed in f32 (f64 for f64). Where x is -inf, y is 0; a row of nothing else is all 0, as the
/// output of a query that sees no key (ops/attention.h), with zero gradient. A NaN or +inf makes its row NaN.
/// Backward, dx = y (dy - sum over j of y_j dy_j), reads y. Works in place when the caller hands over the
/// only handle of `x` (std::move). Throws Error for a tensor without dimensions.
///
/// For attention and the loss there are ops that never store these weights.
Tensor softmax(Tensor x);

/// y may be x; dx may be dy.
SCCA_KERNELS(void softmax_forward(const Tensor& x, Tensor& y);
             void softmax_backward(const Tensor& y, const Tensor& dy, Tensor& dx);)

}  // namespace scca
