#pragma once
// The bias of a linear layer.
#include "core/dispatch.h"
#include "core/tensor.h"

namespace scca {

/// y[..., o] = x[..., o] + bias[o]: x and y [..., O], bias [O] of x's dtype or f32. Works in place when the
/// caller hands over the only handle of `x` (std::move). dx is dy, no copy is made; dbias is the sum of dy
/// over all rows, in f32 (f64 for f64). Throws Error when the widths or dtypes differ.
Tensor add_bias(Tensor x, const Tensor& bias_O);

/// y may be x. `sums` is row_group_sums(dy) (ops/row_groups.h).
SCCA_KERNELS(void add_bias_forward(const Tensor& x, const Tensor& bias, Tensor& y);
             void add_bias_backward(const Tensor& dy, Tensor& dbias, Tensor& sums);)

}  // namespace scca
