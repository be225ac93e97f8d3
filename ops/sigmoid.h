#pragma once
// The logistic function: what opens and closes a gate.
#include "core/dispatch.h"
#include "core/tensor.h"

namespace scca {

/// y = 1 / (1 + e^-x), element by element. Backward, dx = dy y (1 - y), reads y, which what follows keeps in
/// any case. Works in place when the caller hands over the only handle of `x` (std::move).
Tensor sigmoid(Tensor x);

/// y may be x; dx may be dy.
SCCA_KERNELS(void sigmoid_forward(const Tensor& x, Tensor& y);
             void sigmoid_backward(const Tensor& y, const Tensor& dy, Tensor& dx);)

}  // namespace scca
